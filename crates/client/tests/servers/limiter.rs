//! The limiter on real servers.

use std::time::{Duration, Instant};

use sluice_client::{AsyncSluiceCommands, Decision, Error, Limit, Limiter, Limits, Outage};
use sluice_testing::{Kind, Reply, Server, on_both_servers, until};
use tokio::time::timeout;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

on_both_servers![
    replicas_wait_in_turn,
    one_who_hangs_up_costs_no_turn_while_others_wait,
    the_last_turn_goes_back,
    a_call_is_settled,
    permits_give_back_what_they_took,
    a_key_is_looked_at_and_reset,
    each_kind_of_limit_lets_through_what_it_says,
    a_hold_of_another_process_moves_those_who_heed_it,
    a_hold_is_over_when_it_is_ended,
    a_longer_wait_than_the_server_allows_is_an_error,
    a_server_without_the_module_is_no_outage,
];

async fn limiter(server: &Server, limits: impl Into<Limits>) -> Limiter<redis::aio::MultiplexedConnection> {
    let connection = crate::connect(&server.client()).await;
    Limiter::new(connection, limits, Outage::Closed).deadline(ms(5000))
}

async fn permits_give_back_what_they_took(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, Limit::per_hour(10)).await;
    let left = async || limiter.try_acquire("k").await.unwrap().remaining().unwrap();
    assert!(limiter.try_acquire("k").await.unwrap().refund().await.unwrap());
    assert!(limiter.try_acquire("k").await.unwrap().cancel().await.unwrap());
    limiter.try_acquire("k").await.unwrap().settle(&[4]).await.unwrap();
    limiter.with(Limit::per_hour(10).cost(3)).try_acquire("k").await.unwrap().settle(&[1]).await.unwrap();
    assert_eq!(left().await, 4);
    let never = limiter.with(Limit::per_hour(10).cost(11)).try_acquire("k").await.unwrap();
    assert!(matches!(*never, Decision::Never { .. }) && !never.refund().await.unwrap());
    assert_eq!(left().await, 3);

    let turns = limiter.with(Limit::per_second(1));
    let mut reserved = Vec::new();
    for _ in 0..4 {
        reserved.push(turns.reserve("turns").await.unwrap());
    }
    let mut next = || reserved.pop().unwrap();
    assert!(next().cancel().await.unwrap(), "nobody stands behind the last");
    let (third, second, first) = (next(), next(), next());
    assert!(!second.cancel().await.unwrap(), "the third stands behind it");
    assert!(third.cancel().await.unwrap() && !first.cancel().await.unwrap(), "the first has come");
}

async fn a_key_is_looked_at_and_reset(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, Limit::per_hour(2)).await.remember_refusals(10);
    assert!(!limiter.reset("k").await.unwrap(), "there is nothing");
    for remaining in [1, 1] {
        assert_eq!(limiter.peek("k").await.unwrap().remaining(), Some(remaining));
    }
    for granted in [true, true, false] {
        assert_eq!(limiter.peek("k").await.unwrap().is_granted(), granted);
        assert_eq!(limiter.try_acquire("k").await.unwrap().is_granted(), granted);
    }
    let info = limiter.info("k").await.unwrap();
    assert_eq!((info.limits[0].limit, info.limits[0].remaining), (Limit::per_hour(2), 0));
    assert!(limiter.reset("k").await.unwrap());
    assert!(limiter.info("k").await.unwrap().limits.is_empty());
    assert!(
        limiter.try_acquire("k").await.unwrap().is_granted(),
        "a refusal that was remembered is forgotten"
    );
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
    assert!(info.limits[0].reset <= ms(30_000), "{info:?}");
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
        assert!((left..left + 40).contains(&info.limits[1].remaining), "{info:?}");
    }
    let before = connection.ratelimit_info("k").await.unwrap().limits[1].remaining;
    for wrong in [&[][..], &[1], &[1, 2, 3]] {
        assert!(matches!(limiter.settle("k", wrong).await, Err(Error::Limit(_))), "{wrong:?}");
    }
    let info = connection.ratelimit_info("k").await.unwrap();
    assert!((before..before + 40).contains(&info.limits[1].remaining), "nothing is refunded: {info:?}");
    assert!(limiter.refund("k").await.unwrap());
    assert!(matches!(limiter.force("k").await.unwrap(), Decision::Forced { .. }));
}

async fn each_kind_of_limit_lets_through_what_it_says(kind: Kind) {
    // Ten seconds before midnight in Tokyo.
    const START_MS: i64 = (20_000 * 86_400 + 54_000 - 10) * 1000;
    let server = Server::setup(kind).clock_ms(START_MS).tcp().start();
    let limiter = limiter(&server, Limit::per_second(10)).await;
    let passed = async |key: &str, limit: Limit| {
        let limiter = limiter.with(limit);
        let mut granted = 0;
        while limiter.try_acquire(key).await.unwrap().is_granted() {
            granted += 1;
        }
        granted
    };
    let (rate, strict) = (Limit::per_second(10), Limit::per_second(10).strict());
    let day = Limit::per(10, Duration::from_secs(86_400)).aligned(Duration::from_secs(54_000));
    for (at_ms, by_rate, by_strict, by_day) in
        [(0, 10, 10, 10), (999, 9, 0, 0), (1000, 1, 10, 0), (10_000, 10, 10, 10)]
    {
        server.set_clock_ms(START_MS + at_ms);
        let all = (passed("rate", rate).await, passed("strict", strict).await, passed("day", day).await);
        assert_eq!(all, (by_rate, by_strict, by_day), "after {at_ms} ms");
    }
    let denied = limiter.with(day).try_acquire("day").await.unwrap();
    assert_eq!(denied.retry_after(), Some(Duration::from_secs(86_400)));
    assert_eq!(denied.seconds_to_next_token(&day.into()), Some(86_400));
}

async fn a_hold_of_another_process_moves_those_who_heed_it(kind: Kind) {
    let server = Server::start_tcp(kind);
    let limiter = limiter(&server, Limit::per(1, ms(600))).await;
    let start = Instant::now();
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    let waits = |limiter: Limiter<_>| {
        tokio::spawn(async move {
            assert!(limiter.acquire("k").await.unwrap().is_granted());
            Instant::now()
        })
    };
    let taken = |before: &Reply| until("the next turn is taken", || server.ask("GET k") != *before);
    let before = server.ask("GET k");
    let careless = waits(limiter.clone());
    taken(&before);
    let before = server.ask("GET k");
    let heeding = waits(limiter.clone().heed_holds(true));
    taken(&before);
    let held = Instant::now();
    assert!((3000..=3001).contains(&server.ask("RATELIMIT.HOLD k PX 3000").int()), "rounded up to whole ms");
    let (careless, heeding) = (careless.await.unwrap(), heeding.await.unwrap());
    assert!(careless < held + ms(3000), "{:?}", careless - held);
    assert!(heeding >= start + ms(4200), "{:?}", heeding - start);
    // Who comes now is behind the turn that was moved.
    assert!(limiter.acquire("k").await.unwrap().is_granted());
    assert!(start.elapsed() >= ms(4800), "{:?}", start.elapsed());
}

async fn a_hold_is_over_when_it_is_ended(kind: Kind) {
    let server = Server::setup(kind).clock_ms(1_900_000_000_000).tcp().start();
    let limiter = limiter(&server, Limit::per_second(5)).await;
    assert_eq!(limiter.hold("k", ms(60_000)).await.unwrap(), ms(60_000));
    let refused = limiter.try_acquire("k").await.unwrap();
    assert_eq!(refused.retry_after(), Some(ms(60_000)));
    assert_eq!(refused.seconds_to_next_token(limiter.limits()), Some(60));
    limiter.end_hold("k").await.unwrap();
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    limiter.end_hold("nothing").await.unwrap();
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
