//! What others hear of a call: its result, with an absolute expiry; of a refused one nothing.

use sluice_testing::{Kind, Reply, Server, on_every_server};

use crate::shared::{NOON_MS, OOM, number, script};
use crate::throttle::{setup, start};

on_every_server![
    the_aof_has_results_and_nothing_else,
    what_changes_nothing_leaves_nothing_and_breaks_no_watch,
    a_replica_has_the_same_bytes_whatever_its_clock_says,
    full_memory_refuses_new_keys_only,
    info_counts_what_was_answered,
];

/// On a key with a limit of one in a minute that is used up.
const CHANGES_NOTHING: [&str; 7] = [
    "CL.THROTTLE k 0 1 60",
    "CL.THROTTLE k 0 1 60 0",
    "CL.THROTTLE idle 0 1 60 0",
    "CL.THROTTLE idle 0 1 60 2",
    "CL.THROTTLE idle 0 1 60 -1",
    "CL.THROTTLE idle 0 1 0",
    "CL.THROTTLE s 0 1 60",
];

fn the_aof_has_results_and_nothing_else(kind: Kind) {
    let server = setup(kind).aof().start();
    let mut client = server.connect();
    client.ask("CL.THROTTLE k 4 1 1").ints();
    client.ask("CL.THROTTLE k 4 1 1 3").ints();
    client.ask("CL.THROTTLE k 4 1 1 3").ints();
    client.ask("CL.THROTTLE k 4 1 1 -2").ints();
    client.call(&script("CL.THROTTLE t 0 3 7")).ints();
    let expected = [
        "SELECT 0",
        "SET k 1800000001000000000 PXAT 1800000001000",
        "SET k 1800000004000000000 PXAT 1800000004000",
        "SET k 1800000002000000000 PXAT 1800000002000",
        // Cut, as the interval is.
        "SET t 1800000002333333333 PXAT 1800000002333",
    ];
    assert_eq!(server.aof_commands(), expected[1..]);
}

fn what_changes_nothing_leaves_nothing_and_breaks_no_watch(kind: Kind) {
    let server = setup(kind).aof().start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.ask("CL.THROTTLE k 0 1 60").ints();
    client.ask("SET s foreign").assert_ok();
    let (changes, log) =
        (number(&mut client, "persistence", "rdb_changes_since_last_save"), server.aof_commands());
    for line in CHANGES_NOTHING {
        client.ask("WATCH k s idle").assert_ok();
        other.ask(line);
        client.ask("MULTI").assert_ok();
        client.ask("PING");
        assert!(!client.ask("EXEC").is_null(), "{line}");
    }
    assert_eq!(number(&mut client, "persistence", "rdb_changes_since_last_save"), changes);
    assert_eq!(server.aof_commands(), log);
    assert_eq!(client.ask("EXISTS idle").int(), 0);
    client.ask("WATCH new").assert_ok();
    other.ask("CL.THROTTLE new 0 1 60").ints();
    client.ask("MULTI").assert_ok();
    client.ask("PING");
    assert!(client.ask("EXEC").is_null(), "a change is told");
}

fn a_replica_has_the_same_bytes_whatever_its_clock_says(kind: Kind) {
    let primary = setup(kind).tcp().start();
    let replica = Server::setup(kind).without_module().clock_ms(NOON_MS - 3000).replica_of(&primary).start();
    let mut client = primary.connect();
    for n in 0..30 {
        primary.set_clock_ms(NOON_MS + n * 77);
        client.ask(&format!("CL.THROTTLE k{} {} 3 7", n % 3, n % 5)).ints();
    }
    replica.wait_for(&primary);
    let mut there = replica.connect();
    for look in ["MGET k0 k1 k2", "PEXPIRETIME k0", "PEXPIRETIME k1", "PEXPIRETIME k2", "DEBUG DIGEST"] {
        assert_eq!(there.ask(look), client.ask(look), "{look}");
    }
}

fn full_memory_refuses_new_keys_only(kind: Kind) {
    let (_server, mut client) = start(kind);
    client.ask("CL.THROTTLE k 4 1 1").ints();
    client.ask("CONFIG SET maxmemory 1000").assert_ok();
    assert_eq!(client.ask("SET other 1").error(), OOM);
    assert_eq!(client.ask("CL.THROTTLE new 4 1 1").error(), OOM);
    assert_eq!(client.ask("EXISTS new").int(), 0);
    assert_eq!(client.ask("CL.THROTTLE new 4 1 1 0").ints(), [0, 5, 5, -1, 0], "a look needs no memory");
    assert_eq!(client.ask("CL.THROTTLE new 4 1 1 6").ints(), [1, 5, 5, -1, 0], "nor a refusal");
    assert_eq!(client.ask("CL.THROTTLE k 4 1 1").ints(), [0, 5, 3, -1, 2]);
    client.assert_in_step();
}

fn info_counts_what_was_answered(kind: Kind) {
    let (_server, mut client) = start(kind);
    for (line, granted, refused) in [
        ("CL.THROTTLE k 1 1 60", 1, 0),
        ("CL.THROTTLE k 1 1 60 0", 2, 0),
        ("CL.THROTTLE k 1 1 60 2", 2, 1),
        ("CL.THROTTLE k 1 1 60", 3, 1),
        ("CL.THROTTLE k 1 1 60", 3, 2),
        ("CL.THROTTLE k 1 1 0", 3, 2),
        ("CL.THROTTLE k 1", 3, 2),
    ] {
        let reply = client.ask(line);
        assert!(matches!(reply, Reply::Array(_) | Reply::Error(_)), "{reply:?}");
        let counted = ["granted", "refused"]
            .map(|name| number(&mut client, "sluice", &format!("sluice_throttle_{name}")));
        assert_eq!(counted, [granted, refused], "{line}");
    }
    assert_eq!(client.info("sluice", "sluice_granted"), "0", "those are ACQUIRE's");
}
