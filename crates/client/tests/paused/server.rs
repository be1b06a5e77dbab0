//! The module's grammar and decisions as a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, Value};
use sluice_core::grammar::ratelimit;
use sluice_core::limit::call::{Buckets, Change, Reply};
use sluice_core::limit::gcra;
use sluice_core::time::{Millis, Nanos};
use tokio::time::{Instant, sleep};

const MAX_WAIT: Millis = Millis::new(60_000).unwrap();

#[derive(Clone)]
pub(crate) struct FakeServer(Arc<Mutex<State>>);

struct State {
    start: Instant,
    /// From the decision to the reply.
    latency: Duration,
    keys: HashMap<Vec<u8>, Buckets>,
    /// Each command that was executed, without its key and limits.
    log: Vec<String>,
}

impl FakeServer {
    pub(crate) fn new() -> Self {
        let (start, latency) = (Instant::now(), Duration::ZERO);
        Self(Arc::new(Mutex::new(State { start, latency, keys: HashMap::new(), log: Vec::new() })))
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.0.lock().unwrap().latency = latency;
    }

    /// What was executed: `ACQUIRE 1 0` (granted and wait), `RETURN 1 DUE 500`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.lock().unwrap().log.clone()
    }

    pub(crate) fn returns(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with("RETURN")).collect()
    }
}

impl State {
    fn execute(&mut self, command: &Cmd) -> Value {
        let words: Vec<&[u8]> = command
            .args_iter()
            .map(|arg| if let Arg::Simple(bytes) = arg { bytes } else { panic!("{arg:?}") })
            .collect();
        let now = Nanos(1_800_000_000_000_000_000 + u64::try_from(self.start.elapsed().as_nanos()).unwrap());
        let buckets = self.keys.entry(words[1].to_vec()).or_default();
        let behind = words[2..].iter().copied();
        let (verdict, line) = match words[0] {
            b"RATELIMIT.ACQUIRE" => {
                let call = ratelimit::parse_acquire(behind).unwrap();
                let verdict = gcra::acquire(&call, buckets, now, MAX_WAIT);
                (verdict, format!("ACQUIRE {} {}", verdict.reply.granted, verdict.reply.wait_ms))
            }
            b"RATELIMIT.RETURN" => {
                let call = ratelimit::parse_return(behind).unwrap();
                let verdict = gcra::give_back(&call, buckets, now, MAX_WAIT);
                let due = call.due.map_or(String::new(), |due| format!(" DUE {}", due.get()));
                (verdict, format!("RETURN {}{due}", verdict.reply.granted))
            }
            other => panic!("{}", other.escape_ascii()),
        };
        if verdict.change == Change::Delete {
            self.keys.remove(words[1]);
        }
        self.log.push(line);
        let Reply { granted, wait_ms, remaining, burst, reset_ms, index } = verdict.reply;
        Value::Array([granted, wait_ms, remaining, burst, reset_ms, index].map(Value::Int).to_vec())
    }
}

impl ConnectionLike for FakeServer {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let (reply, latency) = {
                let mut state = self.0.lock().unwrap();
                (state.execute(command), state.latency)
            };
            if !latency.is_zero() {
                sleep(latency).await;
            }
            Ok(reply)
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
