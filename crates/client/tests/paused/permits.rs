//! What a permit gives back, and to whom.

use std::time::Duration;

use sluice_client::{Decision, Error, Limit, LimitError, Limiter, Limits, Outage, Permit};
use tokio::time::sleep;

use crate::server::FakeServer;
use crate::turns::ms;

const LIMIT: Limit = Limit::per_second(1).burst(10);

fn limiter(server: &FakeServer) -> Limiter<FakeServer> {
    Limiter::new(server.clone(), LIMIT, Outage::Closed).max_wait(ms(30_000))
}

async fn left<S: sluice_client::Source>(limiter: &Limiter<S>) -> u64 {
    limiter.try_acquire("k").await.unwrap().remaining().unwrap()
}

/// What a permit of a refusal, or of nobody's decision, does: nothing.
async fn does_nothing(make: impl AsyncFn() -> Permit<FakeServer>) {
    assert!(!make().await.refund().await.unwrap());
    assert!(!make().await.cancel().await.unwrap());
    make().await.settle(&[5]).await.unwrap();
    assert!(matches!(make().await.settle(&[5, 5]).await, Err(Error::Limit(LimitError::Costs))));
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_at_once_is_refunded_settled_and_cancelled_once() {
    let server = FakeServer::new();
    let limiter = limiter(&server);
    assert!(limiter.try_acquire("k").await.unwrap().refund().await.unwrap());
    assert!(limiter.try_acquire("k").await.unwrap().cancel().await.unwrap());
    limiter.try_acquire("k").await.unwrap().settle(&[4]).await.unwrap();
    limiter.with(LIMIT.cost(3)).try_acquire("k").await.unwrap().settle(&[1]).await.unwrap();
    limiter.try_acquire("k").await.unwrap().settle(&[1]).await.unwrap();
    let executed = ["ACQUIRE 1 0", "RETURN 1"];
    assert_eq!(server.log()[..4], [executed, executed].concat());
    assert_eq!(left(&limiter).await, 10 - 4 - 1 - 1 - 1);
}

#[tokio::test(start_paused = true)]
async fn it_goes_along_with_the_work_and_reads_as_the_decision() {
    let limiter = limiter(&FakeServer::new());
    let permit = limiter.try_acquire("k").await.unwrap();
    assert!(matches!(*permit, Decision::Granted { remaining: 9, burst: 10, .. }));
    assert_eq!((permit.decision(), permit.key(), permit.limits()), (*permit, &b"k"[..], &Limits::one(LIMIT)));
    drop(limiter);
    let refunded = tokio::spawn(async move { permit.refund().await.unwrap() });
    assert!(refunded.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_turn_goes_back_by_its_act_while_nobody_stands_behind_it() {
    let server = FakeServer::new();
    let limiter = limiter(&server).with(LIMIT.burst(1));
    let mut turns = Vec::new();
    for wait in [0, 1000, 2000, 3000] {
        let turn = limiter.reserve("k").await.unwrap();
        assert_eq!(turn.wait(), ms(wait));
        turns.push(turn);
    }
    let mut next = || turns.pop().unwrap();
    assert!(next().cancel().await.unwrap(), "the last");
    let (third, second, first) = (next(), next(), next());
    assert!(!second.cancel().await.unwrap(), "the third stands behind it");
    assert!(third.cancel().await.unwrap());
    assert!(!first.cancel().await.unwrap(), "it has come");
    assert_eq!(
        server.returns(),
        ["RETURN 1 AT 3000", "RETURN 0 AT 1000", "RETURN 1 AT 2000", "RETURN 0 AT 0"]
    );
    let waited = limiter.acquire("k").await.unwrap();
    sleep(ms(1)).await;
    assert!(!waited.cancel().await.unwrap(), "its turn has come");
    let late = limiter.reserve("k").await.unwrap();
    sleep(Duration::from_secs(2 * 3600)).await;
    assert!(!late.cancel().await.unwrap(), "long over");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_when_there_is_room_to_those_who_reserve_too() {
    let limiter = limiter(&FakeServer::new()).with(LIMIT.burst(1)).max_wait(ms(1000));
    assert!(limiter.reserve("k").await.unwrap().is_granted());
    assert!(limiter.reserve("k").await.unwrap().is_granted());
    assert_eq!(limiter.reserve("k").await.unwrap().retry_after(), Some(ms(1000)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_nothing_to_give_back() {
    let server = FakeServer::new();
    let refusing = limiter(&server).with(Limit::per_hour(1));
    assert!(refusing.try_acquire("k").await.unwrap().is_granted());
    does_nothing(async || refusing.try_acquire("k").await.unwrap()).await;
    does_nothing(async || refusing.acquire("k").await.unwrap()).await;
    let never = limiter(&server).with(LIMIT.cost(11));
    does_nothing(async || never.try_acquire("k").await.unwrap()).await;
    assert!(!server.log().iter().any(|line| line.starts_with("RETURN")), "{:?}", server.log());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_decided_took_nothing() {
    let server = FakeServer::new();
    server.set_latency(ms(60_000));
    let open = Limiter::new(server.clone(), LIMIT, Outage::Open).deadline(ms(10));
    assert_eq!(*open.try_acquire("k").await.unwrap(), Decision::Unchecked);
    server.set_latency(Duration::ZERO);
    let unchecked = [open.try_acquire("k").await.unwrap(), open.acquire("k").await.unwrap()];
    sleep(ms(1000)).await; // the server is back
    for permit in unchecked {
        assert_eq!(*permit, Decision::Unchecked);
        assert!(!permit.cancel().await.unwrap());
    }
    assert!(server.returns().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_this_process_granted_in_an_outage_goes_back_to_its_share() {
    let server = FakeServer::new();
    server.set_latency(Duration::from_secs(3600 * 24));
    let local = Limiter::new(server.clone(), LIMIT, Outage::local(2)).deadline(ms(1));
    let ask = async || local.try_acquire("k").await.unwrap();
    assert_eq!(left(&local).await, 4, "five of ten");
    assert!(ask().await.refund().await.unwrap());
    assert!(ask().await.cancel().await.unwrap());
    ask().await.settle(&[3]).await.unwrap();
    assert_eq!(left(&local).await, 0, "of four, three and one");
    assert!(!ask().await.is_granted());
    let forced = local.with(LIMIT.cost(2));
    sleep(ms(4000)).await;
    forced.try_acquire("k").await.unwrap().settle(&[1]).await.unwrap();
    assert_eq!(left(&local).await, 0, "two have come back, two were taken, one was too much");
    let turn = local.reserve("k").await.unwrap();
    assert!(turn.wait() > ms(1000), "{turn:?}");
    assert!(turn.cancel().await.unwrap(), "nobody stands behind it");
    server.set_latency(Duration::ZERO);
    assert!(server.returns().is_empty(), "never to the server");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_refusal_is_forgotten_when_a_permit_gives_back() {
    let limiter = limiter(&FakeServer::new()).with(Limit::per_hour(1)).remember_refusals(10);
    let permit = limiter.try_acquire("k").await.unwrap();
    assert!(limiter.try_acquire("k").await.unwrap().retry_after().is_some());
    assert!(permit.cancel().await.unwrap());
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
}

/// Whoever moved up has used the turn of somebody ahead; the one it was granted first went back, and is of another by
/// now.
#[tokio::test(start_paused = true)]
async fn one_who_moved_up_gives_nobody_elses_turn_back() {
    let server = FakeServer::new();
    let limit = Limit::per_second(1).burst(1);
    let process = || Limiter::new(server.clone(), limit, Outage::Closed).max_wait(ms(30_000));
    let (limiter, other) = (process(), process());
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    let waiting = || {
        let limiter = limiter.clone();
        tokio::spawn(async move { limiter.acquire("k").await.unwrap() })
    };
    let first = waiting();
    sleep(ms(10)).await;
    let second = waiting();
    sleep(ms(10)).await;
    first.abort();
    sleep(ms(10)).await;
    assert_eq!(server.returns(), ["RETURN 1 AT 2000"]);
    let turn = other.reserve("k").await.unwrap();
    assert_eq!(turn.wait(), ms(2000 - 30));
    let moved_up = second.await.unwrap();
    assert!(!moved_up.cancel().await.unwrap(), "its time has come");
    assert_eq!(other.reserve("k").await.unwrap().wait(), ms(2000), "behind the turn of the other process");
}
