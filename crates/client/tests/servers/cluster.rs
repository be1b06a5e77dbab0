//! A cluster of three nodes: commands find their node, turns and locks work as on one.

use std::time::{Duration, Instant};

use redis::cluster::ClusterClient;
use sluice_client::{
    AsyncSluiceCommands as _, Limit, LimitReply, Limiter, LockReply, Locks, Outage, SluiceCommands as _,
    SluicePipeline as _,
};
use sluice_testing::{Cluster, Kind, on_both_servers};
use tokio::time::{sleep, timeout};

use crate::commands::all_commands;

on_both_servers![a_cluster_is_as_good_as_one_server];

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

async fn a_cluster_is_as_good_as_one_server(kind: Kind) {
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(kind)).await.unwrap();
    let client = ClusterClient::new(cluster.urls()).unwrap();
    // Keys of all three nodes.
    for key in ["a", "b", "c", "d", "e"] {
        all_commands(client.get_async_connection().await.unwrap(), key).await;
    }
    let used: Vec<_> = cluster.nodes.iter().map(|node| node.ask("DBSIZE").int()).collect();
    assert!(used.iter().all(|keys| *keys > 0), "{used:?}");

    limiter(&client).await;
    locks(&client).await;
    tokio::task::spawn_blocking(move || blocking(&client)).await.unwrap();
}

async fn limiter(client: &ClusterClient) {
    let mut connection = client.get_async_connection().await.unwrap();
    let limiter =
        Limiter::new(connection.clone(), Limit::per(1, ms(3000)), Outage::Closed).deadline(ms(2000));
    assert!(limiter.acquire("turns").await.unwrap().is_granted());
    assert!(timeout(ms(50), limiter.acquire("turns")).await.is_err());
    let start = Instant::now();
    while connection.ratelimit_info("turns").await.unwrap().limits[0].reset > ms(3000) {
        assert!(start.elapsed() < ms(2000), "the turn was not given back");
        sleep(ms(10)).await;
    }
    assert!(limiter.acquire("turns").await.unwrap().is_granted());
}

async fn locks(client: &ClusterClient) {
    let lock = Locks::new(client.clone()).lock("locks").ttl(ms(60_000));
    let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    assert!(lock.try_acquire().await.unwrap().acquired().is_none());
    assert!(timeout(ms(100), lock.acquire(ms(20_000))).await.is_err());
    let waiter = tokio::spawn({
        let lock = lock.clone();
        async move { lock.acquire(ms(20_000)).await.unwrap().acquired().unwrap() }
    });
    sleep(ms(700)).await;
    assert!(guard.release().await.unwrap());
    let guard = timeout(ms(5000), waiter).await.unwrap().unwrap();
    assert!(guard.release().await.unwrap());
    assert_eq!(lock.info().await.unwrap(), None);
}

fn blocking(client: &ClusterClient) {
    let mut connection = client.get_connection().unwrap();
    assert!(connection.ratelimit_acquire("blocking", Limit::per_second(1)).unwrap().is_granted());
    let (limit, lock): (LimitReply, LockReply) = redis::cluster::cluster_pipe()
        .ratelimit_acquire("one", Limit::per_second(1))
        .lock_try("another", "me", ms(1000), 1)
        .query(&mut connection)
        .unwrap();
    assert!(limit.decision().is_granted() && lock.is_held());
}
