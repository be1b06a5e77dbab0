//! The client on real servers: Redis 8.2 and Valkey 9.1.
#![cfg(feature = "tokio")]

#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod flaky;
mod limiter;
mod locks;
mod outage;
mod waiting;
