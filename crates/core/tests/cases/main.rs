//! Every case of `tests/conformance/limits.json` and `policies.json`: the commands as a server gets them, its replies,
//! and what it stores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says where"
)]

mod server;

use serde::Deserialize;
use serde_json::Value;
use server::Server;

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

/// The instant that the cases count from, in unix ms.
const START_MS: u64 = 1_900_000_000_000;

#[test]
fn every_step_is_answered_and_stored_as_the_file_says() {
    let (_, steps) = play("limits.json", |_| true);
    assert!(steps > 300, "only {steps} steps");
}

/// The file also has cases of commands that there are not yet.
#[test]
fn every_step_on_policies_is_answered_and_stored_as_the_file_says() {
    let (cases, steps) = play("policies.json", |name| name.starts_with("policies"));
    assert!(cases == 4 && steps > 35, "only {steps} steps of {cases} cases");
}

/// How many cases, and steps of them, have been played.
fn play(name: &str, which: impl Fn(&str) -> bool) -> (usize, usize) {
    let path = format!("{}/../../tests/conformance/{name}", env!("CARGO_MANIFEST_DIR"));
    let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut cases, mut steps, mut wrong) = (0, 0, Vec::new());
    for case in file.cases.iter().filter(|case| which(&case.name)) {
        cases += 1;
        let mut server = Server::new();
        for (number, step) in (1..).zip(&case.steps) {
            steps += 1;
            let reply = server.answer(&step.command, START_MS + step.t_ms);
            if reply != step.reply {
                wrong.push(format!(
                    "{}, step {number}: {}\n    answered {reply}\n    and not  {}",
                    case.name, step.command, step.reply
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {steps} steps went wrong:\n{}", wrong.len(), wrong.join("\n"));
    (cases, steps)
}

/// What the first integer of the reply is.
fn granted(server: &mut Server, command: &str, t_ms: u64) -> i64 {
    server.answer(command, START_MS + t_ms)[0].as_i64().unwrap()
}

#[test]
fn a_turn_is_given_up_by_its_act_once_and_before_it_comes() {
    let mut server = Server::new();
    for wait_ms in [0, 1000, 2000] {
        let reply = server.answer("RATELIMIT.ACQUIRE k LIMIT 1 EX 1 MAXWAIT 5000", START_MS);
        assert_eq!(reply[1], wait_ms);
    }
    let give_up = |act_ms: u64| format!("RATELIMIT.RETURN k LIMIT 1 EX 1 AT {}", (START_MS + act_ms) * 1000);
    assert_eq!(granted(&mut server, &give_up(5000), 0), 0, "nobody's");
    assert_eq!(granted(&mut server, &give_up(2000), 0), 1);
    assert_eq!(granted(&mut server, &give_up(2000), 0), 0, "a second time");
    assert_eq!(granted(&mut server, &give_up(1000), 1001), 0, "it has come");
    assert_eq!(granted(&mut server, "RATELIMIT.ACQUIRE k LIMIT 1 EX 1", 1999), 0);
}

#[test]
fn what_time_has_given_back_no_turn_gives_back_again() {
    let mut server = Server::new();
    let two = "RATELIMIT.ACQUIRE k LIMIT 4 EX 4 COST 2";
    assert_eq!(granted(&mut server, &format!("{two} MAXWAIT 0"), 0), 1);
    assert_eq!(granted(&mut server, two, 1900), 1);
    let give_up = format!("RATELIMIT.RETURN k LIMIT 4 EX 4 COST 2 AT {}", START_MS * 1000);
    assert_eq!(granted(&mut server, &give_up, 1900), 0);
    assert_eq!(granted(&mut server, "RATELIMIT.ACQUIRE k LIMIT 4 EX 4 COST 4", 2000), 0);
}

#[test]
fn a_limit_survives_the_longest_hold() {
    let mut server = Server::new();
    let century = "LIMIT 1 EX 3155760000";
    for _ in 0..2 {
        assert_eq!(granted(&mut server, &format!("RATELIMIT.ACQUIRE k {century} FORCE"), 0), 1);
    }
    granted(&mut server, "RATELIMIT.ACQUIRE k LIMIT 5 EX 3155760000", 0);
    server.answer("RATELIMIT.HOLD k EX 3155760000", START_MS);
    server.answer("RATELIMIT.HOLD k OFF", START_MS);
    let stored = server.answer("GET k", START_MS);
    assert!(stored.as_str().unwrap().contains(":1/3155760000000:1"), "{stored}");
}
