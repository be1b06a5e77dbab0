//! The layer in axum applications, on real servers: Redis 8.2 and Valkey 9.1.
#![cfg(feature = "axum")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod app;
#[cfg(feature = "tracing")]
mod log;
mod outage;
mod refuse;
mod wait;
