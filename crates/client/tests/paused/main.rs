//! Turns under a clock that the test moves: tokio's, which stands still until everything waits.
//!
//! The server is the module's own grammar and decisions in this process, behind the trait of the
//! `redis` crate, on that same clock.
#![cfg(feature = "tokio")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod ahead;
mod holds;
mod joining;
mod leases;
mod listening;
#[cfg(feature = "metrics")]
mod metrics;
mod outage;
mod permits;
mod server;
mod turns;
