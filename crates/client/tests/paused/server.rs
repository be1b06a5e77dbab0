//! The module's grammar and decisions as a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Arg, Cmd, Pipeline, RedisFuture, RedisResult, Value, parse_redis_value};
use sluice_client::Source;
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names::{self, CommandName};
use sluice_core::grammar::ratelimit;
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Change, Mode, Reply, Verdict, Why};
use sluice_core::limit::give_back::{can_have_been, give_back};
use sluice_core::limit::state::State;
use sluice_core::limit::{codec, gcra, holding};
use sluice_core::time::{Millis, Nanos};
use tokio::time::{Instant, sleep};

const BOUNDS: Bounds =
    Bounds { max_wait: Millis::new(60_000).unwrap(), max_debt: Millis::new(3_600_000).unwrap() };

/// When the server was started, in unix ms.
const START_MS: u64 = 1_800_000_000_000;

#[derive(Clone)]
pub(crate) struct FakeServer(Arc<Mutex<Inside>>);

struct Inside {
    start: Instant,
    /// From the decision to the reply.
    latency: Duration,
    /// By how much its clock has been set forward.
    ahead: Duration,
    /// As the module stores them.
    keys: HashMap<Vec<u8>, Vec<u8>>,
    /// Each command that was executed, without its key and limits.
    log: Vec<String>,
}

impl FakeServer {
    pub(crate) fn new() -> Self {
        let (start, latency, ahead) = (Instant::now(), Duration::ZERO, Duration::ZERO);
        let (keys, log) = (HashMap::new(), Vec::new());
        Self(Arc::new(Mutex::new(Inside { start, latency, ahead, keys, log })))
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        self.0.lock().unwrap().latency = latency;
    }

    pub(crate) fn set_clock_forward(&self, time: Duration) {
        self.0.lock().unwrap().ahead = time;
    }

    /// What was executed: `ACQUIRE 1 0` (granted and wait), `RETURN 1 AT 500` (given, ms since the
    /// start), `HOLD 500` (held), `TURN 500 0` (told ago, left), an error's text.
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.lock().unwrap().log.clone()
    }

    pub(crate) fn returns(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with("RETURN")).collect()
    }

    pub(crate) fn questions(&self) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with("TURN")).collect()
    }
}

impl Inside {
    fn execute(&mut self, command: &Cmd) -> RedisResult<Value> {
        let words: Vec<&[u8]> = command
            .args_iter()
            .map(|arg| if let Arg::Simple(bytes) = arg { bytes } else { panic!("{arg:?}") })
            .collect();
        if words == [b"PING"] {
            return Ok(Value::SimpleString("PONG".to_owned()));
        }
        let name = *names::ALL.iter().find(|name| name.as_str().as_bytes() == words[0]).unwrap();
        let answer = self.answer(name, words[1], &words[2..]);
        let (value, line) = answer.map_err(|error| {
            let line = error.text(name).to_str().unwrap().to_owned();
            self.log.push(line.clone());
            let value = parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
            value.extract_error().unwrap_err()
        })?;
        self.log.push(line);
        Ok(value)
    }

    fn answer(
        &mut self,
        name: CommandName,
        key: &[u8],
        words: &[&[u8]],
    ) -> Result<(Value, String), CommandError> {
        let since_start = self.start.elapsed() + self.ahead;
        let now = Nanos(Nanos::from_millis(START_MS).0 + u64::try_from(since_start.as_nanos()).unwrap());
        let words = words.iter().copied();
        let mut state = self.keys.get(key).map_or_else(State::new, |stored| codec::decode(stored).unwrap());
        Ok(match name.as_str() {
            "RATELIMIT.ACQUIRE" => {
                let call = ratelimit::parse_acquire(words)?;
                let verdict = gcra::acquire(&call, &mut state, now, &BOUNDS);
                self.carry_out(key, verdict.change, &state);
                let line = format!("ACQUIRE {} {}", verdict.reply.granted, verdict.reply.wait_ms);
                (integers(&verdict, matches!(call.mode, Mode::Wait(_))), line)
            }
            "RATELIMIT.RETURN" => {
                let call = ratelimit::parse_return(words)?;
                if !can_have_been(call.why, now, &BOUNDS) {
                    return Err(CommandError::At);
                }
                let verdict = give_back(&call, &mut state, now, &BOUNDS);
                self.carry_out(key, verdict.change, &state);
                let turn = match call.why {
                    Why::Refund => String::new(),
                    Why::DueIn(due) => format!(" DUE {}", due.get()),
                    Why::ActAt(us) => format!(" AT {}", us / 1000 - START_MS),
                };
                (integers(&verdict, false), format!("RETURN {}{turn}", verdict.reply.granted))
            }
            "RATELIMIT.HOLD" => {
                let held = match ratelimit::parse_hold(words)? {
                    Some(time) => holding::hold(&mut state, now, time, &BOUNDS),
                    None => holding::release(&mut state, now, &BOUNDS),
                };
                self.carry_out(key, held.change, &state);
                (Value::Int(held.held_ms), format!("HOLD {}", held.held_ms))
            }
            "RATELIMIT.TURN" => {
                let told = ratelimit::parse_turn(words)?;
                let left = holding::turn_ms(&state, now, told);
                (Value::Int(left), format!("TURN {} {left}", told.get()))
            }
            other => panic!("{other}"),
        })
    }

    fn carry_out(&mut self, key: &[u8], change: Change, state: &State) {
        match change {
            Change::Keep => {}
            Change::Delete => _ = self.keys.remove(key),
            Change::Write | Change::WriteTimes => {
                let mut stored = vec![0; codec::encoded_len(state)];
                codec::encode(state, &mut stored);
                self.keys.insert(key.to_vec(), stored);
            }
        }
    }
}

fn integers(verdict: &Verdict, reservation: bool) -> Value {
    let Reply { granted, wait_ms, remaining, burst, reset_ms, index } = verdict.reply;
    let mut integers = vec![granted, wait_ms, remaining, burst, reset_ms, index];
    integers.extend(reservation.then_some(verdict.act_us));
    Value::Array(integers.into_iter().map(Value::Int).collect())
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
