//! Holds, and turns that they move.

use std::time::Duration;

use sluice_client::{Error, Limit, Limiter, Outage};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use crate::server::FakeServer;
use crate::turns::{limiter, ms, queue, times};

fn heeding(server: &FakeServer) -> Limiter<FakeServer> {
    limiter(server).heed_holds(true)
}

#[tokio::test(start_paused = true)]
async fn whoever_heeds_holds_goes_behind_one_that_was_set_meanwhile() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let tasks = queue(&heeding(&server), start, 4).await;
    sleep(ms(1500)).await;
    // Another process holds the key, and ends the hold early.
    assert_eq!(limiter(&server).hold("k", ms(10_000)).await.unwrap(), ms(10_000));
    sleep(ms(2500)).await;
    limiter(&server).end_hold("k").await.unwrap();
    // Both had been told to wait for 10 s more before the hold ended: nobody wakes them.
    assert_eq!(times(tasks).await, [0, 1000, 12_000, 13_000]);
}

#[tokio::test(start_paused = true)]
async fn a_hold_moves_every_turn_by_what_it_adds() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let heeding = heeding(&server);
    let mut tasks = queue(&heeding, start, 4).await;
    sleep(ms(1500)).await;
    heeding.hold("k", ms(5000)).await.unwrap();
    sleep(ms(3000)).await;
    heeding.hold("k", ms(4000)).await.unwrap(); // until 8.5 s: two more
    tasks.extend(queue(&heeding, start, 1).await); // is told of it at once
    assert_eq!(times(tasks).await, [0, 1000, 9000, 10_000, 11_000]);
    // Told once, moved, and moved again; then for sure.
    let of_the_third = ["TURN 2000 5000", "TURN 5000 2000", "TURN 2000 0"];
    assert!(
        of_the_third.iter().all(|line| server.questions().contains(&(*line).to_owned())),
        "{:?}",
        server.log()
    );
}

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_for_each_turn_that_was_waited_for_and_no_other() {
    let (server, start) = (FakeServer::new(), Instant::now());
    assert_eq!(times(queue(&limiter(&server), start, 3).await).await, [0, 1000, 2000]);
    assert!(server.questions().is_empty(), "not asked to");
    sleep(ms(5000)).await;
    let start = Instant::now();
    assert_eq!(times(queue(&heeding(&server), start, 3).await).await, [0, 1000, 2000]);
    assert_eq!(server.questions(), ["TURN 1000 0", "TURN 2000 0"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_moves_up_asks_about_the_turn_that_is_used() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let heeding = heeding(&server);
    let mut tasks = queue(&heeding, start, 2).await;
    sleep(ms(500)).await;
    heeding.hold("k", ms(3000)).await.unwrap(); // the turn at 1 s is at 4 s now
    tasks.extend(queue(&heeding, start, 1).await); // the turn at 5 s
    sleep(ms(100)).await;
    tasks[1].abort(); // whose turn at 1 s the other one uses
    assert_eq!(times(tasks).await, [0, 4000]);
    assert_eq!(server.questions(), ["TURN 1000 3000", "TURN 3000 0"]);
    assert_eq!(server.returns(), ["RETURN 1 AT 5000"]);
}

#[tokio::test(start_paused = true)]
async fn a_moved_turn_that_is_given_up_goes_back_where_it_is_now() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let heeding = heeding(&server);
    let tasks = queue(&heeding, start, 2).await;
    sleep(ms(500)).await;
    heeding.hold("k", ms(3000)).await.unwrap();
    sleep(ms(1500)).await; // at 1 s it heard that it is to wait until 4 s
    tasks[1].abort();
    sleep(ms(1)).await;
    assert_eq!(server.returns(), ["RETURN 0 AT 1000", "RETURN 1 AT 4000"]);
    let next = limiter(&server).acquire("k").await.unwrap();
    assert!(next.is_granted());
    assert_eq!((start.elapsed(), times(tasks).await), (ms(4000), vec![0]));
}

#[tokio::test(start_paused = true)]
async fn those_who_heard_of_a_hold_move_up_when_one_of_them_gives_up() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let heeding = heeding(&server);
    let tasks = queue(&heeding, start, 4).await;
    sleep(ms(500)).await;
    heeding.hold("k", ms(10_000)).await.unwrap();
    sleep(ms(3000)).await; // all have heard of it
    tasks[1].abort();
    assert_eq!(times(tasks).await, [0, 11_000, 12_000]);
    assert_eq!(server.returns(), ["RETURN 0 AT 3000", "RETURN 1 AT 13000"], "the last of their turns");
}

#[tokio::test(start_paused = true)]
async fn a_turn_behind_a_hold_is_not_taken_for_one_that_it_moved() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let heeding = heeding(&server);
    let first = limiter(&server).acquire("k").await.unwrap();
    assert!(first.is_granted());
    heeding.hold("k", ms(5000)).await.unwrap();
    let ours = queue(&heeding, start, 1).await; // told at once: at 6 s
    let theirs = queue(&limiter(&server), start, 1).await; // stands behind it, at 7 s
    sleep(ms(1000)).await;
    ours[0].abort();
    sleep(ms(1)).await;
    assert_eq!(server.returns(), ["RETURN 0 AT 6000"], "it lapses");
    assert_eq!((times(ours).await, times(theirs).await), (vec![], vec![7000]));
}

/// A turn that another process keeps from going back is still there when a hold is set.
#[tokio::test(start_paused = true)]
async fn no_newcomer_gets_a_turn_that_was_given_up_and_then_held() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let careless = limiter(&server).max_wait(ms(3000));
    let ours = queue(&careless, start, 3).await; // at 0, 1 and 2 s
    let theirs = queue(&limiter(&server), start, 1).await; // at 3 s
    ours[2].abort();
    sleep(ms(1)).await;
    assert_eq!(server.returns(), ["RETURN 0 AT 2000"], "it is spare");
    limiter(&server).hold("k", ms(9000)).await.unwrap();
    assert_eq!(careless.acquire("k").await.unwrap().retry_after(), Some(ms(9999)), "13 s less 3 s");
    assert_eq!((times(ours).await, times(theirs).await), (vec![0, 1000], vec![3000]));
}

#[tokio::test(start_paused = true)]
async fn without_a_server_to_ask_the_choice_for_an_outage_counts() {
    for (outage, passes) in [(Outage::Closed, false), (Outage::Open, true), (Outage::local(1), true)] {
        let server = FakeServer::new();
        let limiter = Limiter::new(server.clone(), Limit::per_second(1), outage).heed_holds(true);
        assert!(limiter.acquire("k").await.unwrap().is_granted());
        let waiting = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.acquire("k").await }
        });
        yield_now().await;
        server.set_latency(ms(60_000));
        match waiting.await.unwrap() {
            Ok(decision) => assert!(passes && decision.is_granted(), "{decision:?}"),
            Err(error) => assert!(!passes && matches!(error, Error::TimedOut(_)), "{error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_remembered_is_forgotten_when_we_end_the_hold() {
    let limiter = limiter(&FakeServer::new()).remember_refusals(10);
    limiter.hold("k", ms(5000)).await.unwrap();
    let refused = limiter.try_acquire("k").await.unwrap();
    assert_eq!(refused.retry_after(), Some(ms(5000)));
    limiter.end_hold("k").await.unwrap();
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
}

/// Two processes that hold and wait at random: what passes keeps its distance, and nobody goes while the
/// key is held.
#[tokio::test(start_paused = true)]
async fn whatever_is_held_and_given_up_nobody_goes_early() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiters = [(); 2].map(|()| {
        Limiter::new(server.clone(), Limit::per_second(10).burst(1), Outage::Closed).heed_holds(true)
    });
    let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..200_u64 {
        let (limiter, report) = (limiters[(n % 2) as usize].clone(), report.clone());
        let patience = ms(5000 + (n * 7919) % 40_000);
        tokio::spawn(async move {
            if let Ok(Ok(permit)) = timeout(patience, limiter.acquire("k")).await
                && permit.is_granted()
            {
                let _ = report.send(start.elapsed());
            }
        });
        yield_now().await;
    }
    drop(report);
    let mut holds = Vec::new();
    for (at, time) in [(1050, 2000), (1550, 500), (4150, 3000), (9950, 100)] {
        sleep(ms(at).saturating_sub(start.elapsed())).await;
        let held = limiters[0].hold("k", ms(time)).await.unwrap();
        holds.push((start.elapsed(), start.elapsed() + held));
    }
    let mut went: Vec<Duration> = Vec::new();
    while let Some(time) = reports.recv().await {
        went.push(time);
    }
    assert!(went.len() > 100, "{}", went.len());
    for pair in went.windows(2) {
        assert!(pair[1] - pair[0] >= ms(100), "too close: {pair:?}");
    }
    for (set, end) in holds {
        assert!(went.iter().all(|time| *time <= set || *time >= end), "{set:?} to {end:?}: {went:?}");
    }
}
