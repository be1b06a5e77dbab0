//! Whoever waits for a lock asks now and then how it stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, RedisResult, Value};
use sluice_client::{Attempt, Connect, InProcess, Locks};
use tokio::time::sleep;

use crate::turns::ms;

/// A server whose answers are not what is expected, or not as soon.
#[derive(Clone)]
struct Odd {
    server: InProcess,
    /// What it answers to LOCK.INFO, if not the truth.
    answer: Option<Value>,
    /// How long the answer to one that has waited takes.
    late: Duration,
    /// How often it was asked LOCK.INFO.
    asked: Arc<AtomicUsize>,
    /// How often it was asked LOCK.EXTEND.
    extended: Arc<AtomicUsize>,
}

impl Odd {
    fn new(answer: Option<Value>, late: Duration) -> Self {
        let server = InProcess::new();
        Self { server, answer, late, asked: Arc::default(), extended: Arc::default() }
    }
}

impl ConnectionLike for Odd {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let Some(Arg::Simple(name)) = command.args_iter().next() else { panic!("no command") };
            let (is_info, is_acquire) = (name == b"LOCK.INFO", name == b"LOCK.ACQUIRE");
            self.asked.fetch_add(usize::from(is_info), Ordering::Relaxed);
            self.extended.fetch_add(usize::from(name == b"LOCK.EXTEND"), Ordering::Relaxed);
            if let Some(answer) = self.answer.clone().filter(|_| is_info) {
                return Ok(answer);
            }
            let answer = self.server.req_packed_command(command).await;
            if is_acquire {
                sleep(self.late).await;
            }
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.server.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        0
    }
}

impl Connect for Odd {
    type Connection = Self;

    async fn connect(&self) -> RedisResult<Self> {
        Ok(self.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_tell_how_a_lock_stands_is_asked_as_seldom_as_one_that_does() {
    let forbidden = redis::parse_redis_value(b"-NOPERM no permissions to run this command\r\n").unwrap();
    let text = |text: &str| Value::BulkString(text.into());
    let older = Value::Array(vec![text("holders"), Value::Array(vec![]), text("waiters"), Value::Int(1)]);
    for answer in [forbidden, older] {
        let server = Odd::new(Some(answer), Duration::ZERO);
        let lock = Locks::new(server.clone()).lock("l").ttl(Duration::from_secs(60));
        let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
        let waited = lock.acquire(Duration::from_secs(20)).await.unwrap();
        assert!(matches!(waited, Attempt::Held { .. }));
        let asked = server.asked.load(Ordering::Relaxed);
        assert!(asked <= 20, "once a second, not {asked} times");
        drop(guard);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_on_its_way_when_the_lock_is_looked_at_is_no_connection_that_hangs() {
    let server = Odd::new(None, ms(20));
    let lock = Locks::new(server.clone()).lock("l").ttl(Duration::from_secs(60));
    let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    let waiting = tokio::spawn(async move { lock.acquire(Duration::from_secs(20)).await });
    sleep(ms(1990)).await; // it is looked at each second
    assert!(guard.release().await.unwrap());
    assert!(waiting.await.unwrap().unwrap().acquired().is_some());
    assert_eq!(server.extended.load(Ordering::Relaxed), 0, "nobody had to ask whether it was granted");
}
