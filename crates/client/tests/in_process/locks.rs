//! Locks without a server.

use std::time::Duration;

use sluice_client::{Attempt, InProcess, Lock, Locks};
use tokio::time::{Instant, sleep, timeout};

use crate::ms;

fn lock(locks: &Locks) -> Lock {
    locks.lock("l").ttl(ms(30_000))
}

#[tokio::test(start_paused = true)]
async fn fences_grow_and_only_one_holds() {
    let locks = Locks::in_process();
    let mut last = 0;
    for key in ["a", "b", "a"] {
        let guard = locks.lock(key).try_acquire().await.unwrap().acquired().unwrap();
        let Attempt::Held { fence, retry_after } = locks.lock(key).try_acquire().await.unwrap() else {
            panic!("twice")
        };
        assert_eq!((fence, retry_after), (Some(guard.fence()), Some(ms(30_000))));
        assert!(guard.fence() > last);
        last = guard.fence();
        assert!(guard.release().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_granted_in_order() {
    let (server, start) = (InProcess::new(), Instant::now());
    let first = lock(&server.locks()).try_acquire().await.unwrap().acquired().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..5 {
        // Each is a process of its own, and waits in the server.
        let locks: Locks = server.locks();
        waiting.push(tokio::spawn(async move {
            let guard = lock(&locks).acquire(ms(60_000)).await.unwrap().acquired().unwrap();
            let (at, fence) = (start.elapsed(), guard.fence());
            sleep(ms(100)).await;
            assert!(guard.release().await.unwrap());
            (at, fence)
        }));
        sleep(ms(1)).await;
    }
    let info = lock(&server.locks()).info().await.unwrap().unwrap();
    assert_eq!((info.waiting, info.waiters.len(), info.holders[0].fence), (5, 5, first.fence()));
    sleep(ms(95)).await;
    let mut last = first.fence();
    assert!(first.release().await.unwrap());
    for (n, waiting) in (0..).zip(waiting) {
        let (at, fence) = waiting.await.unwrap();
        assert_eq!(at, ms(100 + n * 100));
        assert!(fence > last);
        last = fence;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_when_the_clock_passes_it_and_the_next_has_the_lock() {
    let (server, start) = (InProcess::new(), Instant::now());
    let (ours, theirs) = (server.locks(), server.locks());
    let guard = lock(&ours).try_acquire().await.unwrap().acquired().unwrap();
    let next = lock(&theirs).acquire(ms(60_000)).await.unwrap().acquired().unwrap();
    assert_eq!(start.elapsed(), ms(30_000));
    assert!(guard.valid_for().is_zero());
    guard.lost().await;
    assert!(!guard.extend(ms(1000)).await.unwrap());
    assert!(next.valid_for() > ms(29_000));
    server.set_clock_forward(ms(30_000));
    assert!(!next.extend(ms(1000)).await.unwrap(), "by the server's clock");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_shortened_wakes_the_one_who_waits() {
    let (server, start) = (InProcess::new(), Instant::now());
    let (ours, theirs): (Locks, Locks) = (server.locks(), server.locks());
    let guard = lock(&ours).try_acquire().await.unwrap().acquired().unwrap();
    let waiting = tokio::spawn(async move {
        let guard = lock(&theirs).acquire(ms(60_000)).await.unwrap().acquired().unwrap();
        (start.elapsed(), guard)
    });
    sleep(ms(1000)).await;
    assert!(guard.extend(ms(500)).await.unwrap());
    assert_eq!(waiting.await.unwrap().0, ms(1500));
}

#[tokio::test(start_paused = true)]
async fn keep_alive_keeps_it_for_hours_and_a_del_is_noticed() {
    let server = InProcess::new();
    let locks: Locks = server.locks();
    let mut guard = lock(&locks).try_acquire().await.unwrap().acquired().unwrap();
    guard.keep_alive();
    let lost = timeout(ms(2 * 3600 * 1000), guard.lost()).await;
    assert!(lost.is_err() && guard.valid_for() >= ms(19_000));
    let mut connection = server.clone();
    assert_eq!(redis::cmd("DEL").arg("l").query_async(&mut connection).await, Ok(1));
    timeout(ms(10_001), guard.lost()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lost_stands_beside_release_and_outlives_the_guard() {
    let server = InProcess::new();
    let locks: Locks = server.locks();
    let guard = lock(&locks).try_acquire().await.unwrap().acquired().unwrap();
    let lost = guard.lost();
    tokio::select! {
        () = lost => panic!("it is not lost"),
        released = guard.release() => assert!(released.unwrap()),
    }
    let guard = lock(&locks).try_acquire().await.unwrap().acquired().unwrap();
    let (lost, of_a_dropped) = (tokio::spawn(guard.lost()), guard.lost());
    server.set_clock_forward(ms(60_000));
    assert!(!guard.extend(ms(1000)).await.unwrap());
    lost.await.unwrap();
    let guard = lock(&locks).try_acquire().await.unwrap().acquired().unwrap();
    let watched = guard.lost();
    drop(guard);
    of_a_dropped.await; // it was lost before
    assert!(timeout(ms(3_600_000), watched).await.is_err(), "what is dropped is released, and not lost");
}

#[tokio::test(start_paused = true)]
async fn a_wait_has_an_end_and_a_del_hands_the_lock_on() {
    let (server, start) = (InProcess::new(), Instant::now());
    let (ours, theirs): (Locks, Locks) = (server.locks(), server.locks());
    let _guard = lock(&ours).try_acquire().await.unwrap().acquired().unwrap();
    let held = lock(&theirs).acquire(ms(700)).await.unwrap();
    assert!(matches!(held, Attempt::Held { retry_after: Some(left), .. } if left == ms(29_300)), "{held:?}");
    assert_eq!(start.elapsed(), ms(700));
    let waiting = tokio::spawn(async move { lock(&theirs).acquire(ms(60_000)).await.unwrap().acquired() });
    sleep(ms(100)).await;
    assert_eq!(redis::cmd("DEL").arg("l").query_async(&mut server.clone()).await, Ok(1));
    assert!(waiting.await.unwrap().is_some());
    assert_eq!(start.elapsed(), ms(800));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_holds_nothing_and_keeps_nobody_waiting() {
    let (server, start) = (InProcess::new(), Instant::now());
    let (ours, theirs): (Locks, Locks) = (server.locks(), server.locks());
    let guard = lock(&ours).try_acquire().await.unwrap().acquired().unwrap();
    assert!(timeout(ms(500), lock(&theirs).acquire(ms(60_000))).await.is_err());
    theirs.close().await;
    assert_eq!(lock(&ours).info().await.unwrap().unwrap().waiting, 0);
    drop(guard);
    ours.close().await;
    assert!(lock(&ours).info().await.unwrap().is_none(), "nobody holds it, nobody waits");
    assert_eq!(start.elapsed(), ms(500));
}

#[tokio::test(start_paused = true)]
async fn a_semaphore_lets_so_many_in() {
    let locks = Locks::in_process();
    let pool = locks.lock("pool").ttl(ms(30_000)).holders(2);
    let one = pool.try_acquire().await.unwrap().acquired().unwrap();
    let _two = pool.try_acquire().await.unwrap().acquired().unwrap();
    assert!(pool.try_acquire().await.unwrap().acquired().is_none());
    let (third, released) = tokio::join!(pool.acquire(ms(1000)), async {
        sleep(ms(10)).await;
        one.release().await.unwrap()
    });
    assert!(released && third.unwrap().acquired().is_some());
}

/// Whoever wants no end writes the longest time there is.
#[tokio::test(start_paused = true)]
async fn a_lease_and_a_deadline_may_be_of_any_length() {
    let locks: Locks<InProcess> = Locks::with_deadline(InProcess::new(), Duration::MAX);
    let lock = locks.lock("l").ttl(Duration::MAX);
    let guard = lock.acquire(Duration::from_secs(1)).await.unwrap().acquired().unwrap();
    let waiting = {
        let lock = lock.clone();
        tokio::spawn(async move { lock.acquire(Duration::from_secs(60)).await })
    };
    sleep(ms(10)).await;
    assert!(guard.extend(Duration::MAX).await.unwrap());
    assert!(guard.valid_for() > Duration::from_secs(1_000_000));
    assert!(guard.release().await.unwrap());
    let mut next = waiting.await.unwrap().unwrap().acquired().unwrap();
    next.keep_alive();
    let given_up = timeout(ms(10), lock.acquire(Duration::from_secs(60))).await;
    assert!(given_up.is_err());
    drop(next);
    locks.close().await;
    assert_eq!(lock.info().await.unwrap(), None);
}
