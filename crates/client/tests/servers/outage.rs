//! Servers that die, hang and come back.

use std::time::{Duration, Instant};

use redis::aio::ConnectionManagerConfig;
use sluice_client::{Decision, Limit, Limiter, Outage, Ready};
use sluice_testing::{Kind, Server, on_both_servers};
use tokio::time::sleep;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

on_both_servers![a_dead_server_is_survived_and_nothing_stale_is_sent, a_hung_server_costs_the_deadline_only];

async fn a_dead_server_is_survived_and_nothing_stale_is_sent(kind: Kind) {
    let mut server = Server::start_tcp(kind);
    let config = ConnectionManagerConfig::new().set_min_delay(ms(20)).set_max_delay(ms(100));
    let connection = server.client().get_connection_manager_with_config(config).await.unwrap();
    let closed =
        Limiter::new(Ready(connection.clone()), Limit::per_hour(100), Outage::Closed).deadline(ms(50));
    let open = Limiter::new(Ready(connection), Limit::per_hour(100), Outage::Open).deadline(ms(50));
    let patient = closed.clone().deadline(ms(5000));
    assert!(patient.try_acquire("before").await.unwrap().is_granted());
    server.kill9();
    for _ in 0..20 {
        let start = Instant::now();
        assert!(closed.try_acquire("stale").await.unwrap_err().is_unreachable());
        assert_eq!(*open.acquire("stale").await.unwrap(), Decision::Unchecked);
        assert!(start.elapsed() < ms(3000), "{:?}", start.elapsed());
    }
    server.start_again();
    let start = Instant::now();
    while closed.try_acquire("after").await.is_err() {
        assert!(start.elapsed() < ms(20_000), "it goes on");
        sleep(ms(20)).await;
    }
    assert_eq!(server.ask("EXISTS stale").int(), 0);
}

async fn a_hung_server_costs_the_deadline_only(kind: Kind) {
    let server = Server::start_tcp(kind);
    let connection = crate::connect(&server.client()).await;
    let limiter = Limiter::new(connection, Limit::per_hour(100), Outage::local(2)).deadline(ms(50));
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    server.freeze();
    let start = Instant::now();
    for _ in 0..3 {
        assert!(limiter.acquire("k").await.unwrap().is_granted(), "by this process alone");
    }
    assert!((ms(50)..ms(5000)).contains(&start.elapsed()), "once: {:?}", start.elapsed());
    server.thaw();
    sleep(ms(100)).await;
    assert!(limiter.acquire("k").await.unwrap().is_granted());
}
