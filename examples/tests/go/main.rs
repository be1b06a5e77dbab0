//! The programs of examples/go as real processes: a proxy whose requests wait in turn, and a batch job, against Redis
//! 8.2 and Valkey 9.1. Without a Go toolchain they are left out, which is said.
//!
//! | file | promise |
//! |---|---|
//! | `units` | what the Go tests of the module promise, and that its sources are formatted |
//! | `turns` | two proxies keep order and distance; who hangs up gives the turn back; too long a queue is refused |
//! | `outage` | Redis goes, stops and comes back |
//! | `locks` | runs never overlap, a crash frees the lock when its lease ends, nobody unlocks for another |
//! | `program` | a process of one of the programs |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod locks;
#[path = "../reverse_proxy/monitor.rs"]
mod monitor;
mod outage;
mod program;
mod turns;
mod units;
#[allow(dead_code, reason = "the other tests use more of it")]
#[path = "../reverse_proxy/upstream.rs"]
mod upstream;

use std::time::Duration;

/// The module in examples/.
pub(crate) const MODULE: &str = "examples/go";

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
