//! Every case of `tests/conformance/limits.json`, command by command: replies, stored strings and expiries.

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_testing::{Kind, Reply, Server, Setup, on_every_server, words};

on_every_server![every_case_is_answered_and_stored_as_written];

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
    t_ms: i64,
    command: String,
    reply: Value,
}

/// The instant that the cases count from.
const START_US: i64 = 1_900_000_000_000_000;

fn every_case_is_answered_and_stored_as_written(kind: Kind) {
    let (_, steps) = play(kind, include_str!("../../conformance/limits.json"), |_| true);
    assert!(steps > 300, "only {steps} steps");
}

/// How many cases of a file, and steps of them, have been played, each on an empty server.
pub(crate) fn play(kind: Kind, file: &str, which: impl Fn(&str) -> bool) -> (usize, usize) {
    play_on(Server::setup(kind), file, which)
}

/// The same on a server of one's own.
pub(crate) fn play_on(setup: Setup, file: &str, which: impl Fn(&str) -> bool) -> (usize, usize) {
    let file: File = serde_json::from_str(file).unwrap();
    let (mut cases, mut steps, mut wrong) = (0, 0, Vec::new());
    let server = setup.clock_us(START_US).start();
    let mut client = server.connect();
    for case in file.cases.iter().filter(|case| which(&case.name)) {
        cases += 1;
        server.set_clock_us(START_US);
        assert_eq!(client.ask("FLUSHALL"), Reply::Simple("OK".to_owned()));
        client.call(&["RATELIMIT.POLICY", "REPLACE", ""]).int();
        for (number, step) in (1..).zip(&case.steps) {
            steps += 1;
            // Servers keep a key through the very ms of its expiry, so that is asked a ms later.
            let later_ms = i64::from(step.command.starts_with("EXISTS"));
            server.set_clock_us(START_US + (step.t_ms + later_ms) * 1000);
            let reply = client.call(&words(&step.command));
            let (act, reply) = without_act(&step.command, as_json(&reply));
            if reply != step.reply {
                wrong.push(format!(
                    "{}, step {number}: {}\n    answered {reply}\n    and not  {}",
                    case.name, step.command, step.reply
                ));
            }
            if let Some(act_us) = act {
                // In these cases every instant is a whole ms; what a turn waits for need not be.
                let wait_ms = reply[1].as_i64().unwrap();
                let least = START_US + (step.t_ms + wait_ms - 1) * 1000;
                let granted = reply[0] == 1;
                assert!(
                    granted == (act_us > 0) && (!granted || (least..=least + 1000).contains(&act_us)),
                    "{act_us}"
                );
            }
        }
    }
    client.assert_in_step();
    assert!(wrong.is_empty(), "{} of {steps} steps went wrong:\n{}", wrong.len(), wrong.join("\n"));
    (cases, steps)
}

/// The cases show six integers; with MAXWAIT there is a seventh.
fn without_act(command: &str, mut reply: Value) -> (Option<i64>, Value) {
    let act = match (&mut reply, command.contains("MAXWAIT")) {
        (Value::Array(integers), true) if integers.len() == 7 => integers.pop(),
        _ => None,
    };
    (act.and_then(|act| act.as_i64()), reply)
}

/// What maps begin with.
const NAMES: [&[u8]; 3] = [b"count", b"held-ms", b"limits"];

fn as_json(reply: &Reply) -> Value {
    match reply {
        Reply::Null => Value::Null,
        Reply::Int(integer) => json!(integer),
        Reply::Bulk(bytes) => json!(String::from_utf8(bytes.clone()).unwrap()),
        Reply::Simple(text) => json!(text),
        Reply::Error(text) => json!({ "error": text }),
        // In RESP2 a map is a flat list of names and values.
        Reply::Array(items)
            if items.iter().any(|item| matches!(item, Reply::Bulk(name) if NAMES.contains(&&name[..]))) =>
        {
            let pairs = items.chunks(2).map(|pair| (pair[0].text().to_owned(), as_json(&pair[1])));
            Value::Object(pairs.collect())
        }
        Reply::Array(items) => items.iter().map(as_json).collect(),
        other => panic!("{other:?}"),
    }
}
