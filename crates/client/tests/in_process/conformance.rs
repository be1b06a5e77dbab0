//! The cases that servers are held to, asked of the server in this process: by the client's own commands, and by the
//! commands as people write them.

use std::time::{Duration, UNIX_EPOCH};

use redis::{Cmd, Value};
use serde::Deserialize;
use serde_json::json;
use sluice_client::{InProcess, Limit, Limits, command};
use tokio::time::{Instant, advance};

use crate::ms;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance");

fn read<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(format!("{CASES}/{name}")).unwrap()).unwrap()
}

/// A server whose clock the steps of a case move.
struct Clocked {
    server: InProcess,
    start: Instant,
}

impl Clocked {
    fn new() -> Self {
        let server = InProcess::starting_at(UNIX_EPOCH + Duration::from_millis(1_900_000_000_000));
        Self { server, start: Instant::now() }
    }

    async fn ask(&self, at_ms: u64, command: &Cmd) -> Result<Value, redis::RedisError> {
        advance(ms(at_ms).saturating_sub(self.start.elapsed())).await;
        command.query_async(&mut self.server.clone()).await
    }
}

mod by_commands {
    use super::*;

    #[derive(Deserialize)]
    pub(super) struct File {
        pub(super) cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    pub(super) struct Case {
        pub(super) name: String,
        limits: Vec<One>,
        pub(super) steps: Vec<Step>,
    }

    #[derive(Deserialize)]
    struct One {
        count: u64,
        period_ms: u64,
        burst: u64,
    }

    #[derive(Deserialize)]
    pub(super) struct Step {
        pub(super) t_ms: u64,
        op: String,
        costs: Vec<u64>,
        mode: Option<String>,
        maxwait: Option<u64>,
        due: Option<u64>,
        pub(super) expect: Option<[i64; 6]>,
        pub(super) expect_granted: Option<i64>,
    }

    impl Case {
        /// As a program would send it.
        pub(super) fn command(&self, step: &Step) -> Cmd {
            let limits: Vec<Limit> = self
                .limits
                .iter()
                .map(|one| {
                    Limit::try_per(one.count, ms(one.period_ms)).unwrap().try_burst(one.burst).unwrap()
                })
                .collect();
            let limits = Limits::try_from(&limits[..]).unwrap().with_costs(&step.costs).unwrap();
            match (step.op.as_str(), step.mode.as_deref(), step.maxwait, step.due) {
                ("ACQUIRE", None, None, _) => command::ratelimit_acquire("k", limits),
                ("ACQUIRE", None, Some(max), _) => command::ratelimit_reserve("k", limits, ms(max)),
                ("ACQUIRE", Some("PARTIAL"), ..) => command::ratelimit_acquire_part("k", limits),
                ("ACQUIRE", Some("FORCE"), ..) => command::ratelimit_force("k", limits),
                ("PEEK", None, None, _) => command::ratelimit_peek("k", limits),
                ("RETURN", _, _, None) => command::ratelimit_refund("k", limits),
                ("RETURN", _, _, Some(due)) => command::ratelimit_give_up("k", limits, ms(due)),
                (op, mode, ..) => panic!("{op} {mode:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_clients_commands_are_answered_as_the_file_says() {
    let file: by_commands::File = read("ratelimit.json");
    assert!(file.cases.len() >= 15, "{} cases", file.cases.len());
    for case in &file.cases {
        let server = Clocked::new();
        for (n, step) in case.steps.iter().enumerate() {
            let reply = server.ask(step.t_ms, &case.command(step)).await.unwrap();
            let reply: Vec<i64> = redis::from_redis_value(reply).unwrap();
            let name = format!("{}, step {n}", case.name);
            if let Some(expect) = step.expect {
                assert_eq!(reply[..6], expect, "{name}");
            }
            if let Some(granted) = step.expect_granted {
                assert_eq!(reply[0], granted, "{name}");
            }
        }
    }
}

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    t_ms: u64,
    command: String,
    reply: serde_json::Value,
}

/// A case that writes strings or settings, or sets the clock back, is none for this server.
fn is_for_us(case: &Case) -> bool {
    case.steps.is_sorted_by_key(|step| step.t_ms)
        && !case
            .steps
            .iter()
            .any(|step| ["SET ", "CONFIG "].iter().any(|name| step.command.starts_with(name)))
}

/// A reply as the file writes it: maps where a server that speaks RESP2 sends pairs.
fn as_json(value: Value) -> serde_json::Value {
    match value {
        Value::Nil => json!(null),
        Value::Int(n) => json!(n),
        Value::BulkString(bytes) => json!(String::from_utf8(bytes).unwrap()),
        Value::Array(items) => match items.first() {
            Some(Value::BulkString(_)) => items
                .chunks(2)
                .map(|pair| (as_json(pair[0].clone()).as_str().unwrap().to_owned(), as_json(pair[1].clone())))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            _ => items.into_iter().map(as_json).collect(),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn commands_by_hand_are_answered_as_the_file_says() {
    let (file, mut steps) = (read::<File>("limits.json"), 0);
    for case in file.cases.iter().filter(|case| is_for_us(case)) {
        let server = Clocked::new();
        for (n, step) in (1..).zip(&case.steps) {
            let mut command = Cmd::new();
            step.command.split(' ').for_each(|word| _ = command.arg(word));
            if ["GET ", "EXISTS ", "PEXPIRETIME "].iter().any(|name| step.command.starts_with(name)) {
                continue; // how it is stored is the module's affair
            }
            let reply = match server.ask(step.t_ms, &command).await {
                Ok(reply) => as_json(reply),
                Err(error) => {
                    json!({ "error": format!("{} {}", error.code().unwrap(), error.detail().unwrap()) })
                }
            };
            // The file leaves the seventh integer of a reservation out.
            let reply = match reply {
                serde_json::Value::Array(items) if items.len() == 7 => items[..6].into(),
                other => other,
            };
            assert_eq!(reply, step.reply, "{}, step {n}: {}", case.name, step.command);
            steps += 1;
        }
    }
    assert!(steps > 200, "{steps} steps");
}
