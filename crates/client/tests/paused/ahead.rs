//! Tokens taken ahead: never more than is promised, few questions, and what lapses.

use std::time::Duration;

use sluice_client::{Decision, Limit, Limiter, Limits, Outage};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::server::FakeServer;
use crate::turns::ms;

const HOLD: Duration = ms(100);

/// Of this one h is the whole hold: a quarter of the time in which it fills is 125 ms.
const LIMIT: Limit = Limit::per_second(200).burst(100);

fn process(server: &FakeServer, limits: impl Into<Limits>) -> Limiter<FakeServer> {
    Limiter::new(server.clone(), limits, Outage::Closed).ahead(HOLD)
}

/// A server that answers after 1 ms.
fn server() -> FakeServer {
    let server = FakeServer::new();
    server.set_latency(ms(1));
    server
}

/// So many calls in a row, `apart` from each other; how many were granted.
async fn calls(limiter: &Limiter<FakeServer>, calls: usize, apart: Duration) -> usize {
    let mut granted = 0;
    for _ in 0..calls {
        granted += usize::from(limiter.try_acquire("k").await.unwrap().is_granted());
        sleep(apart).await;
    }
    granted
}

/// A small generator, so that a failure can be had again (Knuth's, of 64 bits).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What the promise allows in any time t: `burst + count * (t + h) / period`.
fn assert_kept(mut acts: Vec<Duration>, limit: Limit, hold: Duration, what: &str) {
    acts.sort();
    for (n, first) in acts.iter().enumerate() {
        for (m, last) in acts.iter().enumerate().skip(n) {
            let window = *last - *first + hold;
            let more = u128::from(limit.count()) * window.as_nanos() / limit.period().as_nanos();
            let most = u128::from(limit.capacity()) + more;
            let were = (m - n + 1) as u128;
            assert!(were <= most, "{what}: {were} acts from {first:?} to {last:?}, at most {most}");
        }
    }
}

/// A process that calls in bursts and pauses, and dies now and then with what it holds.
async fn adversary(server: FakeServer, seed: u64, start: Instant) -> Vec<Duration> {
    let mut random = Random(seed);
    let mut limiter = process(&server, LIMIT);
    let mut acts = Vec::new();
    while start.elapsed() < Duration::from_secs(12) {
        match random.below(10) {
            0 => sleep(ms(random.below(700))).await, // idle: the bucket fills
            1 => limiter = process(&server, LIMIT),  // a crash
            2 => sleep(ms(random.below(100))).await, // with what is held, nearly until it lapses
            3 => {
                // many at once, of whom some hang up
                let mut callers = JoinSet::new();
                for _ in 0..random.below(60) {
                    let (limiter, patience) = (limiter.clone(), ms(random.below(4)));
                    callers.spawn(async move {
                        let told = timeout(patience, limiter.try_acquire("k")).await;
                        told.is_ok_and(|told| told.unwrap().is_granted()).then(|| start.elapsed())
                    });
                }
                acts.extend(callers.join_all().await.into_iter().flatten());
            }
            _ => {
                let apart = random.below(6);
                for _ in 0..random.below(80) {
                    if limiter.try_acquire("k").await.unwrap().is_granted() {
                        acts.push(start.elapsed());
                    }
                    sleep(ms(apart)).await;
                }
            }
        }
    }
    acts
}

#[tokio::test(start_paused = true)]
async fn processes_that_do_their_worst_never_pass_what_is_promised() {
    for seed in 0..6 {
        let (server, start) = (server(), Instant::now());
        let mut processes = JoinSet::new();
        for n in 0..4 {
            processes.spawn(adversary(server.clone(), seed * 10 + n, start));
        }
        let acts: Vec<_> = processes.join_all().await.into_iter().flatten().collect();
        assert!(acts.len() > 1500, "{} acts: it is to be busy", acts.len());
        assert_kept(acts, LIMIT, HOLD, &format!("seed {seed}"));
    }
}

/// The most that can be made of it: what is held is used at its last moment, beside a bucket that has filled
/// meanwhile.
#[tokio::test(start_paused = true)]
async fn what_is_held_to_the_last_moment_beside_a_full_bucket_is_no_more_than_promised() {
    // A quarter of the 200 ms in which it fills: 50 ms, and a lap is 25.
    let limit = Limit::per_second(2000).burst(400);
    for pause in [10, 30, 45, 49, 55, 70, 90, 120, 145, 160, 200] {
        let (server, start) = (FakeServer::new(), Instant::now());
        let processes: Vec<_> = (0..4).map(|_| process(&server, limit)).collect();
        let mut acts = Vec::new();
        // A lap in which each calls 50 times, and the first calls of the next, which take 42 ahead each.
        for _ in 0..26 {
            for process in processes.iter().chain(&processes) {
                assert!(process.try_acquire("k").await.unwrap().is_granted());
                acts.push(start.elapsed());
            }
            sleep(ms(1)).await;
        }
        sleep(ms(pause)).await;
        for process in processes.iter().cycle().take(2000) {
            if process.try_acquire("k").await.unwrap().is_granted() {
                acts.push(start.elapsed());
            }
        }
        assert_kept(acts, limit, ms(50), &format!("after {pause} ms"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_key_asks_once_a_lap_and_gets_what_the_limit_gives() {
    let (server, limit) = (server(), Limit::per_second(10_000).burst(5000));
    let limiter = process(&server, limit);
    let granted = calls(&limiter, 2000, ms(1)).await;
    assert_eq!(granted, 2000);
    // Two seconds and what the questions took are 40 laps of 50 ms, of which each asks at most twice; the
    // first lap asks for each call.
    let questions = server.log().len();
    assert!(questions < 50 + 2 * 45, "{questions} questions");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_used_up_is_shared_and_asked_for_seldom() {
    let (server, limit) = (server(), Limit::per_second(1000).burst(500));
    let limiter = process(&server, limit);
    let start = Instant::now();
    let mut granted = 0;
    while start.elapsed() < Duration::from_secs(4) {
        for _ in 0..4 {
            granted += u64::from(limiter.try_acquire("k").await.unwrap().is_granted());
        }
        sleep(ms(1)).await;
    }
    // Four thousand a second want a thousand: what passes is what comes, but for what lapses.
    assert!((3900..=4600).contains(&granted), "{granted} granted in 4 s and a burst");
    let questions = server.log().len();
    assert!(questions < 500, "{questions} questions for 16,000 calls");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_used_in_time_lapses_and_is_never_given_back() {
    let server = server();
    let limiter = process(&server, LIMIT);
    calls(&limiter, 100, ms(2)).await;
    let before = server.log().len();
    sleep(HOLD + ms(1)).await;
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    assert!(server.log().len() > before, "nothing was left to use");
    assert!(server.returns().is_empty());
}

#[tokio::test(start_paused = true)]
async fn spaced_limits_and_windows_are_never_taken_ahead() {
    for limit in [
        Limit::per_second(1000).burst(1),
        Limit::per_second(1000).burst(3),
        Limit::per_second(1000).strict(),
        Limit::per_second(1000).aligned(Duration::ZERO),
        Limit::per_second(1000).cost(2),
    ] {
        let server = server();
        let limiter = process(&server, limit);
        calls(&limiter, 200, ms(1)).await;
        assert_eq!(server.log().len(), 200, "{limit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_calls_of_a_key_ask_for_themselves() {
    let server = server();
    let limiter = process(&server, LIMIT);
    calls(&limiter, 20, ms(40)).await;
    assert_eq!(server.log().len(), 20, "fewer than three in a lap of 50 ms");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_when_and_what_is_given_back_here_is_seen_at_once() {
    let server = server();
    let limiter = process(&server, Limit::per_minute(60).burst(20));
    let mut refusal = None;
    for _ in 0..200 {
        let decision = limiter.try_acquire("k").await.unwrap();
        refusal = refusal.or(decision.retry_after());
        sleep(ms(1)).await;
    }
    assert!(refusal.is_some_and(|time| time > ms(700) && time <= ms(1000)), "{refusal:?}");
    assert!(limiter.try_acquire("k").await.unwrap().retry_after().is_some());
    assert!(limiter.refund("k").await.unwrap());
    assert!(limiter.try_acquire("k").await.unwrap().is_granted(), "a refund of our own is known");
}

#[tokio::test(start_paused = true)]
async fn what_others_give_back_is_seen_within_a_second() {
    let server = server();
    let limit = Limit::per_hour(60).burst(20);
    let (limiter, other) = (process(&server, limit), process(&server, limit));
    calls(&limiter, 300, ms(1)).await;
    let minute = Duration::from_secs(60);
    assert!(limiter.try_acquire("k").await.unwrap().retry_after().is_some_and(|time| time > minute / 2));
    assert!(other.refund("k").await.unwrap());
    sleep(Duration::from_secs(1)).await;
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
}

#[tokio::test(start_paused = true)]
async fn also_with_a_long_time_ahead_refusals_end_within_a_second() {
    let server = server();
    let limit = Limit::per_minute(60).burst(120);
    let [limiter, other] =
        [(), ()].map(|()| Limiter::new(server.clone(), limit, Outage::Closed).ahead(Duration::from_secs(20)));
    calls(&limiter, 300, ms(50)).await;
    assert!(!limiter.try_acquire("k").await.unwrap().is_granted());
    for _ in 0..20 {
        assert!(other.refund("k").await.unwrap());
    }
    sleep(Duration::from_secs(1)).await;
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_asked_nothing_ahead() {
    let server = server();
    let limiter = process(&server, LIMIT).deadline(ms(50));
    calls(&limiter, 60, ms(2)).await;
    sleep(HOLD * 2).await;
    server.set_latency(Duration::from_secs(60));
    let before = server.log().len();
    for _ in 0..100 {
        assert!(limiter.try_acquire("k").await.unwrap_err().is_unreachable());
    }
    assert!(server.log().len() <= before + 2, "{:?}", server.log());
    server.set_latency(ms(1));
    sleep(Duration::from_secs(1)).await;
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
}

/// What a caller is told stays true to the limit: remaining goes down with each call, and up only by time.
#[tokio::test(start_paused = true)]
async fn what_is_told_beside_a_grant_counts_what_is_held() {
    let server = server();
    let limit = Limit::per_minute(400).burst(200);
    let limiter = process(&server, limit);
    let mut told = Vec::new();
    for _ in 0..100 {
        let decision = limiter.try_acquire("k").await.unwrap();
        let Decision::Granted { remaining, .. } = *decision else { panic!("{decision:?}") };
        told.push(remaining);
        sleep(ms(2)).await;
    }
    // A call each 2 ms, a token each 150 ms.
    assert!(told.windows(2).all(|two| two[1] <= two[0] + 1), "{told:?}");
    assert!(told[99] <= 200 - 97, "{told:?}");
}
