//! What the server can tell of the module: what each command is, takes and touches.

use sluice_testing::{Kind, Reply, Server, on_every_server};

use crate::shared::NOON_MS;
use crate::shared::documented::{assert_documented, assert_key_is_told, docs, find, get, set, texts};
use crate::shared::permissions::has_categories;

on_every_server![
    each_command_declares_what_it_does,
    each_command_is_documented,
    what_the_docs_say_is_what_is_understood,
    each_command_tells_its_key,
];

/// Name, arity, whether it writes, and its words as `docs` writes them.
const COMMANDS: [(&str, i64, bool, &str); 6] = [
    ("ratelimit.acquire", -3, true, ACQUIRE_WORDS),
    ("ratelimit.peek", -3, false, ACQUIRE_WORDS),
    (
        "ratelimit.return",
        -3,
        true,
        "key <{LIMIT count <EX seconds | PX milliseconds> [<BURST burst | STRICT | ALIGN align-seconds>] \
         [COST cost]}... | {@policy [COST cost...]}> [<DUE due-ms | AT act-us>]",
    ),
    ("ratelimit.info", 2, false, "key"),
    ("ratelimit.hold", -3, true, "key <EX seconds | PX milliseconds | OFF>"),
    ("ratelimit.turn", 3, false, "key told-ms-ago"),
];
/// Those that 0.1.0 did not have.
const NEW: [&str; 2] = ["ratelimit.hold", "ratelimit.turn"];

const ACQUIRE_WORDS: &str = "key <{LIMIT count <EX seconds | PX milliseconds> \
                             [<BURST burst | STRICT | ALIGN align-seconds>] [COST cost]}... \
                             | {@policy [COST cost...]}> \
                             [<PARTIAL | FORCE | MAXWAIT max-wait-ms>]";

fn each_command_declares_what_it_does(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, arity, writes, _) in COMMANDS {
        let info = client.call(&["COMMAND", "INFO", name]);
        let info = info.array()[0].array();
        assert_eq!((info[0].text(), info[1].int()), (name, arity));
        // No denyoom: what exists is updated when memory is full. No movablekeys: the key stands where it says.
        assert_eq!(
            texts(&info[2]),
            set(if writes { "write module fast" } else { "readonly module fast" }),
            "{name}"
        );
        assert_eq!((info[3].int(), info[4].int(), info[5].int()), (1, 1, 1), "{name}");
        let categories = if writes { "@ratelimit @fast @write" } else { "@ratelimit @fast @read" };
        assert_eq!(texts(&info[6]), set(if has_categories(kind) { categories } else { "" }), "{name}");
        assert!(
            info[7].array().is_empty() && info[9].array().is_empty(),
            "neither tips nor subcommands: {info:?}"
        );
    }
    let all = client.ask("COMMAND LIST FILTERBY MODULE sluice");
    let others = ["lock.", "ratelimit.policy", "ratelimit.top"];
    let is_other = |name: &String| others.iter().any(|other| name.starts_with(other));
    let limiters = texts(&all).into_iter().filter(|name| !is_other(name));
    assert!(limiters.eq(set(&COMMANDS.map(|(name, ..)| name).join(" "))), "{all:?}");
}

fn each_command_is_documented(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, _, _, words) in COMMANDS {
        let since = if NEW.contains(&name) { "0.2.0" } else { "0.1.0" };
        assert_documented(&mut client, name, since, words);
    }
}

fn what_the_docs_say_is_what_is_understood(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("RATELIMIT.POLICY SET p LIMIT 9 EX 1 LIMIT 8 EX 1").int();
    for (name, ..) in COMMANDS {
        let docs = docs(&mut client, name);
        for with_optional in [false, true] {
            // Take the first alternative of every choice, then the second, then the third.
            for choice in 0..3 {
                let mut line = vec![name.to_owned()];
                for arg in get(&docs, "arguments").array() {
                    write_out(arg, with_optional, choice, &mut line);
                }
                let reply = client.call(&line);
                assert!(!matches!(reply, Reply::Error(_)), "{line:?}: {reply:?}");
            }
        }
    }
}

fn each_command_tells_its_key(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, _, writes, _) in COMMANDS {
        let words: &[&str] = match name {
            "ratelimit.info" => &[],
            "ratelimit.hold" => &["PX", "1"],
            "ratelimit.turn" => &["1"],
            _ => &["LIMIT", "1", "EX", "1"],
        };
        assert_key_is_told(&mut client, name, words, writes);
    }
}

/// An argument as a caller who knows nothing but the docs would write it.
fn write_out(arg: &Reply, with_optional: bool, choice: usize, line: &mut Vec<String>) {
    let arg = arg.pairs();
    let flags = find(&arg, "flags").map(texts).unwrap_or_default();
    if flags.contains("optional") && !with_optional {
        return;
    }
    let times = if flags.contains("multiple") && with_optional { 2 } else { 1 };
    line.extend(find(&arg, "token").map(|token| token.text().to_owned()));
    for _ in 0..times {
        let parts = find(&arg, "arguments").map(|parts| parts.array()).unwrap_or_default();
        match get(&arg, "type").text() {
            "key" => line.push("k".to_owned()),
            "string" => line.push("@p".to_owned()),
            // An act has to be one that there can have been.
            "integer" if get(&arg, "name").text() == "act-us" => line.push((NOON_MS * 1000).to_string()),
            "integer" => line.push("1".to_owned()),
            "oneof" => write_out(&parts[choice % parts.len()], with_optional, choice, line),
            _ => parts.iter().for_each(|part| write_out(part, with_optional, choice, line)),
        }
    }
}
