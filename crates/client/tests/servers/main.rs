//! The client on real servers: Redis 8.2 and Valkey 9.1.
#![cfg(feature = "tokio")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod busy;
#[cfg(feature = "cluster")]
mod cluster;
mod commands;
#[cfg(all(feature = "cluster", feature = "sentinel"))]
mod failover;
mod flaky;
mod healing;
mod in_process;
mod limiter;
mod locks;
mod not_serving;
mod outage;
mod pools;
#[cfg(feature = "sync")]
mod sync;
#[cfg(feature = "sync")]
mod sync_drops;
mod waiting;

/// A connection that gives a loaded machine the time it needs; `redis` gives it half a second.
async fn connect(client: &redis::Client) -> redis::aio::MultiplexedConnection {
    let patience = Some(std::time::Duration::from_secs(10));
    let config =
        redis::AsyncConnectionConfig::new().set_response_timeout(patience).set_connection_timeout(patience);
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}
