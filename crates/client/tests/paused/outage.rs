//! A server that does not answer in time, and refusals that need no answer.

use std::time::Duration;

use sluice_client::{Decision, Error, Limit, Limiter, Outage};
use tokio::time::{Instant, sleep};

use crate::server::FakeServer;
use crate::turns::ms;

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
        assert_eq!(*limiter.acquire("k").await.unwrap(), Decision::Unchecked);
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
    assert!(matches!(*limiter.try_acquire("k").await.unwrap(), Decision::Denied { .. }));
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

/// What is on its way when a call is refused is not known to that refusal, which is remembered then.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_comes_while_something_is_given_back_is_forgotten_too() {
    let server = FakeServer::new();
    let hour = Limiter::new(server.clone(), Limit::per_hour(1), Outage::Closed).remember_refusals(10);
    for what in ["refund", "reset", "end_hold"] {
        assert!(hour.try_acquire(what).await.unwrap().is_granted());
        if what == "end_hold" {
            hour.reset(what).await.unwrap();
            hour.hold(what, Duration::from_secs(60)).await.unwrap();
        }
        server.set_way(Duration::from_millis(50));
        let limiter = hour.clone();
        let given = tokio::spawn(async move {
            match what {
                "refund" => limiter.refund(what).await.map(drop),
                "reset" => limiter.reset(what).await.map(drop),
                _ => limiter.end_hold(what).await,
            }
        });
        sleep(Duration::from_millis(1)).await;
        server.set_way(Duration::ZERO);
        assert!(hour.try_acquire(what).await.unwrap().retry_after().is_some());
        given.await.unwrap().unwrap();
        assert!(hour.try_acquire(what).await.unwrap().is_granted(), "{what}");
    }
}

/// A server that stands still carries out, when it wakes, what was sent to it before anybody knew.
#[tokio::test(start_paused = true)]
async fn a_silent_server_is_sent_little_and_a_turn_that_comes_too_late_goes_back() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = Limiter::new(server.clone(), LIMIT.burst(1), Outage::Closed).deadline(ms(250));
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    server.set_latency(ms(4000));
    for n in 0..60 {
        let error = limiter.acquire("k").await.unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        assert_eq!(matches!(error, Error::NotAsked { .. }), n > 0, "{error}");
        sleep(ms(50)).await;
    }
    assert_eq!(server.log(), ["ACQUIRE 1 0", "ACQUIRE 1 1000"], "nothing is sent but the first");
    server.set_latency(Duration::ZERO);
    sleep(ms(1500)).await;
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    assert!(start.elapsed() < ms(5000), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_after_the_deadline_goes_to_those_behind_it() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = Limiter::new(server.clone(), Limit::per(1, ms(2000)), Outage::Closed).deadline(ms(250));
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    server.set_latency(ms(600));
    assert!(limiter.acquire("k").await.unwrap_err().is_unreachable()); // granted at 2 s, answered at 600 ms
    server.set_latency(Duration::ZERO);
    sleep(ms(270)).await; // the probe is answered: this one is granted 4 s
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    assert_eq!(start.elapsed(), ms(2600), "two seconds from an answer at 600 ms");
    assert_eq!(server.returns(), ["RETURN 1 AT 4000"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_memory_of_refusals_takes_new_ones() {
    let server = FakeServer::new();
    let limiter = Limiter::new(server.clone(), Limit::per_hour(1), Outage::Closed).remember_refusals(100);
    for n in 0..300 {
        let key = format!("key:{n}");
        assert!(limiter.try_acquire(&key).await.unwrap().is_granted());
        for _ in 0..3 {
            assert!(limiter.try_acquire(&key).await.unwrap().retry_after().is_some());
        }
        assert_eq!(server.log().len(), 2 * (n + 1), "one grant, one refusal, and the rest from memory");
    }
}
