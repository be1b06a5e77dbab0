//! What the server can tell of the commands on policies: what each is and takes, and what a client of a cluster does with it.

use sluice_testing::{Kind, Server, on_every_server};

use crate::shared::documented::{assert_documented, docs, get, set, texts};
use crate::shared::permissions::has_categories;

on_every_server![each_command_declares_what_it_does, each_command_is_documented];

const LIMITS: &str = "{LIMIT count <EX seconds | PX milliseconds> [<BURST burst | STRICT | ALIGN align-seconds>] \
                      [COST cost]}...";

/// Name, arity, whether it changes policies, and its words as `docs` writes them.
fn commands() -> [(&'static str, i64, bool, String); 5] {
    [
        ("set", -3, true, format!("name {LIMITS} [SHADOW]")),
        ("del", -3, true, "name...".to_owned()),
        ("replace", 3, true, "text".to_owned()),
        ("list", 2, false, String::new()),
        ("get", 3, false, "name".to_owned()),
    ]
}

fn each_command_declares_what_it_does(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, arity, changes, _) in commands() {
        let full = format!("ratelimit.policy|{name}");
        let info = client.call(&["COMMAND", "INFO", &full]);
        let info = info.array()[0].array();
        assert_eq!((info[0].text(), info[1].int()), (full.as_str(), arity));
        let flags = match (changes, name) {
            (true, _) => "write module admin",
            (false, "get") => "readonly module fast",
            (false, _) => "readonly module",
        };
        assert_eq!(texts(&info[2]), set(flags), "{name}");
        assert_eq!((info[3].int(), info[4].int(), info[5].int()), (0, 0, 0), "{name} has no keys");
        let categories = match (changes, name) {
            (true, _) => "@admin @dangerous",
            (false, "get") => "@read @fast @ratelimit",
            (false, _) => "@read @slow @ratelimit",
        };
        assert_eq!(texts(&info[6]), set(if has_categories(kind) { categories } else { "" }), "{name}");
        // A node has a table of its own: a change is for all of them.
        let tips = if changes { "request_policy:all_shards response_policy:all_succeeded" } else { "" };
        assert_eq!(texts(&info[7]), set(tips), "{name}");
        assert!(info[8].array().is_empty(), "{name} has no keys");
    }
    let container = client.call(&["COMMAND", "INFO", "ratelimit.policy"]);
    let container = container.array()[0].array();
    assert_eq!((container[1].int(), container[9].array().len()), (-2, 5));
    assert!(texts(&container[6]).is_empty(), "whoever may call it may call all of them");
}

fn each_command_is_documented(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, _, _, words) in commands() {
        let full = format!("ratelimit.policy|{name}");
        if words.is_empty() {
            let docs = docs(&mut client, &full);
            assert_eq!(get(&docs, "since").text(), "0.2.0");
            assert!(docs.iter().all(|(field, _)| field.text() != "arguments"), "{docs:?}");
        } else {
            assert_documented(&mut client, &full, "0.2.0", &words);
        }
    }
}
