//! A job that cron starts every minute, that never overlaps with itself, and that calls a partner at
//! most once a second.
//!
//! ```text
//! make run                                              Redis with the module, in another terminal
//! cargo run --example batch-job -- partner              a partner to play with, in a third
//! cargo run --example batch-job -- make-events          writes events.sqlite
//! cargo run --example batch-job -- run                  delivers them; start it twice
//! ```
//!
//! `run` takes a lock, reads the pending events from SQLite, merges those of the same record, and sends
//! one call for each record, with the lock's fence in a header. Events are marked only after the
//! partner took them, so a crash at any moment costs a repeated call and never an event.
//!
//! | file | idea |
//! |---|---|
//! | `options`, `../rate.rs` | what the command line says |
//! | `run` | one run: the lock, and how it ends |
//! | `calls` | the calls of a run: turn, check, send, mark |
//! | `delivery` | events of one record, merged |
//! | `events` | the SQLite file |
//! | `endpoint` | one call to the partner, and what its answer means |
//! | `partner` | a partner to play with: prints what it gets, refuses old fences |
//!
//! | exit code | |
//! |---|---|
//! | 0 | all delivered; or another run is at it; or stopped by a signal |
//! | 1 | an error: Redis, the database |
//! | 2 | a wrong option |
//! | 3 | the lock was lost, or the partner has seen a newer fence |
//! | 4 | the partner did not take everything; the next run tries again what it did not refuse for good |

mod calls;
mod delivery;
mod endpoint;
mod events;
mod options;
mod partner;
#[path = "../rate.rs"]
mod rate;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::events::Events;
use crate::options::{Command, Options};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_ansi(false).init();
    let outcome = match Options::parse().command {
        Command::Run(job) => run::run(&job).await.map(run::Ending::code),
        Command::MakeEvents { database, number } => Events::make_examples(&database, number).map(|()| 0),
        Command::Partner { listen } => partner::serve(listen).await.map(|()| 0),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
