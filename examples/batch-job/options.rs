//! What the command line says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::rate::{self, Rate};

/// A batch job that never overlaps with itself and keeps to a partner's rate.
#[derive(Parser)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Deliver the pending events, unless another run is at it
    #[command(args_override_self = true)] // the last of several counts
    Run(Box<Job>),
    /// Add events to try it with; writes the file if it is not there
    MakeEvents {
        /// The SQLite file
        #[arg(long, default_value = "events.sqlite")]
        database: PathBuf,
        /// How many events; five on each record
        #[arg(long, default_value_t = 50)]
        number: u32,
    },
    /// Be a partner to play with: print what comes, refuse old fences
    Partner {
        /// Where to listen; port 0 takes a free one
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: SocketAddr,
    },
}

#[derive(Args)]
pub(crate) struct Job {
    /// The SQLite file with the events
    #[arg(long, default_value = "events.sqlite")]
    pub(crate) database: PathBuf,
    /// Where the calls go, plain http
    #[arg(long, default_value = "http://127.0.0.1:8080/", value_parser = plain_http)]
    pub(crate) endpoint: reqwest::Url,
    /// Redis or Valkey with the module
    #[arg(long, default_value = "redis://127.0.0.1:6379/")]
    pub(crate) redis: String,
    /// The key of the lock: one for each job that must not overlap with itself
    #[arg(long, default_value = "lock:batch-job")]
    pub(crate) lock: String,
    /// How long the lock outlives a crash; it is renewed every third of that
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub(crate) lease: Duration,
    /// The key of the limit: the same for everything that calls this partner
    #[arg(long, default_value = "limit:partner")]
    pub(crate) limit: String,
    /// At most so many calls in that time: 1/s, 100/min or 3/500ms, evenly spaced; 2/1s:5, up to 5 at once
    /// after a pause; 100/1m:strict, never more than 100 in any minute; 1000/1d:align=0, 1000 in each day
    #[arg(long, default_value = "1/s", value_name = rate::FORM)]
    pub(crate) rate: Rate,
    /// When the partner answers 429 or 503 with Retry-After, nobody calls it for that long, but no longer than this
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) max_hold: Duration,
    /// How long the partner, or Redis, has for an answer; at most a third of the lease
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
}

/// This program is built without TLS, and says so before it takes a lock.
fn plain_http(text: &str) -> Result<reqwest::Url, String> {
    let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" => Ok(url),
        scheme => Err(format!("{scheme} is not built in, only http is")),
    }
}
