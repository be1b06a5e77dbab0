//! Callers who ask for one key at once are asked for together, and told what each would have been told.

use std::time::Duration;

use sluice_client::{AsyncSluiceCommands, Decision, Error, Limit, Limiter, Limits, Outage, Result};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::server::FakeServer;
use crate::turns::ms;

type Caller = JoinHandle<Result<Decision>>;

/// A server that answers after 10 ms.
fn slow() -> FakeServer {
    let server = FakeServer::new();
    server.set_latency(ms(10));
    server
}

fn limiter(server: &FakeServer, limits: impl Into<Limits>) -> Limiter<FakeServer> {
    Limiter::new(server.clone(), limits, Outage::Closed)
}

/// So many call, in this order.
async fn call(limiter: &Limiter<FakeServer>, callers: usize) -> Vec<Caller> {
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let limiter = limiter.clone();
        tasks.push(tokio::spawn(
            async move { limiter.try_acquire("k").await.map(|permit| permit.decision()) },
        ));
        tokio::task::yield_now().await;
    }
    tasks
}

async fn told(tasks: Vec<Caller>) -> Vec<Decision> {
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap().unwrap());
    }
    told
}

/// What as many are told who ask one after the other, at one instant.
async fn one_by_one(limits: Limits, callers: usize) -> Vec<Decision> {
    let mut server = FakeServer::new();
    let mut told = Vec::new();
    for _ in 0..callers {
        told.push(server.ratelimit_acquire("k", limits).await.unwrap());
    }
    told
}

#[tokio::test(start_paused = true)]
async fn those_who_come_while_two_are_asked_for_are_asked_for_together() {
    let server = slow();
    let tasks = call(&limiter(&server, Limit::per_second(50)), 100).await;
    let start = Instant::now();
    let told = told(tasks).await;
    assert_eq!(start.elapsed(), ms(20));
    assert_eq!(server.log(), ["ACQUIRE 1 0", "ACQUIRE 1 0", "ACQUIRE 48 0"]);
    let granted: Vec<_> = told.iter().map(Decision::is_granted).collect();
    assert_eq!(granted, [[true; 50], [false; 50]].concat(), "those who came first");
    let remaining: Vec<_> = told.iter().filter_map(Decision::remaining).collect();
    assert_eq!(remaining, (0..50).rev().chain([0; 50]).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn each_is_told_what_it_would_have_been_told_alone() {
    let spent = Limit::per_minute(100).burst(30);
    for limits in [
        Limits::one(Limit::per_second(3).burst(20)),
        Limits::one(Limit::per_second(7).burst(60)),
        Limits::one(Limit::per_second(20).strict()),
        Limits::one(Limit::per(20, Duration::from_secs(60)).aligned(Duration::ZERO)),
        spent.and(Limit::per_second(3).burst(20)),
        spent.and(Limit::per_second(1000).cost(0)),
    ] {
        let server = slow();
        let tasks = call(&limiter(&server, limits), 40).await;
        let (joined, alone) = (told(tasks).await, one_by_one(limits, 40).await);
        for (n, (joined, alone)) in joined.iter().zip(&alone).enumerate() {
            assert_eq!(joined.is_granted(), alone.is_granted(), "{n} {limits:?}");
            assert_eq!(joined.remaining(), alone.remaining(), "{n} {limits:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn costs_above_one_are_asked_for_one_by_one() {
    let server = slow();
    let tasks = call(&limiter(&server, Limit::per_second(10).cost(2)), 6).await;
    let granted = told(tasks).await.iter().filter(|decision| decision.is_granted()).count();
    assert_eq!((granted, server.log().len()), (5, 6));
}

#[tokio::test(start_paused = true)]
async fn other_keys_and_limits_are_asked_for_apart() {
    let server = slow();
    let limiter = limiter(&server, Limit::per_second(10));
    let other = limiter.with(Limit::per_second(20));
    let start = Instant::now();
    let (a, b) = (call(&limiter, 2).await, call(&other, 2).await);
    let elsewhere = limiter.try_acquire("elsewhere").await.unwrap();
    assert!(told(a).await.iter().chain(&told(b).await).chain([&*elsewhere]).all(Decision::is_granted));
    assert_eq!((start.elapsed(), server.log().len()), (ms(10), 5));
}

#[tokio::test(start_paused = true)]
async fn a_token_goes_to_the_first_who_is_still_there() {
    let server = slow();
    let tasks = call(&limiter(&server, Limit::per_second(4)), 6).await;
    sleep(ms(15)).await; // the first two are answered; two tokens are on their way to the other four
    tasks[2].abort();
    tasks[3].abort();
    sleep(ms(10)).await;
    let mut granted = Vec::new();
    for task in tasks {
        granted.push(task.await.is_ok_and(|told| told.unwrap().is_granted()));
    }
    assert_eq!(granted, [true, true, false, false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn one_who_leaves_before_the_question_is_not_asked_for() {
    let server = slow();
    let tasks = call(&limiter(&server, Limit::per_second(10)), 4).await;
    sleep(ms(5)).await;
    tasks[3].abort();
    sleep(ms(30)).await;
    assert_eq!(server.log(), ["ACQUIRE 1 0", "ACQUIRE 1 0", "ACQUIRE 1 0"]);
}

/// The first two hang up; those behind them are asked for all the same.
#[tokio::test(start_paused = true)]
async fn who_asked_alone_and_left_keeps_nobody_waiting() {
    let server = slow();
    let mut tasks = call(&limiter(&server, Limit::per_second(10)), 4).await;
    let behind = tasks.split_off(2);
    tasks.iter().for_each(JoinHandle::abort);
    let waited = timeout(ms(50), told(behind)).await.unwrap();
    assert!(waited.iter().all(Decision::is_granted));
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_deadline_and_outage() {
    let server = FakeServer::new();
    server.set_latency(Duration::from_secs(60));
    let closed = limiter(&server, Limit::per_second(10)).deadline(ms(80));
    let (start, tasks) = (Instant::now(), call(&closed, 5).await);
    for task in tasks {
        let error = task.await.unwrap().unwrap_err();
        assert!(error.is_unreachable(), "{error}");
    }
    assert_eq!(start.elapsed(), ms(80));
    assert_eq!(server.log().len(), 2, "the others have sent nothing");
    let error = closed.try_acquire("k").await.unwrap_err();
    assert!(matches!(error, Error::NotAsked { .. }), "{error}");
}

/// A question that nobody has time for but whoever began it is no outage for the others.
#[tokio::test(start_paused = true)]
async fn a_clone_with_a_short_deadline_shortens_that_of_nobody_else() {
    let server = slow();
    let patient = limiter(&server, Limit::per_second(10)).deadline(ms(1000));
    let hasty = patient.clone().deadline(ms(50));
    let mut tasks = call(&hasty, 3).await;
    tasks.extend(call(&patient, 1).await);
    // The question for the third takes too long for it, while the server answers others.
    sleep(ms(5)).await;
    server.set_latency(ms(30));
    let other = patient.clone();
    tokio::spawn(async move { other.try_acquire("other").await });
    sleep(ms(1)).await;
    server.set_latency(ms(100));
    let told = tasks.pop().unwrap().await.unwrap();
    assert!(told.as_ref().is_ok_and(Decision::is_granted), "{told:?}");
    let late = tasks.pop().unwrap().await.unwrap().unwrap_err();
    assert!(matches!(late, Error::TimedOut(after) if after == ms(50)), "{late}");
}

#[tokio::test(start_paused = true)]
async fn those_whom_the_answer_does_not_tell_when_head_the_next_question() {
    let server = slow();
    let limits = Limit::per_second(6).and(Limit::per_minute(5));
    let told = told(call(&limiter(&server, limits), 9).await).await;
    assert_eq!(
        server.log(),
        ["ACQUIRE 1 0", "ACQUIRE 1 0", "ACQUIRE 3 0", "ACQUIRE 0 11980"],
        "of the second limit one comes every 12 s"
    );
    for (n, decision) in told.iter().enumerate() {
        assert_eq!(decision.retry_after(), (n >= 5).then_some(ms(11_980)), "{n}");
    }
}

/// A task that asks for others ends with its runtime; they ask for themselves then.
#[test]
fn a_runtime_that_ends_takes_nobody_with_it() {
    let server = FakeServer::new();
    server.set_latency(ms(50));
    let limiter = limiter(&server, Limit::per_second(10)).deadline(Duration::from_secs(60));
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let tasks: Vec<Caller> = first.block_on(async { call(&limiter, 3).await });
    let other = {
        let limiter = limiter.clone();
        second.spawn(async move { limiter.try_acquire("k").await })
    };
    drop(tasks);
    first.shutdown_background();
    assert!(second.block_on(other).unwrap().unwrap().is_granted());
}
