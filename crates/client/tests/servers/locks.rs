//! Guards: held, renewed, lost, released. The numbers are those of tests/conformance/locks.md.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sluice_client::{Attempt, Locks};
use sluice_testing::{Kind, Server, on_both_servers, until};
use tokio::time::{sleep, timeout};

use crate::flaky::Flaky;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

on_both_servers![
    a_lock_is_held_by_one_and_released,
    a_semaphore_is_held_by_as_many,
    the_guard_knows_how_long_it_holds_for_certain,
    keep_alive_renews_until_the_guard_is_gone,
    case_55_a_renewal_that_fails_twice_is_tried_again,
    case_56_a_lock_that_is_gone_is_lost_at_once,
    case_57_without_any_answer_it_is_lost_when_the_lease_ends,
    case_58_a_release_that_is_cancelled_still_happens,
    case_59_a_dropped_guard_releases_inside_and_outside_of_the_runtime,
    case_61_a_guard_dropped_during_a_renewal_stays_released,
    a_thread_renews_while_the_runtime_is_blocked,
    a_lost_answer_is_asked_for_again,
    a_release_that_fails_gives_the_guard_back,
    an_attempt_that_is_dropped_holds_nothing,
    what_was_dropped_is_released_before_a_runtime_ends_that_waits_for_it,
];

fn free(server: &Server, key: &str) -> bool {
    server.ask(&format!("EXISTS {key}")).int() == 0
}

async fn a_lock_is_held_by_one_and_released(kind: Kind) {
    let server = Server::start_tcp(kind);
    let locks = Locks::with_deadline(server.client(), ms(10_000)).label("test");
    let lock = locks.lock("l").ttl(ms(60_000));
    let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    let Attempt::Held { fence, retry_after } = lock.try_acquire().await.unwrap() else { panic!("held") };
    assert_eq!(fence, Some(guard.fence()));
    assert!(retry_after.unwrap() > ms(59_000));
    let info = lock.info().await.unwrap().unwrap();
    assert!(info.holders[0].owner.starts_with(b"test:") && info.holders[0].owner == guard.owner());
    assert!(guard.release().await.unwrap());
    assert!(free(&server, "l"));
    let again = lock.try_acquire().await.unwrap().acquired().unwrap();
    assert!(Some(again.fence()) > fence);
    server.ask("DEL l").int();
    assert!(!again.release().await.unwrap(), "it was held no more");
}

async fn a_thread_renews_while_the_runtime_is_blocked(kind: Kind) {
    let server = Server::start_tcp(kind);
    // The runtime of a test has one thread.
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(600));
    let mut guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    guard.keep_alive();
    guard.keep_alive_on_thread().unwrap();
    let lost = tokio::spawn(guard.lost());
    std::thread::sleep(ms(1800)); // three leases
    assert!(guard.valid_for() > Duration::ZERO);
    assert!(guard.extend(ms(60_000)).await.unwrap());
    assert!(!lost.is_finished());
    assert!(guard.release().await.unwrap() && free(&server, "l"));
    assert!(!lost.is_finished(), "what is released is not lost");
    lost.abort();
}

async fn a_semaphore_is_held_by_as_many(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").holders(2);
    let (a, b) = (lock.try_acquire().await.unwrap(), lock.try_acquire().await.unwrap());
    assert!(lock.try_acquire().await.unwrap().acquired().is_none());
    drop((a, b));
}

async fn the_guard_knows_how_long_it_holds_for_certain(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(400));
    let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    let left = u64::try_from(server.ask("PTTL l").int()).unwrap();
    assert!(guard.valid_for() <= ms(400) && guard.valid_for() > ms(200));
    assert!(guard.valid_for() <= ms(left) + ms(1), "never more than the server grants");
    assert!(guard.extend(ms(100)).await.unwrap(), "it may shorten");
    assert!(guard.valid_for() <= ms(100));
    timeout(ms(300), guard.lost()).await.unwrap();
    assert_eq!(guard.valid_for(), Duration::ZERO);
    until("the server's end, a little later, has come too", || free(&server, "l"));
    assert!(!guard.extend(ms(60_000)).await.unwrap(), "an ended lease is not revived");
}

async fn keep_alive_renews_until_the_guard_is_gone(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(300));
    let mut guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    guard.keep_alive();
    assert!(timeout(ms(1500), guard.lost()).await.is_err());
    assert!(lock.try_acquire().await.unwrap().acquired().is_none());
    assert!(guard.valid_for() > Duration::ZERO);
    assert!(guard.release().await.unwrap());
    sleep(ms(200)).await;
    assert!(free(&server, "l"), "no renewal brings it back");
}

async fn case_55_a_renewal_that_fails_twice_is_tried_again(kind: Kind) {
    let server = Server::start_tcp(kind);
    let (network, faults) = Flaky::new(server.client());
    let lock = Locks::with_deadline(network, ms(10_000)).lock("l").ttl(ms(4500));
    let mut guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    guard.keep_alive();
    faults.fail.store(2, Ordering::SeqCst);
    // TRY, two EXTENDs that fail, one that works, and the next in its turn.
    let renewed = async {
        while faults.tried.load(Ordering::SeqCst) < 5 {
            sleep(ms(10)).await;
        }
    };
    tokio::select! {
        () = guard.lost() => panic!("it is not lost"),
        () = renewed => {}
    }
    assert_eq!(faults.fail.load(Ordering::SeqCst), 0);
    assert!(guard.release().await.unwrap());
}

async fn case_56_a_lock_that_is_gone_is_lost_at_once(kind: Kind) {
    let server = Server::start_tcp(kind);
    let (network, faults) = Flaky::new(server.client());
    let lock = Locks::with_deadline(network, ms(10_000)).lock("l").ttl(ms(900));
    let mut guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    guard.keep_alive();
    server.ask("DEL l").int();
    let start = Instant::now();
    guard.lost().await;
    assert!(start.elapsed() < ms(880), "with the first renewal: {:?}", start.elapsed());
    sleep(ms(900)).await;
    assert_eq!(faults.tried.load(Ordering::SeqCst), 2, "TRY, one EXTEND, no more");
}

async fn case_57_without_any_answer_it_is_lost_when_the_lease_ends(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(600));
    let mut guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    guard.keep_alive();
    server.freeze();
    let start = Instant::now();
    guard.lost().await;
    // It ends with the local validity; only a loaded machine makes this thread see it later.
    assert!(start.elapsed() <= ms(600) + ms(1000), "{:?}", start.elapsed());
    assert_eq!(guard.valid_for(), Duration::ZERO);
    server.thaw();
}

async fn case_58_a_release_that_is_cancelled_still_happens(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(60_000));
    let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    server.freeze();
    assert!(timeout(ms(50), guard.release()).await.is_err());
    server.thaw();
    until("it is released", || free(&server, "l"));
}

async fn case_59_a_dropped_guard_releases_inside_and_outside_of_the_runtime(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(60_000));
    let start = Instant::now();
    drop(lock.try_acquire().await.unwrap().acquired().unwrap());
    until("it is released", || free(&server, "l"));
    assert!(start.elapsed() < ms(300), "{:?}", start.elapsed());

    let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    std::thread::spawn(move || drop(guard)).join().unwrap();
    until("it is released", || free(&server, "l"));

    // A runtime that has ended: no panic, and the lease ends the lock.
    let short = lock.clone().ttl(ms(500));
    let client = server.client();
    let guard = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            Locks::new(client).lock("l").ttl(ms(500)).try_acquire().await.unwrap().acquired().unwrap()
        })
    });
    drop(guard.join().unwrap());
    assert!(!free(&server, "l"));
    until("its lease ends", || free(&server, "l"));
    drop(short);
}

async fn case_61_a_guard_dropped_during_a_renewal_stays_released(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(900));
    let mut guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    guard.keep_alive();
    sleep(ms(250)).await;
    server.freeze();
    sleep(ms(150)).await; // the renewal is on its way
    drop(guard);
    server.thaw();
    until("it is released", || free(&server, "l"));
    sleep(ms(400)).await;
    assert!(free(&server, "l"), "not created again");
}

async fn a_lost_answer_is_asked_for_again(kind: Kind) {
    let server = Server::start_tcp(kind);
    let (network, faults) = Flaky::new(server.client());
    let lock = Locks::with_deadline(network, ms(10_000)).lock("l").ttl(ms(60_000));
    faults.lose.store(1, Ordering::SeqCst);
    let guard = lock.try_acquire().await.unwrap().acquired().expect("granted, and EXTEND says so");
    assert_eq!(lock.info().await.unwrap().unwrap().holders[0].fence, guard.fence());
    assert!(guard.valid_for() > ms(50_000));
    assert!(guard.release().await.unwrap());

    faults.lose.store(2, Ordering::SeqCst);
    assert!(lock.try_acquire().await.unwrap_err().is_unreachable());
    until("what nobody knows of is released", || free(&server, "l"));
}

async fn a_release_that_fails_gives_the_guard_back(kind: Kind) {
    let server = Server::start_tcp(kind);
    let (network, faults) = Flaky::new(server.client());
    let lock = Locks::with_deadline(network, ms(10_000)).lock("l").ttl(ms(60_000));
    let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    faults.fail.store(1, Ordering::SeqCst);
    let failed = guard.release().await.unwrap_err();
    assert!(failed.error.is_unreachable(), "{failed}");
    assert!(failed.guard.valid_for() > ms(50_000) && !free(&server, "l"));
    assert!(failed.guard.release().await.unwrap());
}

async fn an_attempt_that_is_dropped_holds_nothing(kind: Kind) {
    let server = Server::start_tcp(kind);
    let lock = Locks::with_deadline(server.client(), ms(10_000)).lock("l").ttl(ms(60_000));
    drop(lock.try_acquire().await.unwrap()); // connected
    server.freeze();
    assert!(timeout(ms(50), lock.try_acquire()).await.is_err());
    server.thaw();
    sleep(ms(100)).await;
    until("it is free", || free(&server, "l"));
}

async fn what_was_dropped_is_released_before_a_runtime_ends_that_waits_for_it(kind: Kind) {
    let server = Server::start_tcp(kind);
    for round in 0..20 {
        let client = server.client();
        let program = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let locks = Locks::with_deadline(client, ms(10_000));
                let lock = locks.lock("l").ttl(ms(60_000));
                let guard = lock.acquire(ms(10_000)).await.unwrap().acquired().expect("it is free");
                assert!(timeout(ms(1), lock.acquire(ms(60_000))).await.is_err());
                drop(guard);
                locks.close().await;
            });
        });
        program.join().unwrap();
        assert!(server.ask("LOCK.INFO l").is_null(), "round {round}: it is held by a program that has ended");
    }
}
