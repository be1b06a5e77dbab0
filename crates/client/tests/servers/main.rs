//! The client on real servers: Redis 8.2 and Valkey 9.1.
#![cfg(feature = "tokio")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod flaky;
mod limiter;
mod locks;
mod outage;
mod waiting;
