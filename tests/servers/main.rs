//! The module inside real servers: Redis 7.0 and 8.2, Valkey 8.1 and 9.1.
//!
//! `make test` fetches the servers and runs all of this; `make test SERVER=valkey_9_1` runs it on one of
//! them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod harness;
mod limiter;
mod lock;
mod module;
mod shared;
