//! Every call of `tests/conformance/throttle.json` and `throttle-edges.json`, which redis-cell has answered. Servers are held
//! to them too.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};
use sluice_core::grammar::{names, throttle as grammar};
use sluice_core::throttle::{Change, decode, throttle};
use sluice_core::time::Nanos;

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
    reply: Value,
}

#[test]
fn every_call_is_answered_as_redis_cell_has_answered_it() {
    const START_MS: u64 = 1_900_000_000_000;
    let mut calls = 0;
    for file in ["throttle", "throttle-edges"] {
        let path = format!("{}/../../tests/conformance/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in file.cases {
            let mut keys = HashMap::new();
            for step in case.steps {
                let words: Vec<_> = step.command.split(' ').collect();
                match words[..] {
                    ["CL.THROTTLE", ref rest @ ..] => {
                        calls += 1;
                        let now = Nanos::from_millis(START_MS + step.t_ms);
                        assert_eq!(answer(rest, &mut keys, now), step.reply, "{}: {words:?}", case.name);
                    }
                    ["SET", key, value] => {
                        _ = keys.insert(key.to_owned(), (decode(value.as_bytes()).unwrap(), u64::MAX))
                    }
                    ["GET", key] => assert_eq!(keys[key].0.to_string(), step.reply),
                    ["PTTL", key] if keys[key].1 == u64::MAX => assert_eq!(-1, step.reply),
                    ["PTTL", key] => assert_eq!(keys[key].1 - START_MS - step.t_ms, step.reply),
                    // Asked a ms later, as on servers.
                    ["EXISTS", key] => {
                        let is_there = keys.get(key).is_some_and(|(_, at)| *at > START_MS + step.t_ms);
                        assert_eq!(i32::from(is_there), step.reply);
                    }
                    _ => panic!("{words:?}"),
                }
            }
        }
    }
    assert!(calls > 90, "only {calls}");
}

/// On keys that hold a time and expire in the ms behind their expiry.
fn answer(words: &[&str], keys: &mut HashMap<String, (u64, u64)>, now: Nanos) -> Value {
    keys.retain(|_, (_, expires_at_ms)| *expires_at_ms >= now.as_millis());
    let key = words.first().copied().unwrap_or_default();
    let call = grammar::parse(words.iter().skip(1).map(|word| word.as_bytes()));
    let stored = keys.get(key).map(|(tat, _)| *tat);
    let decided = call.and_then(|call| throttle(&call, stored, now).map_err(Into::into));
    match decided {
        Ok((reply, change)) => {
            if let Change::Write { tat, expires_at_ms } = change {
                keys.insert(key.to_owned(), (tat, expires_at_ms));
            }
            json!(reply.integers())
        }
        Err(error) => json!({ "error": error.text(names::CL_THROTTLE).to_str().unwrap() }),
    }
}
