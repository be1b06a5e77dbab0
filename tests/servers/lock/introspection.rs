//! What the server can tell of the lock commands: what each is, takes and touches.

use sluice_testing::{Kind, Reply, Server, on_every_server};

use crate::shared::documented::{assert_documented, assert_key_is_told, set, texts};
use crate::shared::permissions::has_categories;

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
        -4,
        "write admin",
        "@write @admin @dangerous",
        "key <{count {owner fence deadline-ms acquired-ms}...} | <{- owner} | {+ {owner fence deadline-ms acquired-ms}}>...>",
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
        assert_eq!(texts(&info[2]), set(&format!("{flags} module")), "{name}");
        assert_eq!((info[3].int(), info[4].int(), info[5].int()), (1, 1, 1), "{name}");
        let categories = if has_categories(kind) { &format!("{categories} @lock") } else { "" };
        assert_eq!(texts(&info[6]), set(categories), "{name}");
    }
    let listed = texts(&client.ask("COMMAND LIST FILTERBY PATTERN lock.*"));
    assert_eq!(listed, set(&COMMANDS.map(|(name, ..)| name).join(" ")));
}

fn each_command_is_documented(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (name, _, _, _, words) in COMMANDS {
        assert_documented(&mut client, name, "0.1.0", words);
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
        assert_key_is_told(&mut client, name, &words, flags.contains("write"));
    }
}
