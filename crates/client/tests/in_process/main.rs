//! What users' own tests can do: limiters and locks without a server, on tokio's clock, which stands still until
//! everything waits.
#![cfg(feature = "tokio")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod commands;
mod conformance;
mod limits;
mod locks;

const fn ms(ms: u64) -> std::time::Duration {
    std::time::Duration::from_millis(ms)
}
