//! A lock that is held stays held, by the same owner, under the same fence, until the same ms: over a crash, a
//! restart, and a rewrite of the file.

use sluice_testing::{Kind, Reply, Server, args, on_every_server, until};

use crate::lock::shown::shown;
use crate::shared::kept::Kept;
use crate::shared::{NOON_MS, until_rewritten};

on_every_server![
    a_killed_server_has_every_answered_grant_in_its_aof,
    a_snapshot_brings_everything_back,
    a_reload_changes_nothing,
    a_rewritten_aof_loses_nothing,
    an_aof_rewritten_as_commands_loses_nothing,
    an_aof_that_was_rewritten_holds_one_load_a_lock,
    leases_end_while_the_server_is_down,
    what_a_stranger_did_to_the_expiry_is_kept,
    a_loaded_lock_is_extended_and_released,
    a_snapshot_without_a_lock_loads_without_the_module,
    a_snapshot_with_a_lock_says_what_it_needs,
];

/// Locks of every form, at noon: see `picture`.
fn fill(server: &Server) {
    let mut client = server.connect();
    for line in [
        "LOCK.TRY lock A PX 60000",
        "LOCK.TRY long A PX 3155760000000",
        "LOCK.TRY s A PX 60000 HOLDERS 4",
        "LOCK.TRY s B PX 90000 HOLDERS 4",
        "LOCK.TRY s C PX 70000 HOLDERS 4",
        "LOCK.TRY s D PX 1 HOLDERS 4",
        "LOCK.RELEASE s B",
        "LOCK.TRY extended A PX 60000",
        "LOCK.EXTEND extended A PX 50000",
        "LOCK.TRY released A PX 60000",
        "LOCK.RELEASE released A",
        "RATELIMIT.ACQUIRE limit LIMIT 10 EX 60",
        "SELECT 3",
        "LOCK.TRY lock B PX 60000",
        "SELECT 0",
    ] {
        assert!(!matches!(client.ask(line), Reply::Error(_)), "{line}");
    }
    let owner: Vec<u8> = (0..512).map(|n| n as u8).collect();
    client.call(&args!["LOCK.TRY", b"\0\r\n", owner, "PX", 60_000]);
    let calls: Vec<_> = (0..99).map(|n| format!("LOCK.TRY many {n} PX {} HOLDERS 99", 60_000 + n)).collect();
    client.pipeline(&calls);
    // One of the leases has ended, and is still in its key.
    server.set_clock_ms(NOON_MS + 1);
}

/// All that can be seen of all keys, in order.
fn picture(server: &Server) -> Vec<String> {
    let mut client = server.connect();
    let mut lines = Vec::new();
    for db in [0, 3] {
        client.ask(&format!("SELECT {db}")).assert_ok();
        for key in client.ask("KEYS *").array() {
            let mut ask = |command: &str| format!("{:?}", client.call(&args![command, key.bytes()]));
            let info = ask(if key.bytes() == b"limit" { "RATELIMIT.INFO" } else { "LOCK.INFO" });
            lines.push(format!("{db} {key:?} {info} {} {}", ask("PEXPIRETIME"), ask("DUMP")));
        }
    }
    lines.sort();
    lines.push(client.ask("DEBUG DIGEST").text().to_owned());
    lines
}

const KEPT: Kept<Vec<String>> = Kept {
    fill,
    picture,
    during: &["LOCK.TRY during A PX 60000", "LOCK.RELEASE s C"],
    after: &["LOCK.TRY after A PX 60000"],
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

fn an_aof_that_was_rewritten_holds_one_load_a_lock(kind: Kind) {
    let setup = Server::setup(kind).aof().config("aof-use-rdb-preamble no");
    let server = setup.clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY s A PX 60000 HOLDERS 4");
    client.ask("LOCK.TRY s B PX 90000 HOLDERS 4");
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.RELEASE k A");
    client.ask("BGREWRITEAOF").text();
    until_rewritten(&mut client);
    // The base of the new file; what came later would be in others.
    let folder = server.dir().join("appendonlydir");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let base: Vec<_> = names.filter(|path| path.to_str().unwrap().ends_with(".base.aof")).collect();
    assert_eq!(base.len(), 1, "{base:?}");
    let text = std::fs::read(&base[0]).unwrap().escape_ascii().to_string();
    let words: Vec<_> = text.split("\\r\\n").filter(|line| !line.starts_with(['*', '$'])).collect();
    let [a, b] = [NOON_MS * 1000, NOON_MS * 1000 + 1].map(|fence| fence.to_string());
    let load = ["LOCK.LOAD", "s", "2", "A", &a, "1800000060000", "1800000000000"];
    let load = [&load[..], &["B", &b, "1800000090000", "1800000000000"]].concat();
    let place = words.iter().position(|word| *word == "LOCK.LOAD").unwrap();
    assert_eq!(words[place..place + load.len()], load, "{text}");
    assert_eq!(text.matches("LOCK.").count(), 1, "{text}");
}

fn leases_end_while_the_server_is_down(kind: Kind) {
    let mut server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 10000");
    client.ask("LOCK.TRY gone A PX 4000");
    client.ask("LOCK.TRY s A PX 10000 HOLDERS 2");
    client.ask("LOCK.TRY s B PX 4000 HOLDERS 2");
    server.kill9();
    server.set_clock_ms(NOON_MS + 4001);
    server.start_again();
    let mut client = server.connect();
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 5999 held 4001; 0 wait");
    assert_eq!(shown(&mut client, "s"), "A F+2 ttl 5999 held 4001; 0 wait");
    assert_eq!(shown(&mut client, "gone"), "free");
    assert_eq!(client.ask("LOCK.TRY s C PX 1000 HOLDERS 2").ints()[0], 1);
    until("what is free is gone", || client.ask("DBSIZE").int() == 2);
}

fn what_a_stranger_did_to_the_expiry_is_kept(kind: Kind) {
    let mut server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for key in ["shortened", "lengthened", "persistent", "renamed"] {
        client.ask(&format!("LOCK.TRY {key} A PX 1000"));
    }
    client.ask("PEXPIRE shortened 300");
    client.ask("PEXPIRE lengthened 9000");
    client.ask("PERSIST persistent");
    client.ask("RENAME renamed new").assert_ok();
    server.kill9();
    server.start_again();
    let mut client = server.connect();
    assert_eq!(shown(&mut client, "shortened"), "A F+0 ttl 300 held 0; 0 wait");
    assert_eq!(shown(&mut client, "lengthened"), "A F+1 ttl 1000 held 0; 0 wait");
    assert_eq!(shown(&mut client, "persistent"), "A F+2 ttl 1000 held 0; 0 wait");
    assert_eq!(shown(&mut client, "new"), "A F+3 ttl 1000 held 0; 0 wait");
    server.set_clock_ms(NOON_MS + 1000);
    for key in ["shortened", "lengthened", "persistent", "new"] {
        assert_eq!(shown(&mut client, key), "free", "{key}");
    }
}

fn a_loaded_lock_is_extended_and_released(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    fill(&server);
    server.shutdown("SAVE");
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY lock B PX 1").ints()[0], 0);
    assert_eq!(client.ask("LOCK.EXTEND lock A PX 500").ints()[2], 500);
    assert_eq!(client.ask("LOCK.RELEASE lock A").int(), 1);
    assert_eq!(client.ask("LOCK.TRY many more PX 1 HOLDERS 99").ints()[0], 0);
    assert_eq!(client.ask("LOCK.RELEASE many 50").int(), 1);
    assert_eq!(client.ask("LOCK.TRY many more PX 1 HOLDERS 99").ints()[0], 1);
    // D's lease has ended, and B's was released.
    assert_eq!(client.ask("LOCK.TRY s E PX 1000 HOLDERS 4").ints()[0], 1);
    assert_eq!(client.ask("LOCK.TRY s F PX 1000 HOLDERS 4").ints()[0], 1);
    assert_eq!(client.ask("LOCK.TRY s G PX 1000 HOLDERS 4").ints()[0], 0);
}

fn a_snapshot_without_a_lock_loads_without_the_module(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.RELEASE k A");
    client.ask("SET s 1").assert_ok();
    client.ask("RATELIMIT.ACQUIRE limit LIMIT 10 EX 60");
    let limit = client.ask("GET limit");
    server.shutdown("SAVE");
    server.change(|setup| setup.without_module());
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.ask("GET limit"), limit);
    assert_eq!(client.ask("DBSIZE").int(), 2);
    server.shutdown("SAVE");
    server.change(|setup| setup.with_module());
    server.start_again();
    assert_eq!(server.connect().ask("RATELIMIT.PEEK limit LIMIT 10 EX 60").ints()[2], 8);
}

fn a_snapshot_with_a_lock_says_what_it_needs(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    server.connect().ask("LOCK.TRY k A PX 60000");
    server.shutdown("SAVE");
    let setup = Server::setup(kind).without_module().file("dump.rdb", &server.rdb_bytes());
    let Err(log) = setup.clock_ms(NOON_MS).try_start() else { panic!("it loads a type that it has not") };
    assert!(log.contains("sluice-lk"), "{log}");
}
