//! Waiting in turn, giving turns up, handing them on.

use std::time::Duration;

use sluice_client::{Decision, Limit, Limiter, Outage};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::server::FakeServer;

/// One a second.
const LIMIT: Limit = Limit::per_second(1);

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn limiter(server: &FakeServer) -> Limiter<FakeServer> {
    Limiter::new(server.clone(), LIMIT, Outage::Closed).max_wait(ms(30_000))
}

/// Starts so many waiters, one after the other; each ends with the ms at which it went.
pub(crate) async fn queue(
    limiter: &Limiter<FakeServer>,
    start: Instant,
    waiters: usize,
) -> Vec<JoinHandle<u128>> {
    let mut tasks = Vec::new();
    for _ in 0..waiters {
        let limiter = limiter.clone();
        tasks.push(tokio::spawn(async move {
            let decision = limiter.acquire("k").await.unwrap();
            assert!(matches!(*decision, Decision::Granted { wait: Duration::ZERO, .. }), "{decision:?}");
            start.elapsed().as_millis()
        }));
        tokio::task::yield_now().await;
    }
    tasks
}

pub(crate) async fn times(tasks: Vec<JoinHandle<u128>>) -> Vec<u128> {
    let mut times = Vec::new();
    for task in tasks {
        match task.await {
            Ok(time) => times.push(time),
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
    }
    times
}

#[tokio::test(start_paused = true)]
async fn everybody_goes_at_their_turn() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let tasks = queue(&limiter(&server), start, 5).await;
    assert_eq!(times(tasks).await, [0, 1000, 2000, 3000, 4000]);
    assert!(server.returns().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_who_gives_up_passes_the_turn_on_and_the_last_one_goes_back() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    let tasks = queue(&limiter, start, 5).await;
    sleep(ms(500)).await;
    tasks[1].abort();
    sleep(ms(1)).await;
    assert_eq!(server.returns(), ["RETURN 1 AT 4000"]);
    // The next one stands where the last one stood.
    let next = limiter.acquire("k");
    assert_eq!(times(tasks).await, [0, 1000, 2000, 3000]);
    assert!(next.await.unwrap().is_granted());
    assert_eq!(start.elapsed().as_millis(), 4000);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_after_one_gave_up_goes_after_all_who_moved_up() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    server.set_latency(ms(10));
    let mut tasks = queue(&limiter, start, 5).await; // told at 10 ms to go 1 to 4 s later
    sleep(ms(500)).await;
    tasks.remove(1).abort();
    sleep(ms(100)).await;
    server.set_latency(Duration::ZERO);
    tasks.extend(queue(&limiter, start, 1).await); // told at once to go at 4 s, 10 ms before the one ahead
    assert_eq!(times(tasks).await, [10, 1010, 2010, 3010, 4000]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_given_up_while_somebody_is_told_its_own_goes_to_that_one() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    let mut tasks = queue(&limiter, start, 3).await;
    sleep(ms(500)).await;
    server.set_latency(ms(50));
    tasks.extend(queue(&limiter, start, 1).await); // is told at 550 ms that its turn is at 3 s
    server.set_latency(ms(60));
    tasks.remove(2).abort();
    assert_eq!(times(tasks).await, [0, 1000, 2000]);
    sleep(ms(100)).await;
    assert_eq!(
        server.returns(),
        ["RETURN 0 AT 2000", "RETURN 1 AT 3000"],
        "the turn at 2 s, then that at 3 s"
    );
}

#[tokio::test(start_paused = true)]
async fn the_only_one_gives_the_turn_back() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    let tasks = queue(&limiter, start, 2).await;
    sleep(ms(250)).await;
    tasks[1].abort();
    sleep(ms(1)).await;
    assert_eq!(server.returns(), ["RETURN 1 AT 1000"]);
    assert_eq!(times(queue(&limiter, start, 1).await).await, [1000]);
}

#[tokio::test(start_paused = true)]
async fn when_all_give_up_all_turns_go_back() {
    let (server, start) = (FakeServer::new(), Instant::now());
    // The returns take a while, and must not overtake each other.
    let limiter = limiter(&server);
    let tasks = queue(&limiter, start, 6).await;
    server.set_latency(ms(7));
    sleep(ms(100)).await;
    tasks.iter().for_each(JoinHandle::abort);
    sleep(ms(200)).await;
    let returned = server.returns().iter().filter(|line| line.starts_with("RETURN 1 AT")).count();
    assert_eq!(returned, 5, "{:?}", server.returns());
    server.set_latency(Duration::ZERO);
    assert_eq!(times(queue(&limiter, start, 1).await).await, [1000]);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_back_at_or_after_its_time() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    let tasks = queue(&limiter, start, 1).await;
    let mut late = Box::pin(limiter.acquire("k"));
    assert!(timeout(ms(10), &mut late).await.is_err());
    tokio::time::advance(ms(990)).await;
    assert_eq!(start.elapsed(), ms(1000));
    drop(late); // its turn has come, although it was never polled again
    sleep(ms(1)).await;
    assert!(server.returns().is_empty(), "{:?}", server.returns());
    assert_eq!(times(tasks).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_gone_before_the_reply_hands_its_turn_on() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    let tasks = queue(&limiter, start, 1).await;
    server.set_latency(ms(100));
    assert!(timeout(ms(40), limiter.acquire("k")).await.is_err());
    assert!(server.returns().is_empty(), "not before the reply");
    sleep(ms(61)).await;
    assert_eq!(server.returns(), ["RETURN 1 AT 1000"]);
    assert_eq!(times(tasks).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_of_a_caller_who_is_gone_mints_no_tokens() {
    let server = FakeServer::new();
    let limiter = limiter(&server).max_wait(ms(500));
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    server.set_latency(ms(100));
    assert!(timeout(ms(40), limiter.acquire("k")).await.is_err());
    sleep(ms(1000)).await;
    assert_eq!(server.log(), ["ACQUIRE 1 0", "ACQUIRE 0 1000"]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_comes_for_nobody_moves_the_others_up() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    let mut tasks = queue(&limiter, start, 1).await;
    server.set_latency(ms(100));
    assert!(timeout(ms(40), limiter.acquire("k")).await.is_err()); // the turn at 1 s
    server.set_latency(Duration::ZERO);
    tasks.extend(queue(&limiter, start, 1).await); // the turn at 2 s, before the other's reply
    assert_eq!(times(tasks).await, [0, 1100], "a wait is counted from its reply");
}

/// The first is offered back while the answer that grants the second is on its way to nobody.
#[tokio::test(start_paused = true)]
async fn a_turn_that_was_not_taken_back_is_offered_again_when_the_one_behind_it_is_back() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    let tasks = queue(&limiter, start, 2).await;
    server.set_latency(ms(100));
    assert!(timeout(ms(40), limiter.acquire("k")).await.is_err()); // the turn at 2 s
    server.set_latency(Duration::ZERO);
    tasks[1].abort();
    sleep(ms(100)).await;
    assert_eq!(server.returns(), ["RETURN 0 AT 1000", "RETURN 1 AT 2000", "RETURN 1 AT 1000"]);
    assert_eq!(times(tasks).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_with_another_process_behind_it_lapses_and_nothing_comes_too_early() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let (here, there) = (limiter(&server), limiter(&server));
    let ours = queue(&here, start, 2).await;
    let theirs = queue(&there, start, 1).await;
    sleep(ms(100)).await;
    ours[1].abort();
    sleep(ms(1)).await;
    assert_eq!(server.returns(), ["RETURN 0 AT 1000"]);
    assert_eq!(times(ours).await, [0]);
    assert_eq!(times(theirs).await, [2000], "they have been told their time already");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_when_it_is_not_full_any_more() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server).max_wait(ms(5000)).remember_refusals(10);
    let tasks = queue(&limiter, start, 6).await;
    for asked in [0, 400] {
        sleep(ms(asked).saturating_sub(start.elapsed())).await;
        let refused = limiter.acquire("k").await.unwrap();
        assert_eq!(refused.retry_after(), Some(ms(1000 - asked)), "from the server and from memory");
    }
    sleep(ms(600)).await;
    assert!(limiter.acquire("k").await.unwrap().is_granted(), "who comes back then is served");
    assert_eq!(start.elapsed(), ms(6000));
    assert_eq!(times(tasks).await.len(), 6);
}

/// Far more come than can be served, and most of them give up long before their turn.
#[tokio::test(start_paused = true)]
async fn turns_that_are_given_up_go_to_newcomers_who_would_be_refused() {
    let (server, start) = (FakeServer::new(), Instant::now());
    server.set_latency(ms(10));
    let limiter = Limiter::new(server.clone(), Limit::per_second(200).burst(1), Outage::Closed);
    let limiter = limiter.max_wait(ms(1000));
    let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..8000_u64 {
        let (limiter, report) = (limiter.clone(), report.clone());
        let patience = ms(if n % 10 == 0 { 10_000 } else { 50 + n % 200 });
        tokio::spawn(async move {
            if let Ok(Ok(permit)) = timeout(patience, limiter.acquire("k")).await
                && permit.is_granted()
            {
                let _ = report.send(start.elapsed());
            }
        });
        sleep(ms(2)).await;
    }
    drop(report);
    let mut went = Vec::new();
    while let Some(time) = reports.recv().await {
        went.push(time);
    }
    went.sort_unstable();
    for pair in went.windows(2) {
        assert!(pair[1] - pair[0] >= ms(5), "too close: {pair:?}");
    }
    let possible = 16 * 200;
    assert!(went.len() * 10 >= possible * 8, "{} of {possible} turns were used", went.len());
}

#[tokio::test(start_paused = true)]
async fn other_keys_limits_and_costs_are_other_queues() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    let tasks = queue(&limiter, start, 2).await;
    let twice = limiter.with(LIMIT.burst(2).cost(2));
    let other = tokio::spawn(async move { twice.acquire("k").await });
    tokio::task::yield_now().await;
    tasks[1].abort();
    sleep(ms(1)).await;
    assert_eq!(server.returns().len(), 1);
    other.abort();
    assert_eq!(times(tasks).await, [0]);
}

#[tokio::test(start_paused = true)]
async fn an_error_about_a_turn_that_is_given_up_is_nobodys() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = limiter(&server);
    let tasks = queue(&limiter, start, 2).await;
    server.set_clock_forward(ms(2 * 3_600_000)); // the turn was two hours ago, by its clock
    tasks[1].abort();
    sleep(ms(1)).await;
    let log = server.log();
    assert!(log.last().unwrap().starts_with("ERR AT must be the act_us of a turn"), "{log:?}");
    assert_eq!(times(tasks).await, [0]);
    assert!(limiter.acquire("k").await.unwrap().is_granted());
}

/// 200 waiters, each of which may give up at some time: never two within a second, in order, and
/// nobody later than if nobody had given up.
#[tokio::test(start_paused = true)]
async fn whoever_gives_up_the_others_stay_in_order_and_in_pace() {
    let (server, start) = (FakeServer::new(), Instant::now());
    let limiter = Limiter::new(server.clone(), Limit::per_second(10).burst(1), Outage::Closed);
    let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..200_u64 {
        let (limiter, report) = (limiter.clone(), report.clone());
        let patience = ms((n * 7919) % 20_000);
        tokio::spawn(async move {
            if timeout(patience, limiter.acquire("k")).await.is_ok() {
                let _ = report.send((n, start.elapsed()));
            }
        });
        tokio::task::yield_now().await;
    }
    drop(report);
    let mut went = Vec::new();
    while let Some(report) = reports.recv().await {
        went.push(report);
    }
    assert!(went.len() > 100, "{}", went.len());
    for pair in went.windows(2) {
        assert!(pair[0].0 < pair[1].0, "out of order: {pair:?}");
        assert!(pair[1].1 - pair[0].1 >= ms(100), "too close: {pair:?}");
    }
    assert!(went.iter().all(|(n, time)| *time <= ms(n * 100)));
}
