//! Every step of every case of `tests/conformance/ratelimit.json`, which the servers are held to
//! as well.

use serde::Deserialize;
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Acquire, Clause, GiveBack, Mode, Reply, Why};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{Millis, NS_PER_MS, Nanos};

use crate::key::Key;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    limits: Vec<Limit>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Limit {
    count: u64,
    period_ms: u64,
    burst: u64,
}

#[derive(Deserialize)]
struct Step {
    t_ms: u64,
    op: String,
    costs: Vec<u64>,
    mode: Option<String>,
    maxwait: Option<u64>,
    due: Option<u64>,
    expect: Option<[i64; 6]>,
    expect_granted: Option<i64>,
}

#[test]
fn every_step_is_answered_as_the_conformance_file_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/ratelimit.json");
    let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(file.cases.len() >= 15, "{} cases", file.cases.len());
    for case in &file.cases {
        let ms = |ms| Millis::new(ms).unwrap();
        let mut key = Key::new(Bounds { max_wait: ms(60_000), max_debt: ms(3_600_000) });
        for (n, step) in case.steps.iter().enumerate() {
            let reply = step.answer(&case.limits, &mut key);
            let name = format!("{}, step {n}", case.name);
            assert_eq!(
                Some(fields(&reply)),
                step.expect.or(step.expect_granted.map(|_| fields(&reply))),
                "{name}"
            );
            assert_eq!(
                Some(reply.granted),
                step.expect_granted.or(step.expect.map(|expect| expect[0])),
                "{name}"
            );
        }
    }
}

impl Step {
    fn answer(&self, limits: &[Limit], key: &mut Key) -> Reply {
        let now = Nanos(1_795_640_112_000_000_000 + self.t_ms * NS_PER_MS);
        let clause = |(limit, cost): (&Limit, &u64)| {
            let period = Millis::new(limit.period_ms).unwrap();
            Clause { quota: Quota::new(limit.count, period, limit.burst).unwrap(), cost: *cost }
        };
        let clauses = limits.iter().zip(&self.costs).map(clause).collect();
        let mode = match (self.mode.as_deref(), self.maxwait) {
            (None, None) => Mode::Plain,
            (None, Some(ms)) => Mode::Wait(Millis::new(ms).unwrap()),
            (Some("PARTIAL"), None) => Mode::Partial,
            (Some("FORCE"), None) => Mode::Force,
            other => panic!("{other:?} is no mode"),
        };
        let verdict = match self.op.as_str() {
            "ACQUIRE" => key.acquire(&Acquire { clauses, mode }, now),
            "PEEK" => key.peek(&Acquire { clauses, mode }, now),
            "RETURN" => {
                let due = |ms| Why::DueIn(Millis::new(ms).unwrap());
                key.give_back(&GiveBack { clauses, why: self.due.map_or(Why::Refund, due) }, now)
            }
            other => panic!("{other} is no command"),
        };
        verdict.reply
    }
}

fn fields(reply: &Reply) -> [i64; 6] {
    [reply.granted, reply.wait_ms, reply.remaining, reply.burst, reply.reset_ms, reply.index]
}
