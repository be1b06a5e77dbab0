//! Servers that stop, networks that fail, primaries that are demoted: the limiter and the locks go on by
//! themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sluice_client::{Attempt, Limit, Limiter, Locks, Outage};
use sluice_testing::{Kind, Proxy, Server, on_both_servers, until};
use tokio::task::JoinSet;
use tokio::time::sleep;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

on_both_servers![
    a_server_that_stops_for_a_while_wakes_to_few_turns,
    a_connection_that_forwards_nothing_is_replaced,
    a_primary_that_is_demoted_is_left,
    an_idle_connection_that_was_closed_costs_nothing,
    a_lock_granted_on_a_connection_that_hangs_is_had,
    a_wait_that_the_server_has_forgotten_is_begun_anew,
];

/// How long the server has for an answer here.
const DEADLINE: Duration = ms(250);

fn limiter(url: &str, limit: Limit) -> Limiter {
    Limiter::new(redis::Client::open(url).unwrap(), limit, Outage::Closed).deadline(DEADLINE)
}

/// 60 requests come while the server stands still, each of which would have a turn.
async fn a_server_that_stops_for_a_while_wakes_to_few_turns(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server.url(), Limit::per_second(2).burst(1)).max_wait(ms(30_000));
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    sleep(ms(1000)).await;
    server.freeze();
    let failed = Arc::new(AtomicUsize::new(0));
    let mut requests = JoinSet::new();
    for _ in 0..60 {
        let (limiter, failed) = (limiter.clone(), Arc::clone(&failed));
        requests.spawn(async move {
            if limiter.acquire("k").await.is_err_and(|error| error.is_unreachable()) {
                failed.fetch_add(1, Ordering::SeqCst);
            }
        });
        sleep(ms(50)).await;
    }
    requests.join_all().await;
    assert_eq!(failed.load(Ordering::SeqCst), 60, "all are told that there is an outage");
    server.thaw();
    let start = Instant::now();
    while limiter.acquire("k").await.is_err() {
        sleep(ms(10)).await;
    }
    assert!(start.elapsed() < ms(1000) + DEADLINE, "the first act came after {:?}", start.elapsed());
}

async fn a_connection_that_forwards_nothing_is_replaced(kind: Kind) {
    let server = Server::start_tcp(kind);
    let network = Proxy::to(server.port());
    let limiter = limiter(&network.url(), Limit::per_hour(100));
    let lock = Locks::with_deadline(redis::Client::open(network.url()).unwrap(), DEADLINE).lock("l");
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    assert!(lock.try_acquire().await.unwrap().acquired().unwrap().release().await.unwrap());
    network.silence();
    let start = Instant::now();
    assert!(limiter.try_acquire("k").await.unwrap_err().is_unreachable());
    while limiter.try_acquire("k").await.is_err() {
        sleep(ms(5)).await;
        assert!(start.elapsed() < ms(10_000), "it times out for ever");
    }
    assert!(start.elapsed() < 2 * DEADLINE + ms(250), "{:?}", start.elapsed());
    let (start, mut guard) = (Instant::now(), None);
    while guard.is_none() {
        guard = lock.try_acquire().await.ok().and_then(Attempt::acquired);
        assert!(start.elapsed() < ms(10_000), "it times out for ever");
    }
    assert!(guard.unwrap().release().await.unwrap());
}

async fn a_primary_that_is_demoted_is_left(kind: Kind) {
    let primary = Server::start_tcp(kind);
    let replica = Server::setup(kind).tcp().replica_of(&primary).start();
    let network = Proxy::to(primary.port());
    let limiter = limiter(&network.url(), Limit::per_hour(100));
    let lock = Locks::with_deadline(redis::Client::open(network.url()).unwrap(), DEADLINE).lock("l");
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    assert!(lock.try_acquire().await.unwrap().acquired().unwrap().release().await.unwrap());
    sleep(ms(200)).await;
    replica.wait_for(&primary);
    primary.ask("FAILOVER").assert_ok();
    until("the roles are changed", || {
        replica.connect().info("replication", "role") == "master"
            && primary.connect().info("replication", "role") == "slave"
    });
    network.lead_to(replica.port());
    assert!(limiter.try_acquire("k").await.unwrap().is_granted(), "asked again where the name leads now");
    let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    assert!(guard.release().await.unwrap());
}

async fn an_idle_connection_that_was_closed_costs_nothing(kind: Kind) {
    let server = Server::start_tcp(kind);
    let network = Proxy::to(server.port());
    let limiter = limiter(&network.url(), Limit::per_hour(100));
    let lock = Locks::with_deadline(redis::Client::open(network.url()).unwrap(), DEADLINE).lock("l");
    for connections in 1..=5 {
        assert!(limiter.try_acquire("k").await.unwrap().is_granted());
        assert!(lock.try_acquire().await.unwrap().acquired().unwrap().release().await.unwrap());
        assert_eq!(network.accepted(), 2 * connections);
        network.cut();
        sleep(ms(50)).await;
    }
}

/// One who waits behind a network that then forgets its connections, and a holder who is not.
struct Behind {
    server: Server,
    network: Proxy,
    held: sluice_client::Guard,
    waiter: tokio::task::JoinHandle<sluice_client::Guard>,
}

impl Behind {
    async fn of(kind: Kind) -> Self {
        let server = Server::start_tcp(kind);
        let network = Proxy::to(server.port());
        let lock = |url: &str| {
            let locks = Locks::with_deadline(redis::Client::open(url).unwrap(), DEADLINE);
            locks.lock("l").ttl(Duration::from_secs(60))
        };
        let held = lock(&server.url()).try_acquire().await.unwrap().acquired().unwrap();
        let lock = lock(&network.url());
        let waiter =
            tokio::spawn(async move { lock.acquire(Duration::MAX).await.unwrap().acquired().unwrap() });
        until("somebody waits", || server.ask("LOCK.INFO l").pairs()[1].1.int() == 1);
        network.silence();
        Self { server, network, held, waiter }
    }
}

/// The lock is granted to it, and the answer goes nowhere. It would be held by nobody for a minute.
async fn a_lock_granted_on_a_connection_that_hangs_is_had(kind: Kind) {
    let Behind { server, held, waiter, network: _network } = Behind::of(kind).await;
    assert!(held.release().await.unwrap());
    let guard = tokio::time::timeout(Duration::from_secs(20), waiter).await.unwrap().unwrap();
    assert!(guard.valid_for() > Duration::from_secs(30));
    assert_eq!(server.ask("LOCK.INFO l").pairs()[0].1.array().len(), 1);
    assert!(guard.release().await.unwrap());
}

/// The server closes its end, of which the client does not hear.
async fn a_wait_that_the_server_has_forgotten_is_begun_anew(kind: Kind) {
    let Behind { server, held, waiter, network: _network } = Behind::of(kind).await;
    server.ask("CLIENT KILL TYPE normal SKIPME yes").int();
    until("the wait is begun anew", || server.ask("LOCK.INFO l").pairs()[1].1.int() == 1);
    assert!(held.release().await.unwrap());
    let guard = tokio::time::timeout(Duration::from_secs(20), waiter).await.unwrap().unwrap();
    assert!(guard.release().await.unwrap());
}
