//! What the server can tell of the module: what each command is, takes and touches.

use std::collections::BTreeSet;

use crate::harness::{Client, Kind, Reply, Server};

on_every_server![
    each_command_declares_what_it_does,
    each_command_is_documented,
    what_the_docs_say_is_what_is_understood,
    each_command_tells_its_key,
];

/// Name, arity, whether it writes, and its words as `docs` writes them.
const COMMANDS: [(&str, i64, bool, &str); 4] = [
    ("ratelimit.acquire", -6, true, ACQUIRE_WORDS),
    ("ratelimit.peek", -6, false, ACQUIRE_WORDS),
    (
        "ratelimit.return",
        -6,
        true,
        "key {LIMIT count <EX seconds | PX milliseconds> [BURST burst] [COST cost]}... [DUE due-ms]",
    ),
    ("ratelimit.info", 2, false, "key"),
];
const ACQUIRE_WORDS: &str = "key {LIMIT count <EX seconds | PX milliseconds> [BURST burst] [COST cost]}... \
                             [<PARTIAL | FORCE | MAXWAIT max-wait-ms>]";

/// Redis 7.0 has no ACL categories for modules.
fn has_categories(kind: Kind) -> bool {
    kind != Kind::Redis70
}

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
            set(&[if writes { "write" } else { "readonly" }, "module", "fast"]),
            "{name}"
        );
        assert_eq!((info[3].int(), info[4].int(), info[5].int()), (1, 1, 1), "{name}");
        let categories = ["@ratelimit", "@fast", if writes { "@write" } else { "@read" }];
        assert_eq!(texts(&info[6]), set(if has_categories(kind) { &categories } else { &[] }), "{name}");
        assert!(
            info[7].array().is_empty() && info[9].array().is_empty(),
            "neither tips nor subcommands: {info:?}"
        );
    }
    let all = client.ask("COMMAND LIST FILTERBY MODULE sluice");
    let limiters = texts(&all).into_iter().filter(|name| !name.starts_with("lock."));
    assert_eq!(
        limiters.collect::<BTreeSet<_>>(),
        COMMANDS.iter().map(|(name, ..)| (*name).to_owned()).collect()
    );
}

fn each_command_is_documented(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, _, _, words) in COMMANDS {
        let docs = docs(&mut client, name);
        let text = |field: &str| get(&docs, field).text().to_owned();
        assert!(text("summary").len() > 20 && text("summary").ends_with('.'), "{docs:?}");
        assert_eq!(text("since"), "0.1.0");
        assert!(text("complexity").starts_with("O("), "{docs:?}");
        assert_eq!(text("module"), "sluice");
        let shown: Vec<_> = get(&docs, "arguments").array().iter().map(show).collect();
        assert_eq!(shown.join(" "), words, "{name}");
    }
}

fn what_the_docs_say_is_what_is_understood(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
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
                assert!(matches!(reply, Reply::Array(_)) || name == "ratelimit.info", "{line:?}: {reply:?}");
            }
        }
    }
}

fn each_command_tells_its_key(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, _, writes, _) in COMMANDS {
        let words: &[&str] = if name == "ratelimit.info" { &[] } else { &["LIMIT", "1", "EX", "1"] };
        let ask = |what| [&["COMMAND", what, name, "\0key"], words].concat();
        assert_eq!(texts(&client.call(&ask("GETKEYS"))), set(&["\0key"]), "{name}");
        let keys = client.call(&ask("GETKEYSANDFLAGS"));
        let key = keys.array()[0].array();
        assert_eq!(key[0].text(), "\0key");
        let flags = if writes { &["RW", "access", "update"][..] } else { &["RO", "access"] };
        assert_eq!(texts(&key[1]), set(flags), "{name}");
    }
}

fn docs(client: &mut Client, name: &str) -> Vec<(Reply, Reply)> {
    client.call(&["COMMAND", "DOCS", name]).pairs()[0].1.pairs()
}

#[track_caller]
fn get<'a>(pairs: &'a [(Reply, Reply)], field: &str) -> &'a Reply {
    find(pairs, field).unwrap_or_else(|| panic!("no {field} in {pairs:?}"))
}

fn find<'a>(pairs: &'a [(Reply, Reply)], field: &str) -> Option<&'a Reply> {
    pairs.iter().find(|(name, _)| name.text() == field).map(|(_, value)| value)
}

/// An argument as a line of documentation has it.
fn show(arg: &Reply) -> String {
    let arg = arg.pairs();
    let parts =
        |between| find(&arg, "arguments").unwrap().array().iter().map(show).collect::<Vec<_>>().join(between);
    let body = match get(&arg, "type").text() {
        "oneof" => format!("<{}>", parts(" | ")),
        "block" => format!("{{{}}}", parts(" ")),
        "pure-token" => String::new(),
        "key" | "integer" => get(&arg, "name").text().to_owned(),
        other => panic!("{other}"),
    };
    let token = find(&arg, "token").map_or("", Reply::text);
    let whole = format!("{token} {body}").trim().to_owned();
    let flags = find(&arg, "flags").map(texts).unwrap_or_default();
    let whole = if flags.contains("multiple") { format!("{whole}...") } else { whole };
    if flags.contains("optional") { format!("[{whole}]") } else { whole }
}

/// An argument as a caller who knows nothing but the docs would write it.
fn write_out(arg: &Reply, with_optional: bool, choice: usize, line: &mut Vec<String>) {
    let arg = arg.pairs();
    let flags = find(&arg, "flags").map(texts).unwrap_or_default();
    if flags.contains("optional") && !with_optional {
        return;
    }
    let times = if flags.contains("multiple") && with_optional { 2 } else { 1 };
    for _ in 0..times {
        line.extend(find(&arg, "token").map(|token| token.text().to_owned()));
        let parts = find(&arg, "arguments").map(|parts| parts.array()).unwrap_or_default();
        match get(&arg, "type").text() {
            "key" => line.push("k".to_owned()),
            "integer" => line.push("1".to_owned()),
            "oneof" => write_out(&parts[choice % parts.len()], with_optional, choice, line),
            _ => parts.iter().for_each(|part| write_out(part, with_optional, choice, line)),
        }
    }
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn texts(list: &Reply) -> BTreeSet<String> {
    list.array().iter().map(|item| item.text().to_owned()).collect()
}
