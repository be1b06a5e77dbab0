//! Guards of code that blocks, dropped where nobody would think of it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, RedisResult, Value};
use sluice_client::sync::{Guard, Locks};
use sluice_client::{Connect, InProcess};
use tokio::sync::Semaphore;

/// Longer than any test.
const LONG: Duration = Duration::from_secs(600);

/// A server to which no release of the lock `slow` comes before it is let through.
#[derive(Clone)]
struct Gated {
    server: InProcess,
    gate: Arc<Semaphore>,
    /// Such a release is on its way.
    under_way: mpsc::Sender<()>,
}

impl ConnectionLike for Gated {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let words: Vec<Arg<&[u8]>> = command.args_iter().take(2).collect();
            if words == [Arg::Simple(&b"LOCK.RELEASE"[..]), Arg::Simple(b"slow")] {
                self.under_way.send(()).unwrap();
                drop(self.gate.acquire().await);
            }
            self.server.req_packed_command(command).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        panic!("locks send no pipelines")
    }

    fn get_db(&self) -> i64 {
        0
    }
}

impl Connect for Gated {
    type Connection = Self;

    async fn connect(&self) -> RedisResult<Self> {
        Ok(self.clone())
    }
}

#[test]
fn a_guard_that_is_dropped_waits_for_its_own_release_and_no_other() {
    let (under_way, is_under_way) = mpsc::channel();
    let gate = Arc::new(Semaphore::new(0));
    let server = Gated { server: InProcess::new(), gate: Arc::clone(&gate), under_way };
    let locks = Locks::with_deadline(server, LONG);
    let acquire = |key: &str| locks.lock(key).try_acquire().unwrap().acquired().unwrap();
    let (slow, fast) = (acquire("slow"), acquire("fast"));
    let (slow_gone, fast_gone) = (mpsc::channel(), mpsc::channel());
    let dropping = |guard: Guard<Gated>, gone: mpsc::Sender<()>| {
        thread::spawn(move || {
            drop(guard);
            gone.send(()).unwrap();
        })
    };
    let first = dropping(slow, slow_gone.0);
    is_under_way.recv().unwrap();
    let second = dropping(fast, fast_gone.0);
    let fast_is_gone = fast_gone.1.recv_timeout(Duration::from_secs(20));
    assert!(slow_gone.1.try_recv().is_err(), "that one waits for its release");
    gate.add_permits(1);
    for thread in [first, second] {
        thread.join().unwrap();
    }
    assert!(fast_is_gone.is_ok());
    assert_eq!(locks.lock("slow").info().unwrap(), None);
}

thread_local! {
    static KEPT: RefCell<Option<Guard>> = const { RefCell::new(None) };
}

/// What a thread keeps for itself is dropped when hardly anything of the thread is left, and a panic there would end
/// the process.
#[test]
fn a_guard_that_ends_with_its_thread_is_released() {
    let locks = Locks::in_process();
    let lock = locks.lock("l").ttl(LONG);
    let keeps = {
        let lock = lock.clone();
        move || KEPT.with_borrow_mut(|kept| *kept = lock.try_acquire().unwrap().acquired())
    };
    thread::spawn(keeps).join().unwrap();
    assert!(lock.acquire(Duration::from_secs(60)).unwrap().acquired().is_some());
}
