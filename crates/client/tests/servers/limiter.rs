//! The limiter on real servers.

use std::time::{Duration, Instant};

use sluice_client::{AsyncSluiceCommands, Decision, Error, Limit, Limiter, Limits, Outage};
use sluice_testing::{Kind, Server, on_both_servers};
use tokio::time::timeout;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

on_both_servers![
    replicas_wait_in_turn,
    one_who_hangs_up_costs_no_turn_while_others_wait,
    the_last_turn_goes_back,
    a_call_is_settled,
    a_longer_wait_than_the_server_allows_is_an_error,
    a_server_without_the_module_is_no_outage,
];

async fn limiter(server: &Server, limits: impl Into<Limits>) -> Limiter<redis::aio::MultiplexedConnection> {
    let connection = crate::connect(&server.client()).await;
    Limiter::new(connection, limits, Outage::Closed).deadline(ms(5000))
}

async fn replicas_wait_in_turn(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limit = Limit::per_second(20).burst(1);
    let (a, b) = (limiter(&server, limit).await, limiter(&server, limit).await);
    let start = Instant::now();
    let mut tasks = Vec::new();
    for n in 0..20 {
        let limiter = if n % 2 == 0 { a.clone() } else { b.clone() };
        tasks.push(tokio::spawn(async move {
            assert!(limiter.acquire("k").await.unwrap().is_granted());
            Instant::now()
        }));
    }
    let mut acts = Vec::new();
    for task in tasks {
        acts.push(task.await.unwrap());
    }
    acts.sort();
    let total = acts[19] - start;
    assert!(total >= ms(940), "{total:?}");
}

async fn one_who_hangs_up_costs_no_turn_while_others_wait(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, Limit::per(1, ms(300))).await;
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    let start = Instant::now();
    let mut one = Box::pin(limiter.acquire("k"));
    assert!(timeout(ms(50), &mut one).await.is_err());
    let other = tokio::spawn({
        let limiter = limiter.clone();
        async move { limiter.acquire("k").await.unwrap() }
    });
    tokio::time::sleep(ms(50)).await;
    drop(one);
    assert!(other.await.unwrap().is_granted());
    assert!(start.elapsed() >= ms(250), "{:?}", start.elapsed());
}

async fn the_last_turn_goes_back(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, Limit::per_hour(60)).await.with(Limit::per_minute(2).burst(1));
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    assert!(timeout(ms(50), limiter.acquire("k")).await.is_err());
    tokio::time::sleep(ms(200)).await;
    let mut connection = crate::connect(&server.client()).await;
    let info = connection.ratelimit_info("k").await.unwrap();
    assert!(info[0].reset <= ms(30_000), "{info:?}");
}

async fn a_call_is_settled(kind: Kind) {
    const LLM: Limits = Limit::per_hour(60).and(Limit::per_hour(90_000).cost(1500));
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, LLM).await;
    let mut connection = crate::connect(&server.client()).await;
    for (actual, left) in [([1, 1720], 88_280), ([1, 700], 87_580), ([0, 1500], 86_080)] {
        assert!(limiter.try_acquire("k").await.unwrap().is_granted());
        limiter.settle("k", &actual).await.unwrap();
        let info = connection.ratelimit_info("k").await.unwrap();
        assert!((left..left + 40).contains(&info[1].remaining), "{info:?}");
    }
    assert!(limiter.settle("k", &[1, 2, 3]).await.is_err());
    assert!(limiter.refund("k").await.unwrap());
    assert!(matches!(limiter.force("k").await.unwrap(), Decision::Forced { .. }));
}

async fn a_longer_wait_than_the_server_allows_is_an_error(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, Limit::per_second(1)).await.max_wait(Duration::from_secs(3600));
    assert!(matches!(limiter.acquire("k").await, Err(Error::MaxWait(_))));
}

async fn a_server_without_the_module_is_no_outage(kind: Kind) {
    let server = Server::setup(kind).without_module().tcp().start();
    let connection = crate::connect(&server.client()).await;
    let limiter = Limiter::new(connection, Limit::per_second(1), Outage::Open).deadline(ms(5000));
    assert!(limiter.acquire("k").await.unwrap_err().is_module_missing());
}
