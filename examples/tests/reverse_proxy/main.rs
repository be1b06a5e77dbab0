//! The reverse proxy as it is built, in front of a real upstream and real clients, with Redis 8.2 and
//! Valkey 9.1.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod command_line;
mod limits;
mod monitor;
mod outage;
mod pacing;
mod passing;
mod proxy;
mod stopping;
mod streaming;
mod upstream;

use std::time::Duration;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
