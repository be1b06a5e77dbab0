//! Limiters and locks for code that blocks, on real servers and in this process.

use std::thread;
use std::time::{Duration, Instant};

use sluice_client::sync::{Attempt, Limiter, Locks};
use sluice_client::{Error, InProcess, Limit, Outage};
use sluice_testing::{Kind, Server, on_both_servers};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A test of code that is not async: what calls it is.
async fn on_a_thread(test: impl FnOnce() + Send + 'static) {
    let outcome = tokio::task::spawn_blocking(|| thread::spawn(test).join()).await.unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

on_both_servers![
    threads_wait_in_turn,
    a_permit_and_a_key,
    locks_are_held_renewed_and_released,
    threads_wait_for_a_lock
];

fn limiter(server: &Server, limit: Limit) -> Limiter {
    Limiter::new(server.client(), limit, Outage::Closed).deadline(ms(10_000))
}

fn free(server: &Server, key: &str) -> bool {
    server.ask(&format!("EXISTS {key}")).int() == 0
}

async fn threads_wait_in_turn(kind: Kind) {
    on_a_thread(move || {
        let server = Server::start_tcp(kind);
        let limiter = limiter(&server, Limit::per_second(20).burst(1));
        let start = Instant::now();
        thread::scope(|threads| {
            for _ in 0..10 {
                threads.spawn(|| assert!(limiter.acquire("k").unwrap().is_granted()));
            }
        });
        assert!(start.elapsed() >= ms(440), "{:?}", start.elapsed());
        assert!(!limiter.try_acquire("k").unwrap().is_granted());
    })
    .await;
}

async fn a_permit_and_a_key(kind: Kind) {
    on_a_thread(move || {
        let server = Server::start_tcp(kind);
        let limiter = limiter(&server, Limit::per_hour(10));
        assert!(limiter.try_acquire("k").unwrap().refund().unwrap());
        assert!(limiter.try_acquire("k").unwrap().cancel().unwrap());
        limiter.try_acquire("k").unwrap().settle(&[4]).unwrap();
        assert_eq!(limiter.peek("k").unwrap().remaining(), Some(5));
        assert_eq!(limiter.info("k").unwrap().limits[0].remaining, 6);
        assert!(limiter.force("k").unwrap().is_granted() && limiter.refund("k").unwrap());
        limiter.settle("k", &[2]).unwrap();
        assert!(limiter.hold("k", ms(60_000)).unwrap() >= ms(60_000));
        limiter.end_hold("k").unwrap();
        assert!(limiter.reserve("k").unwrap().is_granted());
        assert!(limiter.reset("k").unwrap());
    })
    .await;
}

async fn locks_are_held_renewed_and_released(kind: Kind) {
    on_a_thread(move || {
        let server = Server::start_tcp(kind);
        let locks = Locks::with_deadline(server.client(), ms(10_000)).label("test");
        let lock = locks.lock("l").ttl(ms(600));
        let mut guard = lock.try_acquire().unwrap().acquired().unwrap();
        assert!(
            matches!(lock.try_acquire().unwrap(), Attempt::Held { fence, .. } if fence == Some(guard.fence()))
        );
        guard.keep_alive();
        let mut lost = guard.lost();
        let watcher = thread::spawn(move || lost.within(ms(1800)).unwrap());
        thread::sleep(ms(1800)); // three leases, and this thread does nothing
        assert!(!watcher.join().unwrap() && guard.valid_for() > Duration::ZERO);
        assert!(guard.extend(ms(60_000)).unwrap());
        let mut lost = guard.lost();
        server.ask("DEL l").int();
        assert!(!guard.extend(ms(600)).unwrap() && lost.within(ms(10_000)).unwrap());
        assert!(!guard.release().unwrap());
        for _ in 0..20 {
            drop(lock.try_acquire().unwrap().acquired().unwrap());
            assert!(free(&server, "l"), "when it is dropped, it is released");
        }
        locks.close().unwrap();
    })
    .await;
}

async fn threads_wait_for_a_lock(kind: Kind) {
    on_a_thread(move || {
        let server = Server::start_tcp(kind);
        let locks = Locks::with_deadline(server.client(), ms(10_000));
        let lock = locks.lock("l").ttl(ms(60_000));
        let mut fences: Vec<u64> = thread::scope(|threads| {
            let work = || {
                let guard = lock.acquire(ms(30_000)).unwrap().acquired().unwrap();
                thread::sleep(ms(5));
                guard.fence()
            };
            let threads: Vec<_> = (0..8).map(|_| threads.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        fences.sort_unstable();
        fences.dedup();
        assert_eq!(fences.len(), 8);
        let _held = lock.try_acquire().unwrap();
        assert!(lock.acquire(ms(50)).unwrap().acquired().is_none());
    })
    .await;
}

#[tokio::test]
async fn in_async_code_it_says_what_to_use_and_where_blocking_is_allowed_it_works() {
    let server = InProcess::new();
    let (limiter, locks) =
        (Limiter::with_in_process(&server, Limit::per_hour(10)), Locks::with_in_process(&server));
    let ask = {
        let limiter = limiter.clone();
        move || limiter.try_acquire("k").map(|permit| permit.remaining())
    };
    let error = ask().unwrap_err();
    assert!(matches!(error, Error::InAsync) && error.to_string().contains("spawn_blocking"), "{error}");
    let in_a_task = tokio::spawn(std::future::ready(()));
    in_a_task.await.unwrap();
    let in_a_task = tokio::spawn({
        let ask = ask.clone();
        async move { ask() }
    });
    assert!(matches!(in_a_task.await.unwrap(), Err(Error::InAsync)));
    let guard = {
        let locks = locks.clone();
        let acquire = move || locks.lock("l").try_acquire().unwrap().acquired().unwrap();
        tokio::task::spawn_blocking(acquire).await.unwrap()
    };
    assert_eq!(tokio::task::spawn_blocking(ask).await.unwrap().unwrap(), Some(9), "nothing was asked before");
    let error = guard.release().unwrap_err();
    assert!(matches!(error.error, Error::InAsync));
    drop(error); // which releases it, and does not block
    sluice_client::Locks::with_in_process(&server).close().await;
    let close = move || (locks.close().unwrap(), locks.lock("l").info().unwrap().is_none()).1;
    assert!(tokio::task::spawn_blocking(close).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_in_place_may_block_too() {
    let limiter = Limiter::in_process(Limit::per_hour(10));
    assert!(matches!(limiter.try_acquire("k"), Err(Error::InAsync)));
    let granted = tokio::task::block_in_place(|| limiter.try_acquire("k").unwrap().is_granted());
    assert!(granted);
}
