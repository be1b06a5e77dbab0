//! Connections out of pools.

use bb8_redis::RedisConnectionManager;
use sluice_client::{AsyncSluiceCommands, Limit, Limiter, Outage, Ready};
use sluice_testing::{Kind, Server, on_both_servers};

on_both_servers![deadpool_lends_connections, bb8_lends_connections, a_limiter_has_a_connection_of_its_own];

const LIMIT: Limit = Limit::per_hour(10);
const LEASE: std::time::Duration = std::time::Duration::from_secs(60);

async fn deadpool_lends_connections(kind: Kind) {
    let server = Server::start_tcp(kind);
    let pool = deadpool_redis::Config::from_url(server.url())
        .create_pool(Some(deadpool_redis::Runtime::Tokio1))
        .unwrap();
    let mut lent = pool.get().await.unwrap();
    assert!(lent.ratelimit_acquire("k", LIMIT).await.unwrap().is_granted());
    assert!(lent.lock_try("l", "me", LEASE, 1).await.unwrap().is_held());
    drop(lent);
    assert!(pool.get().await.unwrap().lock_release("l", "me").await.unwrap());
}

async fn bb8_lends_connections(kind: Kind) {
    let server = Server::start_tcp(kind);
    let manager = RedisConnectionManager::new(server.url()).unwrap();
    let pool = bb8_redis::bb8::Pool::builder().max_size(2).build(manager).await.unwrap();
    let mut lent = pool.get().await.unwrap();
    assert!(lent.ratelimit_acquire("k", LIMIT).await.unwrap().is_granted());
    assert!(lent.lock_try("l", "me", LEASE, 1).await.unwrap().is_held());
    drop(lent);
    assert!(pool.get().await.unwrap().lock_release("l", "me").await.unwrap());
}

/// What a pool lends cannot be cloned, so it is no source. What is inside can be taken out of the pool for good.
async fn a_limiter_has_a_connection_of_its_own(kind: Kind) {
    let server = Server::start_tcp(kind);
    let pool = deadpool_redis::Config::from_url(server.url())
        .create_pool(Some(deadpool_redis::Runtime::Tokio1))
        .unwrap();
    let taken = deadpool_redis::Connection::take(pool.get().await.unwrap());
    assert_eq!(pool.status().size, 0);
    let limiter = Limiter::new(Ready(taken), LIMIT, Outage::Closed);
    for _ in 0..3 {
        assert!(limiter.acquire("k").await.unwrap().is_granted());
    }
}
