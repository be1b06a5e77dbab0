//! Whoever waits for a lock and may not ask how it stands asks seldom.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, RedisResult, Value};
use sluice_client::{Attempt, Connect, InProcess, Locks};

/// A server that answers LOCK.INFO with something that this client does not understand.
#[derive(Clone)]
struct Silent {
    server: InProcess,
    answer: Value,
    asked: Arc<AtomicUsize>,
}

impl ConnectionLike for Silent {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        if command.args_iter().next() == Some(Arg::Simple(b"LOCK.INFO")) {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let answer = self.answer.clone();
            return Box::pin(async { Ok(answer) });
        }
        self.server.req_packed_command(command)
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

impl Connect for Silent {
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
        let server = Silent { server: InProcess::new(), answer, asked: Arc::default() };
        let lock = Locks::new(server.clone()).lock("l").ttl(Duration::from_secs(60));
        let guard = lock.try_acquire().await.unwrap().acquired().unwrap();
        let waited = lock.acquire(Duration::from_secs(20)).await.unwrap();
        assert!(matches!(waited, Attempt::Held { .. }));
        let asked = server.asked.load(Ordering::Relaxed);
        assert!(asked <= 20, "once a second, not {asked} times");
        drop(guard);
    }
}
