//! Every case of `tests/conformance/ratelimit.json`, step by step, under a clock that stands where the case
//! says.
//!
//! The harness's own clock works on Redis 7.0.15 too, which hangs under libfaketime: so all four servers are
//! held to it.

use serde::Deserialize;

use crate::limiter::six;
use sluice_testing::{Client, Kind, Server, on_every_server};

on_every_server![every_case_is_answered_as_written, a_peek_before_each_step_tells_its_answer];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conformance {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(rename = "origin")]
    _origin: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    limits: Vec<Limit>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    count: u64,
    period_ms: u64,
    burst: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    t_ms: i64,
    op: String,
    costs: Vec<u64>,
    mode: Option<String>,
    maxwait: Option<u64>,
    due: Option<u64>,
    expect: Option<[i64; 6]>,
    expect_granted: Option<i64>,
}

/// Not on a whole millisecond, nor second: a case must not depend on when it starts.
const START_US: i64 = 1_800_000_000_123_457;
const DAY_US: i64 = 86_400_000_000;

fn every_case_is_answered_as_written(kind: Kind) {
    let (mut steps, mut wrong) = (0, Vec::new());
    play(kind, |case, number, step, line, client| {
        steps += 1;
        let reply = six(client, line);
        let as_written = match (step.expect, step.expect_granted) {
            (Some(all), None) => reply == all,
            (None, Some(granted)) => reply[0] == granted,
            _ => panic!("{}, step {number}: one expectation a step", case.name),
        };
        if !as_written {
            let expected =
                step.expect.map_or_else(|| format!("{:?}", step.expect_granted), |e| format!("{e:?}"));
            wrong.push(format!(
                "{}, step {number}: {line}\n    answered {reply:?}, not {expected}",
                case.name
            ));
        }
    });
    assert!(steps > 100, "the file has more than {steps} steps");
    assert!(wrong.is_empty(), "{} of {steps} steps went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn a_peek_before_each_step_tells_its_answer(kind: Kind) {
    play(kind, |case, number, step, line, client| {
        let foretold = (step.op == "ACQUIRE").then(|| client.ask(&line.replacen("ACQUIRE", "PEEK", 1)));
        let reply = client.ask(line);
        assert_eq!(foretold.as_ref().unwrap_or(&reply), &reply, "{}, step {number}: {line}", case.name);
    });
}

/// Plays all cases on one server, each on its own day and its own key.
fn play(kind: Kind, mut each: impl FnMut(&Case, usize, &Step, &str, &mut Client)) {
    let file: Conformance = serde_json::from_str(include_str!("../../conformance/ratelimit.json")).unwrap();
    let server = Server::setup(kind).clock_us(START_US).start();
    let mut client = server.connect();
    for (day, case) in (0..).zip(&file.cases) {
        for (number, step) in (1..).zip(&case.steps) {
            server.set_clock_us(START_US + day * DAY_US + step.t_ms * 1000);
            each(case, number, step, &step.command(&format!("case-{day}"), &case.limits), &mut client);
        }
    }
    client.assert_in_step();
}

impl Step {
    fn command(&self, key: &str, limits: &[Limit]) -> String {
        assert_eq!(self.costs.len(), limits.len(), "a cost for each limit");
        let mut words = vec![format!("RATELIMIT.{} {key}", self.op)];
        for (Limit { count, period_ms, burst }, cost) in limits.iter().zip(&self.costs) {
            words.push(format!("LIMIT {count} PX {period_ms} BURST {burst} COST {cost}"));
        }
        words.extend(self.mode.clone());
        words.extend(self.maxwait.map(|ms| format!("MAXWAIT {ms}")));
        words.extend(self.due.map(|ms| format!("DUE {ms}")));
        words.join(" ")
    }
}
