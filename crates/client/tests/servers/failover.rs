//! Failovers that a sentinel or a cluster carries out: limiter and locks follow to the new primary.

use std::time::Instant;

use sluice_client::{Connect, Limit, Limiter, Locks, Outage, Sentinel};
use sluice_testing::{Cluster, Kind, Server, on_both_servers, until};
use tokio::time::sleep;

use crate::healing::ms;

on_both_servers![a_sentinels_failover_is_followed, a_clusters_failover_is_followed];

/// Both work, again or still, after a failure or two at most.
async fn goes_on<K: Connect>(limiter: &Limiter<K>, locks: &Locks<K>) {
    let start = Instant::now();
    loop {
        let limited = limiter.acquire("{k}limit").await;
        let locked = locks.lock("{k}lock").try_acquire().await;
        match (limited, locked) {
            (Ok(decision), Ok(attempt)) => {
                assert!(decision.is_granted());
                assert!(attempt.acquired().expect("nobody else holds it").release().await.unwrap());
                return;
            }
            (limited, locked) => {
                assert!(limited.is_ok() || limited.is_err_and(|error| error.is_unreachable()));
                assert!(locked.is_ok() || locked.is_err_and(|error| error.is_unreachable()));
            }
        }
        assert!(start.elapsed() < ms(10_000), "they stay with the old primary for ever");
        sleep(ms(20)).await;
    }
}

async fn a_sentinels_failover_is_followed(kind: Kind) {
    let primary = Server::start_tcp(kind);
    let replica = Server::setup(kind).tcp().replica_of(&primary).start();
    let sentinel = sluice_testing::Sentinel::watching(&primary);
    let client = redis::sentinel::SentinelClient::build(
        vec![sentinel.url()],
        "primary".to_owned(),
        None,
        redis::sentinel::SentinelServerType::Master,
    );
    let client = Sentinel::from(client.unwrap());
    let limiter = Limiter::new(client.clone(), Limit::per_hour(100), Outage::Closed).deadline(ms(1000));
    let locks = Locks::new(client);
    goes_on(&limiter, &locks).await;
    sentinel.fail_over();
    until("the replica is a primary", || replica.connect().info("replication", "role") == "master");
    goes_on(&limiter, &locks).await;
    assert_eq!(replica.ask("EXISTS {k}limit").int(), 1);
}

async fn a_clusters_failover_is_followed(kind: Kind) {
    let cluster = tokio::task::spawn_blocking(move || {
        Cluster::of([
            Server::setup(kind).cluster_of(&[0..=8191]),
            Server::setup(kind).cluster_of(&[8192..=16383]),
            Server::setup(kind).cluster_of(&[]),
        ])
    });
    let cluster = cluster.await.unwrap();
    let [primary, other, replica] = &cluster.nodes[..] else { unreachable!() };
    let id = primary.ask("CLUSTER MYID");
    replica.ask(&format!("CLUSTER REPLICATE {}", id.text())).assert_ok();
    until("it is copied", || replica.connect().info("replication", "master_link_status") == "up");
    let client = redis::cluster::ClusterClient::new([other.url(), replica.url()]).unwrap();
    let limiter = Limiter::new(client.clone(), Limit::per_hour(100), Outage::Closed).deadline(ms(1000));
    let locks = Locks::new(client);
    goes_on(&limiter, &locks).await;
    // Without a vote: the other node may not have heard yet whose replica it is.
    replica.ask("CLUSTER FAILOVER TAKEOVER").assert_ok();
    until("the roles are changed", || {
        replica.connect().info("replication", "role") == "master"
            && primary.connect().info("replication", "role") == "slave"
    });
    goes_on(&limiter, &locks).await;
}
