//! What was granted stays granted: over a crash, a restart, a rewrite of the file, and a server without the module.

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server, until};

use crate::shared::NOON_MS;
use crate::shared::kept::Kept;

on_every_server![
    a_killed_server_has_every_answered_grant_in_its_aof,
    a_snapshot_brings_everything_back,
    a_reload_changes_nothing,
    a_rewritten_aof_loses_nothing,
    an_aof_rewritten_as_commands_loses_nothing,
    a_snapshot_loads_without_the_module_and_with_it_again,
    an_aof_loads_without_the_module_and_with_it_again,
    time_passes_while_the_server_is_down,
    a_loaded_state_is_updated_in_place,
];

const KEPT: Kept<Picture> = Kept {
    fill,
    picture,
    during: &["RATELIMIT.ACQUIRE one LIMIT 100 EX 60 BURST 20"],
    after: &["RATELIMIT.ACQUIRE rest LIMIT 7 EX 11"],
};

fn a_killed_server_has_every_answered_grant_in_its_aof(kind: Kind) {
    KEPT.over_a_kill(kind);
}

fn a_snapshot_brings_everything_back(kind: Kind) {
    KEPT.over_a_snapshot(kind);
}

fn a_reload_changes_nothing(kind: Kind) {
    KEPT.over_reloads(kind);
}

fn a_rewritten_aof_loses_nothing(kind: Kind) {
    KEPT.over_a_rewrite(kind, true);
}

fn an_aof_rewritten_as_commands_loses_nothing(kind: Kind) {
    KEPT.over_a_rewrite(kind, false);
}

fn a_snapshot_loads_without_the_module_and_with_it_again(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    fill(&server);
    let before = picture(&server);
    server.shutdown("SAVE");
    server.change(|setup| setup.without_module());
    server.start_again();
    assert_eq!(data(&server), before.data);
    server.shutdown("SAVE");
    server.change(|setup| setup.with_module());
    server.start_again();
    assert_eq!(picture(&server), before);
}

fn an_aof_loads_without_the_module_and_with_it_again(kind: Kind) {
    let mut server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    fill(&server);
    let before = picture(&server);
    server.kill9();
    server.change(|setup| setup.without_module());
    server.start_again();
    assert_eq!(data(&server), before.data);
    server.kill9();
    server.change(|setup| setup.with_module());
    server.start_again();
    assert_eq!(picture(&server), before);
}

fn time_passes_while_the_server_is_down(kind: Kind) {
    let mut server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("RATELIMIT.ACQUIRE used LIMIT 10 EX 10 COST 10");
    client.ask("RATELIMIT.ACQUIRE gone LIMIT 10 EX 10 COST 4");
    server.kill9();
    server.set_clock_ms(NOON_MS + 5_001);
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.ask("RATELIMIT.PEEK used LIMIT 10 EX 10").ints(), [1, 0, 4, 10, 5_999, 0]);
    assert!(client.ask("RATELIMIT.INFO gone").is_null());
    until("what is full is gone", || client.ask("DBSIZE").int() == 1);
}

fn a_loaded_state_is_updated_in_place(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    fill(&server);
    server.shutdown("SAVE");
    server.start_again();
    let mut client = server.connect();
    // As loaded: in one allocation with its header, which cannot be written to.
    assert_eq!(client.ask("OBJECT ENCODING queue").text(), "embstr");
    for (key, limit) in FILLED {
        let length = client.call(&args!["STRLEN", key]);
        let peeked = with_limit(&mut client, "RATELIMIT.PEEK", key, limit);
        assert_eq!(
            with_limit(&mut client, "RATELIMIT.ACQUIRE", key, limit),
            peeked,
            "{}",
            key.escape_ascii()
        );
        // A limit has one length, whatever its state.
        assert_eq!(client.call(&args!["STRLEN", key]), length, "{}", key.escape_ascii());
    }
    assert_eq!(client.ask("OBJECT ENCODING queue").text(), "raw");
    for (line, expected) in [
        ("one LIMIT 100 EX 60 BURST 20", [1, 0, 5, 20, 9_000, 0]),
        ("one LIMIT 100 EX 60 BURST 20 COST 5", [1, 0, 0, 20, 12_000, 0]),
        ("one LIMIT 100 EX 60 BURST 20", [0, 600, 0, 20, 12_000, 0]),
    ] {
        assert_eq!(client.ask(&format!("RATELIMIT.ACQUIRE {line}")).ints(), expected, "{line}");
    }
    assert_eq!(client.ask("GET one").text(), "1800000012000000000:100/60000:20");
    assert_eq!(client.ask("PEXPIRETIME one").int(), NOON_MS + 15_000);
}

/// Keys and limits of every form; each key is filled by two calls.
const FILLED: [(&[u8], &str); 12] = [
    (b"one", "LIMIT 100 EX 60 BURST 20 COST 7"),
    (b"rest", "LIMIT 7 EX 11 COST 3"),
    (b"two", "LIMIT 10 EX 1 LIMIT 1000 EX 3600 COST 30"),
    (b"part", "LIMIT 3 EX 1 COST 0 LIMIT 5 EX 9"),
    (b"queue", "LIMIT 1 EX 2 MAXWAIT 60000"),
    (b"debt", "LIMIT 5 EX 10 COST 22 FORCE"),
    (
        b"eight",
        "LIMIT 1 EX 1 LIMIT 22 EX 2 LIMIT 333 EX 3 LIMIT 4444 EX 4 LIMIT 55555 EX 5 LIMIT 666666 EX 6 \
         LIMIT 7777777 EX 7 LIMIT 88888888 EX 8",
    ),
    (b"fine", "LIMIT 1000000 PX 1 BURST 3155760000000000000 COST 1577880000000000000"),
    (b"century", "LIMIT 1 EX 3155760000"),
    (b"", "LIMIT 3 EX 5"),
    (b"\0\xff\r\n", "LIMIT 3 EX 5"),
    (b"%n%s*1", "LIMIT 3 EX 5"),
];

/// What makes the other forms of a state: places of several limits, windows, a forced debt, and holds.
const MADE: [&str; 17] = [
    "ACQUIRE mixed LIMIT 3 EX 10",
    "ACQUIRE mixed LIMIT 7 EX 11",
    "ACQUIRE mixed LIMIT 10 EX 10 BURST 5 COST 2 LIMIT 9 EX 90",
    "ACQUIRE own LIMIT 5 EX 10",
    "ACQUIRE own LIMIT 50 EX 10 COST 9",
    "ACQUIRE strict LIMIT 3 EX 7 STRICT",
    "ACQUIRE strict LIMIT 3 EX 7 STRICT COST 2",
    "ACQUIRE strict LIMIT 3 EX 7 STRICT COST 2 MAXWAIT 60000",
    "ACQUIRE calendar LIMIT 3 EX 86400 ALIGN 54000 COST 2",
    "ACQUIRE window-and-rate LIMIT 3 EX 7 STRICT LIMIT 9 EX 90",
    "ACQUIRE window-and-rate LIMIT 4 EX 8 LIMIT 9 EX 90",
    "ACQUIRE forced LIMIT 1 EX 1 COST 999 FORCE",
    "HOLD held EX 600",
    "ACQUIRE turns LIMIT 10 EX 9 BURST 1 MAXWAIT 60000",
    "HOLD turns PX 1500",
    "HOLD turns PX 2500",
    "ACQUIRE turns LIMIT 10 EX 9 BURST 1 MAXWAIT 60000",
];

/// All that can be known of the keys above and of one in another database.
#[derive(Debug, PartialEq)]
struct Picture {
    /// What the server knows: value, expiry.
    data: Vec<Reply>,
    /// What the module says of it.
    answers: Vec<Reply>,
}

fn fill(server: &Server) {
    let mut client = server.connect();
    for (key, limit) in FILLED.iter().chain(&FILLED) {
        with_limit(&mut client, "RATELIMIT.ACQUIRE", key, limit).ints();
    }
    for line in MADE {
        assert!(!matches!(client.ask(&format!("RATELIMIT.{line}")), Reply::Error(_)), "{line}");
    }
    client.pipeline(&["SELECT 9", "RATELIMIT.ACQUIRE elsewhere LIMIT 9 EX 9"]);
    let filled = picture(server);
    assert!(!filled.answers.iter().any(Reply::is_null), "{filled:?}");
    let forms = ["|", "~", ":S", ":A", "-18", "!"];
    let states: String = filled
        .data
        .iter()
        .filter_map(|reply| match reply {
            Reply::Bulk(state) => Some(format!("{}\n", state.escape_ascii())),
            _ => None,
        })
        .collect();
    assert!(forms.iter().all(|form| states.contains(form)), "{states}");
}

fn picture(server: &Server) -> Picture {
    let mut client = server.connect();
    let mut answers = Vec::new();
    for (key, limit) in FILLED {
        answers.push(with_limit(&mut client, "RATELIMIT.PEEK", key, limit));
        answers.push(client.call(&args!["RATELIMIT.INFO", key]));
    }
    for line in MADE {
        let (_, rest) = line.split_once(' ').unwrap();
        let (key, limits) = rest.split_once(' ').unwrap();
        answers.push(client.ask(&format!("RATELIMIT.INFO {key}")));
        answers.push(client.ask(&format!("RATELIMIT.TURN {key} 100")));
        if line.starts_with("ACQUIRE") {
            answers.push(client.ask(&format!("RATELIMIT.PEEK {key} {limits}")));
        }
    }
    Picture { data: data(server), answers }
}

fn data(server: &Server) -> Vec<Reply> {
    let mut client = server.connect();
    let mut data = Vec::new();
    for (key, _) in FILLED {
        data.push(client.call(&args!["GET", key]));
        data.push(client.call(&args!["PEXPIRETIME", key]));
    }
    for line in MADE {
        let key = line.split(' ').nth(1).unwrap();
        data.extend(client.pipeline(&[format!("GET {key}"), format!("PEXPIRETIME {key}")]));
    }
    data.extend(client.pipeline(&["DBSIZE", "SELECT 9", "DBSIZE", "GET elsewhere", "PEXPIRETIME elsewhere"]));
    data
}

fn with_limit(client: &mut Client, command: &str, key: &[u8], limit: &str) -> Reply {
    let mut words = args![command, key].to_vec();
    words.extend(limit.split_whitespace().map(|word| word.as_bytes().to_vec()));
    client.call(&words)
}
