//! Waiting for a lock in the server, and giving the wait up.

use std::time::{Duration, Instant};

use sluice_client::{Attempt, Error, Locks};
use sluice_testing::{Kind, Server, on_both_servers, until};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

on_both_servers![
    a_wait_ends_with_the_lock,
    a_wait_that_is_over_is_a_value,
    a_wait_may_be_longer_than_the_lease_and_than_any_timeout,
    waiters_come_up_in_order,
    case_60_a_wait_that_is_dropped_holds_nothing_later,
    dropped_waits_at_any_moment_hold_nothing,
    a_server_that_is_gone_ends_the_wait,
    a_free_lock_needs_no_connection_to_wait_on,
    many_who_wait_for_one_lock_need_one_connection,
    waiting_for_too_many_locks_is_an_error,
];

/// How many wait for the lock; none if it is free.
fn waiters(server: &Server) -> i64 {
    let info = server.ask("LOCK.INFO l");
    if info.is_null() { 0 } else { info.pairs()[1].1.int() }
}

async fn a_wait_ends_with_the_lock(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(60_000));
    let held = lock.try_acquire().await.unwrap().acquired().unwrap();
    let waiter = tokio::spawn({
        let lock = lock.clone();
        async move { lock.acquire(ms(20_000)).await.unwrap().acquired().unwrap() }
    });
    sleep(ms(1200)).await; // longer than redis's response timeout
    let start = Instant::now();
    assert!(held.release().await.unwrap());
    let guard = waiter.await.unwrap();
    assert!(start.elapsed() < ms(300), "{:?}", start.elapsed());
    assert!(guard.valid_for() > ms(50_000), "the lease begins with the grant");
    assert!(guard.release().await.unwrap());
}

async fn a_wait_that_is_over_is_a_value(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(60_000));
    let held = lock.try_acquire().await.unwrap().acquired().unwrap();
    let start = Instant::now();
    let Attempt::Held { fence, retry_after } = lock.acquire(ms(300)).await.unwrap() else { panic!("held") };
    assert!((ms(290)..ms(700)).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(fence, Some(held.fence()));
    assert!(retry_after.is_some());
    assert!(lock.acquire(Duration::ZERO).await.unwrap().acquired().is_none());
}

async fn a_wait_may_be_longer_than_the_lease_and_than_any_timeout(kind: Kind) {
    let server = Server::start_tcp(kind);
    let locks = Locks::with_deadline(server.client(), ms(200));
    let held = locks.lock("l").ttl(ms(60_000)).try_acquire().await.unwrap().acquired().unwrap();
    let lock = locks.lock("l").ttl(ms(400));
    let waiter = tokio::spawn(async move { lock.acquire(Duration::MAX).await.unwrap().acquired().unwrap() });
    sleep(ms(1000)).await;
    assert!(held.release().await.unwrap());
    let guard = waiter.await.unwrap();
    assert!(guard.valid_for() > ms(200), "{:?}", guard.valid_for());
}

async fn waiters_come_up_in_order(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(60_000));
    let held = lock.try_acquire().await.unwrap().acquired().unwrap();
    let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
    for n in 0..8 {
        let (lock, report) = (lock.clone(), report.clone());
        let mut wait = Box::pin(async move {
            let guard = lock.acquire(ms(20_000)).await.unwrap().acquired().unwrap();
            report.send(n).unwrap();
            assert!(guard.release().await.unwrap());
        });
        // From the first look on it has its place.
        assert!(timeout(Duration::ZERO, &mut wait).await.is_err());
        tokio::spawn(wait);
    }
    until("one waits in the server for all", || waiters(&server) == 1);
    assert!(held.release().await.unwrap());
    for n in 0..8 {
        assert_eq!(reports.recv().await, Some(n));
    }
}

async fn case_60_a_wait_that_is_dropped_holds_nothing_later(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(60_000));
    let held = lock.try_acquire().await.unwrap().acquired().unwrap();
    assert!(timeout(ms(100), lock.acquire(ms(20_000))).await.is_err());
    sleep(ms(200)).await;
    assert_eq!(waiters(&server), 0);
    assert!(held.release().await.unwrap());
    sleep(ms(1000)).await;
    assert_eq!(server.ask("EXISTS l").int(), 0);
    until("its connections are closed", || {
        server.ask("CLIENT LIST").text().lines().all(|line| !line.contains("cmd=lock.acquire"))
    });
}

/// The grant, the drop and the RELEASEs race each other.
async fn dropped_waits_at_any_moment_hold_nothing(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(60_000));
    for round in 0..60_u64 {
        // What was dropped may reach the server a moment after it was found free, with its RELEASE behind it.
        let held = lock.acquire(ms(3000)).await.unwrap().acquired().expect("free again");
        let waiters: Vec<_> = (0..3_u64)
            .map(|n| {
                let lock = lock.clone();
                let patience = Duration::from_micros(round * 150 + n * 40);
                tokio::spawn(async move { drop(timeout(patience, lock.acquire(ms(20_000))).await) })
            })
            .collect();
        sleep(Duration::from_micros(round * 120)).await;
        drop(held);
        for waiter in waiters {
            waiter.await.unwrap();
        }
        let start = Instant::now();
        until("nobody holds it or waits", || server.ask("LOCK.INFO l").is_null());
        assert!(start.elapsed() < ms(3000), "{:?}", start.elapsed());
    }
}

async fn a_server_that_is_gone_ends_the_wait(kind: Kind) {
    let mut server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(300)).lock("l").ttl(ms(60_000));
    let held = lock.try_acquire().await.unwrap().acquired().unwrap();
    let waiter = tokio::spawn({
        let lock = lock.clone();
        async move { lock.acquire(ms(20_000)).await }
    });
    sleep(ms(200)).await;
    server.kill9();
    let error = waiter.await.unwrap().unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    server.start_again();
    assert!(!held.extend(ms(60_000)).await.unwrap(), "the server has forgotten, and the client comes back");
}

/// Connections to the server, without that of whoever asks.
fn connections(server: &Server) -> usize {
    server.ask("CLIENT LIST").text().lines().filter(|line| !line.contains("cmd=client")).count()
}

async fn a_free_lock_needs_no_connection_to_wait_on(kind: Kind) {
    let server = Server::start_tcp(kind);
    let locks = Locks::with_deadline(server.client(), ms(10_000));
    let mut guards = Vec::new();
    for n in 0..20 {
        let lock = locks.lock(format!("l{n}"));
        guards.push(lock.acquire(ms(20_000)).await.unwrap().acquired().unwrap());
    }
    assert_eq!(connections(&server), 1);
}

async fn many_who_wait_for_one_lock_need_one_connection(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(60_000));
    let held = lock.try_acquire().await.unwrap().acquired().unwrap();
    let mut waits = JoinSet::new();
    for n in 0..1500 {
        let lock = lock.clone();
        // Two of three give up before.
        let patience = if n % 3 == 0 { ms(60_000) } else { ms(300) };
        waits.spawn(async move {
            let attempt = lock.acquire(patience).await.unwrap();
            let Some(guard) = attempt.acquired() else { return 0 };
            assert!(guard.release().await.unwrap());
            1
        });
    }
    until("somebody waits", || waiters(&server) == 1);
    sleep(ms(600)).await;
    assert!((2..=3).contains(&connections(&server)), "{}", connections(&server));
    assert!(held.release().await.unwrap());
    assert_eq!(waits.join_all().await.iter().sum::<i32>(), 500);
    assert!((1..=3).contains(&connections(&server)), "{}", connections(&server));
    assert_eq!(server.ask("EXISTS l").int(), 0);
}

async fn waiting_for_too_many_locks_is_an_error(kind: Kind) {
    let server = Server::start_tcp(kind);
    let locks = Locks::with_deadline(server.client(), ms(10_000)).waiting_connections(2);
    let mut held = Vec::new();
    for n in 0..3 {
        let lock = locks.lock(format!("l{n}")).ttl(ms(60_000));
        held.push(lock.try_acquire().await.unwrap().acquired().unwrap());
    }
    let waits: Vec<_> = (0..2)
        .map(|n| {
            let lock = locks.lock(format!("l{n}"));
            tokio::spawn(async move { lock.acquire(ms(20_000)).await.unwrap().acquired().is_some() })
        })
        .collect();
    until("both wait", || server.ask("CLIENT LIST").text().matches("cmd=lock.acquire").count() == 2);
    let error = locks.lock("l2").acquire(ms(20_000)).await.unwrap_err();
    assert!(matches!(error, Error::TooManyWaits(2)), "{error}");
    assert!(locks.lock("free").acquire(ms(20_000)).await.unwrap().acquired().is_some());
    drop(held);
    for wait in waits {
        assert!(wait.await.unwrap());
    }
    assert!(locks.lock("l2").acquire(ms(20_000)).await.unwrap().acquired().is_some());
}
