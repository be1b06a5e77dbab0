//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::uri::{Authority, Scheme};
use axum::http::{Method, Uri};
use clap::Parser;
use sluice_tower::ipnet::IpNet;

use crate::choices::{Exempt, KeyOf, Mode, OnOutage};
use crate::rate::{self, Rate};

/// Passes requests on to an upstream, no faster than a rate that all replicas share through Redis
#[derive(Parser)]
#[command(name = "reverse-proxy", version)]
pub(crate) struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8088")]
    pub(crate) listen: SocketAddr,

    /// Where requests are passed on to: http or https, a host, perhaps a port and a path
    #[arg(long, value_name = "URL", value_parser = upstream)]
    pub(crate) upstream: Uri,

    /// The Redis or Valkey server with the module
    #[arg(long, value_name = "URL", default_value = "redis://127.0.0.1:6379")]
    pub(crate) redis: String,

    /// How many requests pass in which time: 2/s or 100/min, evenly spaced; 2/1s:5, up to 5 at once after
    /// a pause; 100/1m:strict, never more than 100 in any minute; 1000/1d:align=0, 1000 in each day of UTC
    #[arg(long, value_name = rate::FORM)]
    pub(crate) rate: Rate,

    /// What happens to requests beyond the rate
    #[arg(long, value_enum, default_value_t = Mode::Wait)]
    pub(crate) mode: Mode,

    /// The longest wait for a turn; a longer queue is answered 429 at once. The server allows up to its
    /// setting sluice.max-wait-ms, a minute unless changed
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    pub(crate) max_wait: Duration,

    /// What happens while Redis is out of reach: closed answers 503, open passes everything, local limits
    /// this process alone, to one Nth of the rate if there are N replicas
    #[arg(long, value_name = "closed|open|local[:N]", default_value = "closed")]
    pub(crate) on_outage: OnOutage,

    /// How long Redis has for an answer before it is out of reach
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "250ms")]
    pub(crate) deadline: Duration,

    /// What has a rate of its own: one for all requests, or each client address, path or value of a header
    #[arg(long, value_name = "one|ip|path|header:NAME", default_value = "one")]
    pub(crate) key: KeyOf,

    /// Put before every key in Redis; replicas share it [default: proxy:HOST: with the upstream's host]
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,

    /// A network of proxies whose X-Forwarded-For is believed, for --key ip; may be given several times
    #[arg(long, value_name = "CIDR", value_parser = network)]
    pub(crate) trusted_proxy: Vec<IpNet>,

    /// How long the upstream has to begin its answer, counted from the turn; then 504
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "60s")]
    pub(crate) timeout: Duration,

    /// Requests that pass without being counted: a method, a path, or a path with / at its end for all that begin
    /// with it; may be given several times, and - for none at all
    #[arg(long, value_name = "METHOD|/PATH|-", default_values_t = [Exempt::Method(Method::OPTIONS)])]
    pub(crate) exempt: Vec<Exempt>,

    /// When the upstream answers 429 or 503 with Retry-After, nobody is passed on for that long, over all
    /// replicas, but no longer than this; 0s passes such an answer on and goes on
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "60s")]
    pub(crate) max_hold: Duration,

    /// How long a client has to send the head of a request
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10s")]
    pub(crate) header_timeout: Duration,

    /// How long those who wait and those who are being answered have to finish after SIGTERM or SIGINT
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "60s")]
    pub(crate) grace: Duration,

    /// Sends the Host that the client asked for, in place of the upstream's
    #[arg(long)]
    pub(crate) keep_host: bool,
}

impl Options {
    pub(crate) fn prefix(&self) -> String {
        let host = self.upstream.authority().map_or("", Authority::as_str);
        self.prefix.clone().unwrap_or_else(|| format!("proxy:{host}:"))
    }
}

/// A network, or a single address.
fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    network.ok_or_else(|| "expected an address or a network such as 10.0.0.0/8 or 2001:db8::/32".to_owned())
}

fn upstream(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let known = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    if !known || uri.host().is_none_or(str::is_empty) {
        return Err("expected http://HOST or https://HOST".to_owned());
    }
    if uri.query().is_some() {
        return Err("an upstream has no query".to_owned());
    }
    Ok(uri)
}
