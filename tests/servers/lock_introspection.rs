//! What the server can tell of the lock commands: what each is, takes and touches.

use std::collections::BTreeSet;

use crate::harness::{Client, Kind, Reply, Server};

on_every_server![
    each_command_declares_what_it_does,
    each_command_is_documented,
    what_the_docs_say_is_what_is_understood,
    each_command_tells_its_key,
];

/// Name, arity, flags, ACL categories, and its words as the documentation writes them.
const COMMANDS: [(&str, i64, &str, &str, &str); 6] = [
    (
        "lock.try",
        -5,
        "write denyoom fast",
        "@write @fast",
        "key owner <PX milliseconds | EX seconds> [HOLDERS holders]",
    ),
    (
        "lock.acquire",
        -7,
        "write denyoom blocking fast",
        "@write @fast @blocking",
        "key owner <PX milliseconds | EX seconds> [HOLDERS holders] BLOCK block-ms",
    ),
    ("lock.extend", 5, "write fast", "@write @fast", "key owner <PX milliseconds | EX seconds>"),
    ("lock.release", 3, "write fast", "@write @fast", "key owner"),
    ("lock.info", 2, "readonly fast", "@read @fast", "key"),
    (
        "lock.load",
        -7,
        "write admin",
        "@write @admin @dangerous",
        "key count {owner fence deadline-ms acquired-ms}...",
    ),
];

fn each_command_declares_what_it_does(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, arity, flags, categories, _) in COMMANDS {
        let info = client.call(&["COMMAND", "INFO", name]);
        let info = info.array()[0].array();
        assert_eq!((info[0].text(), info[1].int()), (name, arity));
        // No movablekeys: the key stands where it says.
        assert_eq!(texts(&info[2]), words(&format!("{flags} module")), "{name}");
        assert_eq!((info[3].int(), info[4].int(), info[5].int()), (1, 1, 1), "{name}");
        // Redis 7.0 has no ACL categories for modules.
        let categories = if kind == Kind::Redis70 { "" } else { &format!("{categories} @lock") };
        assert_eq!(texts(&info[6]), words(categories), "{name}");
    }
    let listed = texts(&client.ask("COMMAND LIST FILTERBY PATTERN lock.*"));
    assert_eq!(listed, COMMANDS.iter().map(|(name, ..)| (*name).to_owned()).collect());
}

fn each_command_is_documented(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, _, _, _, words) in COMMANDS {
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

/// Whoever knows nothing but the docs writes calls that are understood.
fn what_the_docs_say_is_what_is_understood(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, _, _, _, words) in COMMANDS.iter().filter(|(name, ..)| *name != "lock.load") {
        for unit in ["PX milliseconds", "EX seconds"] {
            for holders in ["[HOLDERS holders]", ""] {
                let line = words.replace("<PX milliseconds | EX seconds>", unit).replace(holders, "");
                let line = line.replace(['[', ']'], "");
                let words = line.split_whitespace().map(|word| match word {
                    "owner" => "me",
                    "milliseconds" | "seconds" | "holders" | "block-ms" => "1",
                    word => word,
                });
                let reply = client.call(&[name].into_iter().copied().chain(words).collect::<Vec<_>>());
                assert!(!matches!(reply, Reply::Error(_)), "{name} {line}: {reply:?}");
            }
        }
    }
}

fn each_command_tells_its_key(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, arity, flags, ..) in COMMANDS {
        let words = ["1"].repeat(usize::try_from(arity.abs()).unwrap() - 2);
        let ask = |what| [&["COMMAND", what, name, "\0key"], &words[..]].concat();
        assert_eq!(texts(&client.call(&ask("GETKEYS"))), words_of(&["\0key"]), "{name}");
        let keys = client.call(&ask("GETKEYSANDFLAGS"));
        let key = keys.array()[0].array();
        assert_eq!(key[0].text(), "\0key");
        let writes = flags.contains("write");
        let flags = if writes { "RW access update" } else { "RO access" };
        assert_eq!(texts(&key[1]), self::words(flags), "{name}");
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
        "key" | "integer" | "string" => get(&arg, "name").text().to_owned(),
        other => panic!("{other}"),
    };
    let token = find(&arg, "token").map_or("", Reply::text);
    let whole = format!("{token} {body}").trim().to_owned();
    let flags = find(&arg, "flags").map(texts).unwrap_or_default();
    let whole = if flags.contains("multiple") { format!("{whole}...") } else { whole };
    if flags.contains("optional") { format!("[{whole}]") } else { whole }
}

fn words(line: &str) -> BTreeSet<String> {
    words_of(&line.split_whitespace().collect::<Vec<_>>())
}

fn words_of(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn texts(list: &Reply) -> BTreeSet<String> {
    list.array().iter().map(|item| item.text().to_owned()).collect()
}
