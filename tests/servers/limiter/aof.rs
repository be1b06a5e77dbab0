//! Only effects are logged, with absolute times: the append-only file gets the state, not the command.

use sluice_testing::{Client, Kind, Server, on_every_server};

use crate::limiter::expect;
use crate::shared::{NOON_MS, script};

on_every_server![
    the_aof_holds_the_states_and_nothing_else,
    what_changes_nothing_leaves_nothing,
    a_transaction_and_a_script_leave_effects,
    a_value_that_was_just_set_is_logged_as_it_was,
    a_limit_that_joins_is_an_effect,
    a_hold_is_an_effect,
    grants_count_as_changes_to_save_and_refusals_do_not,
];

fn the_aof_holds_the_states_and_nothing_else(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let two = "k LIMIT 2 EX 1";
    ask_all(
        &mut client,
        &[
            (&format!("RATELIMIT.ACQUIRE {two}"), [1, 0, 1, 2, 500, 0]),
            (&format!("RATELIMIT.ACQUIRE {two} COST 2"), [0, 500, 1, 2, 500, 0]),
            (&format!("RATELIMIT.PEEK {two}"), [1, 0, 0, 2, 1000, 0]),
            (&format!("RATELIMIT.ACQUIRE {two}"), [1, 0, 0, 2, 1000, 0]),
            (&format!("RATELIMIT.ACQUIRE {two}"), [0, 500, 0, 2, 1000, 0]),
            (&format!("RATELIMIT.RETURN {two}"), [1, 0, 1, 2, 500, 0]),
            (&format!("RATELIMIT.RETURN {two} COST 9"), [1, 0, 2, 2, 0, 0]),
            (&format!("RATELIMIT.RETURN {two}"), [0, 0, 2, 2, 0, 0]),
            // A third of a second is no whole number of ns: the rest is kept.
            ("RATELIMIT.ACQUIRE t LIMIT 3 EX 1 LIMIT 9 EX 1 COST 0", [1, 0, 2, 3, 334, 0]),
            ("RATELIMIT.ACQUIRE q LIMIT 1 EX 1 MAXWAIT 9000", [1, 0, 0, 1, 1000, 0]),
            ("RATELIMIT.ACQUIRE q LIMIT 1 EX 1 MAXWAIT 9000", [1, 1000, 0, 1, 2000, 0]),
            ("RATELIMIT.ACQUIRE f LIMIT 1 EX 1 COST 5 FORCE", [1, 4000, 0, 1, 5000, 0]),
            ("RATELIMIT.ACQUIRE p LIMIT 4 EX 1 COST 9 PARTIAL", [4, 0, 0, 4, 1000, 0]),
        ],
    );
    let expected = [
        &["SELECT", "0"][..],
        &["SET", "k", "1800000000500000000:2/1000:2", "PXAT", "1800000002000"],
        // The expiry fits: the key keeps it, and who lacks the key is given none.
        &["SET", "k", "1800000001000000000:2/1000:2", "XX", "KEEPTTL"],
        &["SET", "k", "1800000000500000000:2/1000:2", "XX", "KEEPTTL"],
        &["DEL", "k"],
        &[
            "SET",
            "t",
            "1800000000333333333+1:3/1000:3;0000000000000000000+0:9/1000:9",
            "PXAT",
            "1800000002000",
        ],
        &["SET", "q", "1800000001000000000:1/1000:1", "PXAT", "1800000002000"],
        &["SET", "q", "1800000002000000000:1/1000:1", "XX", "KEEPTTL"],
        &["SET", "f", "1800000005000000000:1/1000:1", "PXAT", "1800000006250"],
        &["SET", "p", "1800000001000000000:4/1000:4", "PXAT", "1800000002000"],
    ];
    assert_eq!(server.aof_bytes().escape_ascii().to_string(), resp(&expected).escape_ascii().to_string());
}

fn what_changes_nothing_leaves_nothing(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1");
    client.ask("SET s foreign").assert_ok();
    let written = server.aof_bytes();
    for line in CHANGES_NOTHING {
        client.ask(line);
        client.pipeline(&["MULTI", line, "EXEC"]);
        client.call(&script(line));
    }
    assert_eq!(server.aof_bytes(), written);
}

fn a_transaction_and_a_script_leave_effects(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.pipeline(&[
        "MULTI",
        "RATELIMIT.ACQUIRE k LIMIT 1 EX 1",
        "RATELIMIT.ACQUIRE k LIMIT 1 EX 1",
        "RATELIMIT.PEEK k LIMIT 1 EX 1",
        "SET other 1",
        "EXEC",
    ]);
    client.call(&script("RATELIMIT.RETURN k LIMIT 1 EX 1"));
    client.call(&script("RATELIMIT.ACQUIRE lua LIMIT 2 EX 1"));
    assert_eq!(
        server.aof_commands(),
        [
            "MULTI",
            "SET k 1800000001000000000:1/1000:1 PXAT 1800000002000",
            "SET other 1",
            "EXEC",
            "DEL k",
            "SET lua 1800000000500000000:2/1000:2 PXAT 1800000002000",
        ]
    );
}

fn a_value_that_was_just_set_is_logged_as_it_was(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    // Until the transaction is over, the log to be and the key share one string, which is then not to be written to.
    let state = "1800000000500000000:2/1000:2;1800000000600000000:100/60000:100";
    server.connect().pipeline(&[
        "MULTI",
        &format!("SET k {state} PXAT 1800000060000"),
        "RATELIMIT.ACQUIRE k LIMIT 2 EX 1 LIMIT 100 EX 60",
        "EXEC",
    ]);
    assert_eq!(
        server.aof_commands(),
        [
            "MULTI",
            &format!("SET k {state} PXAT 1800000060000"),
            "SET k 1800000001000000000:2/1000:2;1800000001200000000:100/60000:100 PXAT 1800000002200",
            "EXEC",
        ]
    );
}

fn a_limit_that_joins_is_an_effect(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    ask_all(
        &mut client,
        &[
            ("RATELIMIT.ACQUIRE k LIMIT 2 EX 2 COST 2", [1, 0, 0, 2, 2000, 0]),
            // Only looked at: nothing is written.
            ("RATELIMIT.PEEK k LIMIT 4 EX 8 COST 3", [0, 2000, 2, 4, 4000, 0]),
            // Refused, and yet: 2 tokens are used, 4 s of this limit. Once.
            ("RATELIMIT.ACQUIRE k LIMIT 4 EX 8 COST 3", [0, 2000, 2, 4, 4000, 0]),
            ("RATELIMIT.ACQUIRE k LIMIT 4 EX 8 COST 3", [0, 2000, 2, 4, 4000, 0]),
        ],
    );
    assert_eq!(
        server.aof_commands(),
        [
            "SET k 1800000002000000000:2/2000:2 PXAT 1800000003000",
            "SET k 1800000002000000000~1800000002000:2/2000:2|1800000004000000000~1800000000000:4/8000:4 \
             PXAT 1800000005000",
        ]
    );
}

fn a_hold_is_an_effect(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (line, held_ms) in [
        ("RATELIMIT.HOLD k PX 1500", 1500),
        ("RATELIMIT.HOLD k PX 1499", 1500),
        ("RATELIMIT.HOLD k EX 2", 2000),
        ("RATELIMIT.TURN k 0", 2000),
        ("RATELIMIT.HOLD k OFF", 0),
        ("RATELIMIT.HOLD k OFF", 0),
    ] {
        assert_eq!(client.ask(line).int(), held_ms, "{line}");
    }
    assert_eq!(
        server.aof_commands(),
        [
            "SET k !1800000001500,1800000000000+1500 PXAT 1800000002500",
            "SET k !1800000002000,1800000000000+1500,1800000000000+500 XX KEEPTTL",
            "DEL k",
        ]
    );
}

fn grants_count_as_changes_to_save_and_refusals_do_not(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let changes = |client: &mut Client| -> i64 {
        client.info("persistence", "rdb_changes_since_last_save").parse().unwrap()
    };
    client.ask("SET s foreign").assert_ok();
    let start = changes(&mut client);
    client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1");
    assert_eq!(changes(&mut client), start + 1);
    for line in CHANGES_NOTHING {
        client.ask(line);
        assert_eq!(changes(&mut client), start + 1, "{line}");
    }
    client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1 FORCE");
    client.ask("RATELIMIT.RETURN k LIMIT 1 EX 1");
    assert_eq!(changes(&mut client), start + 3);
    client.ask("RATELIMIT.RETURN k LIMIT 1 EX 1");
    assert!(changes(&mut client) > start + 3, "the deletion counts");
}

/// What changes no state where `k` has been used up under `LIMIT 1 EX 1`, `s` is a foreign string and `idle` is absent.
pub(crate) const CHANGES_NOTHING: [&str; 22] = [
    "RATELIMIT.ACQUIRE k LIMIT 1 EX 1",
    "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 COST 2",
    "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 COST 7 PARTIAL",
    "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 MAXWAIT 999",
    "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 LIMIT 5 EX 1",
    "RATELIMIT.ACQUIRE idle LIMIT 1 EX 1 COST 2",
    "RATELIMIT.ACQUIRE idle LIMIT 9 EX 1 LIMIT 1 EX 1 COST 2",
    "RATELIMIT.ACQUIRE idle LIMIT 1 EX 0",
    "RATELIMIT.ACQUIRE s LIMIT 1 EX 1",
    "RATELIMIT.PEEK k LIMIT 7 EX 1",
    "RATELIMIT.PEEK idle LIMIT 1 EX 1",
    "RATELIMIT.RETURN idle LIMIT 1 EX 1",
    "RATELIMIT.RETURN s LIMIT 1 EX 1",
    "RATELIMIT.RETURN k LIMIT 9 EX 9",
    "RATELIMIT.INFO k",
    "RATELIMIT.HOLD k OFF",
    "RATELIMIT.HOLD k EX 0",
    "RATELIMIT.HOLD s EX 1",
    "RATELIMIT.HOLD idle OFF",
    "RATELIMIT.TURN k 5",
    "RATELIMIT.TURN idle 5",
    "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 STRICT BURST 2",
];

#[track_caller]
fn ask_all(client: &mut Client, steps: &[(&str, [i64; 6])]) {
    for (line, expected) in steps {
        expect(client, line, *expected);
    }
}

/// Commands as the append-only file holds them.
fn resp(commands: &[&[&str]]) -> Vec<u8> {
    let words = |words: &&[&str]| {
        words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect::<String>()
    };
    commands
        .iter()
        .map(|command| format!("*{}\r\n{}", command.len(), words(command)))
        .collect::<String>()
        .into()
}
