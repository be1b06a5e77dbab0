//! The server in this process, with a log, a way to it that takes time, and its clock in the test's hand.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, RedisResult, Value, from_redis_value};
use sluice_client::{InProcess, Source};
use tokio::time::sleep;

/// When the server was started, in unix ms.
const START_MS: u64 = 1_800_000_000_000;

#[derive(Clone)]
pub(crate) struct FakeServer {
    server: InProcess,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    /// From the command to the decision.
    way: Duration,
    /// From the decision to the reply.
    latency: Duration,
    /// Each command that was executed, without its key and limits.
    log: Vec<String>,
}

impl FakeServer {
    pub(crate) fn new() -> Self {
        let server = InProcess::starting_at(UNIX_EPOCH + Duration::from_millis(START_MS));
        Self { server, inside: Arc::default() }
    }

    pub(crate) fn set_way(&self, way: Duration) {
        self.inside.lock().unwrap().way = way;
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.inside.lock().unwrap().latency = latency;
    }

    pub(crate) fn set_clock_forward(&self, time: Duration) {
        self.server.set_clock_forward(time);
    }

    /// What was executed: `ACQUIRE 1 0` (granted and wait), `RETURN 1 AT 500` (given, ms since the
    /// start), `HOLD 500` (held), `TURN 500 0` (told ago, left), an error's text.
    pub(crate) fn log(&self) -> Vec<String> {
        self.inside.lock().unwrap().log.clone()
    }

    pub(crate) fn returns(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with("RETURN")).collect()
    }

    pub(crate) fn questions(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with("TURN")).collect()
    }
}

/// One line of the log; none for a PING.
fn line(command: &Cmd, reply: RedisResult<Value>) -> Option<String> {
    let words: Vec<String> = command
        .args_iter()
        .map(|arg| if let Arg::Simple(bytes) = arg { bytes } else { panic!("{arg:?}") })
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    let (_, name) = words[0].split_once('.')?;
    let reply = match reply.and_then(Value::extract_error) {
        Ok(reply) => reply,
        Err(error) => return Some(format!("{} {}", error.code().unwrap(), error.detail().unwrap())),
    };
    let integers: Vec<i64> = match reply {
        Value::Int(n) => vec![n],
        array => from_redis_value(array).unwrap(),
    };
    Some(match (name, &words[..]) {
        ("ACQUIRE", _) => format!("ACQUIRE {} {}", integers[0], integers[1]),
        ("RETURN", [.., at, us]) if at == "AT" => {
            format!("RETURN {} AT {}", integers[0], us.parse::<u64>().unwrap() / 1000 - START_MS)
        }
        ("TURN", [.., told]) => format!("TURN {told} {}", integers[0]),
        (name, _) => format!("{name} {}", integers[0]),
    })
}

impl ConnectionLike for FakeServer {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let way = self.inside.lock().unwrap().way;
            if !way.is_zero() {
                sleep(way).await;
            }
            let reply = self.server.req_packed_command(command).await;
            let latency = {
                let mut inside = self.inside.lock().unwrap();
                inside.log.extend(line(command, reply.clone()));
                inside.latency
            };
            if !latency.is_zero() {
                sleep(latency).await;
            }
            reply
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        _: &'a Pipeline,
        _: usize,
        _: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        panic!("the limiter sends no pipelines")
    }

    fn get_db(&self) -> i64 {
        0
    }
}

impl Source for FakeServer {
    type Connection = Self;

    const SENDS_AT_ONCE: bool = true;

    async fn connection(&self) -> RedisResult<Self> {
        Ok(self.clone())
    }
}
