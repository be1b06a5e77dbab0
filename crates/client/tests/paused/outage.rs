//! A server that does not answer in time, and refusals that need no answer.

use std::time::Duration;

use sluice_client::{Decision, Error, Limit, Limiter, Outage};
use tokio::time::{Instant, sleep};

use crate::server::FakeServer;

const LIMIT: Limit = Limit::per_second(1).burst(2);

fn silent() -> FakeServer {
    let server = FakeServer::new();
    server.set_latency(Duration::from_secs(5));
    server
}

#[tokio::test(start_paused = true)]
async fn closed_is_an_error_after_the_deadline() {
    let start = Instant::now();
    let limiter = Limiter::new(silent(), LIMIT, Outage::Closed).deadline(Duration::from_millis(80));
    let error = limiter.acquire("k").await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(_)) && error.is_unreachable(), "{error}");
    assert_eq!(start.elapsed(), Duration::from_millis(80));
    assert!(limiter.try_acquire("k").await.unwrap_err().is_unreachable());
}

#[tokio::test(start_paused = true)]
async fn open_lets_everything_pass_and_says_so() {
    let limiter = Limiter::new(silent(), LIMIT, Outage::Open);
    for _ in 0..5 {
        assert_eq!(limiter.acquire("k").await.unwrap(), Decision::Unchecked);
        assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    }
    assert!(limiter.force("k").await.is_err() && limiter.refund("k").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn local_keeps_the_share_and_waits_in_turn() {
    let limiter = Limiter::new(silent(), LIMIT, Outage::local(2)).deadline(Duration::from_millis(1));
    let start = Instant::now();
    let mut times = Vec::new();
    for _ in 0..3 {
        assert!(limiter.acquire("k").await.unwrap().is_granted());
        times.push(start.elapsed().as_secs());
    }
    assert_eq!(times, [0, 2, 4], "half of one a second, one at once");
    assert!(matches!(limiter.try_acquire("k").await.unwrap(), Decision::Denied { .. }));
}

#[tokio::test(start_paused = true)]
async fn local_turns_that_are_given_up_go_back_too() {
    let limiter = Limiter::new(silent(), LIMIT, Outage::local(2)).deadline(Duration::from_millis(1));
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    let start = Instant::now();
    assert!(tokio::time::timeout(Duration::from_millis(500), limiter.acquire("k")).await.is_err());
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    let waited = start.elapsed().as_millis();
    assert!((1990..2005).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn known_refusals_are_not_asked_for_again() {
    let server = FakeServer::new();
    let limiter = Limiter::new(server.clone(), Limit::per_second(1), Outage::Closed).remember_refusals(10);
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    for left in [1000, 900, 800] {
        let decision = limiter.try_acquire("k").await.unwrap();
        assert_eq!(decision.retry_after(), Some(Duration::from_millis(left)));
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.log(), ["ACQUIRE 1 0", "ACQUIRE 0 1000"]);
    sleep(Duration::from_millis(700)).await;
    assert!(limiter.try_acquire("k").await.unwrap().is_granted(), "over");
    assert!(limiter.try_acquire("k").await.unwrap().retry_after().is_some());
    assert!(limiter.refund("k").await.unwrap());
    assert!(limiter.try_acquire("k").await.unwrap().is_granted(), "a refund of our own is known");
}
