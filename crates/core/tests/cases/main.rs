//! Every case of `tests/conformance/limits.json`: the commands as a server gets them, its replies, and what it stores.
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
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/limits.json");
    let file: File = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (mut steps, mut wrong) = (0, Vec::new());
    for case in &file.cases {
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
    assert!(steps > 300, "only {steps} steps");
    assert!(wrong.is_empty(), "{} of {steps} steps went wrong:\n{}", wrong.len(), wrong.join("\n"));
}
