//! Only effects leave the server, with absolute times: the AOF and the replicas get the lock as it then is, or `DEL`.

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server, until};

use crate::lock::shown::{F, shown};
use crate::shared::{NOON_MS, script};

on_every_server![
    the_aof_holds_loads_and_deletions_and_nothing_else,
    what_changes_nothing_leaves_nothing,
    a_transaction_and_a_script_leave_effects,
    a_replica_has_the_same_locks_whatever_its_clock_says,
    a_replica_answers_info_and_refuses_writes,
    a_lease_ends_on_a_replica_by_itself,
    the_other_holders_stay_when_one_releases,
    a_replicas_own_aof_has_what_the_primary_sent,
    a_replica_of_a_replica_has_the_same_locks,
    a_promoted_replica_keeps_the_holder,
    a_lock_replaces_whatever_a_replica_has_there,
    a_call_on_a_large_semaphore_is_a_small_effect,
];

const SECOND: &str = "1800000001000";

fn the_aof_holds_loads_and_deletions_and_nothing_else(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (ms, line) in [
        (0, "LOCK.TRY k A PX 1000"),
        (0, "LOCK.TRY k B PX 1000"),
        (0, "LOCK.EXTEND k B PX 1000"),
        (0, "LOCK.RELEASE k B"),
        (0, "LOCK.ACQUIRE k A PX 1000 BLOCK 0"),
        (5, "LOCK.EXTEND k A EX 2"),
        (6, "LOCK.RELEASE k A"),
        (6, "LOCK.RELEASE k A"),
        (6, "LOCK.ACQUIRE s A PX 10 HOLDERS 3 BLOCK 0"),
        (7, "LOCK.TRY s B PX 30 HOLDERS 3"),
        (8, "LOCK.TRY s C PX 20 HOLDERS 3"),
        (9, "LOCK.RELEASE s B"),
        // A's lease has ended: it is not told again.
        (16, "LOCK.EXTEND s C PX 100"),
        (17, "LOCK.RELEASE s C"),
    ] {
        server.set_clock_ms(NOON_MS + ms);
        client.ask(line);
    }
    let at = |ms: i64| (NOON_MS + ms).to_string();
    let a = |fence: i64, end: i64, start: i64| format!("A {} {} {}", F + fence, at(end), at(start));
    let b = format!("B {} {} {}", F + 7000, at(37), at(7));
    let c = |end: i64| format!("C {} {} {}", F + 8000, at(end), at(8));
    assert_eq!(
        server.aof_commands(),
        [
            format!("LOCK.LOAD k 1 A {F} {SECOND} {NOON_MS}"),
            format!("LOCK.LOAD k 1 {}", a(0, 2005, 0)),
            "DEL k".to_owned(),
            format!("LOCK.LOAD s 1 {}", a(6000, 16, 6)),
            format!("LOCK.LOAD s + {b}"),
            format!("LOCK.LOAD s + {}", c(28)),
            "LOCK.LOAD s - B".to_owned(),
            format!("LOCK.LOAD s 1 {}", c(116)),
            "DEL s".to_owned(),
        ]
    );
}

fn what_changes_nothing_leaves_nothing(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 1000");
    client.ask("LOCK.TRY s A PX 10 HOLDERS 2");
    client.ask("LOCK.TRY s B PX 20 HOLDERS 2");
    server.set_clock_ms(NOON_MS + 10);
    let written = server.aof_bytes();
    for line in [
        "LOCK.TRY k A PX 1000",
        "LOCK.TRY k B PX 1000",
        "LOCK.ACQUIRE k A PX 1000 BLOCK 0",
        "LOCK.EXTEND k B PX 1000",
        "LOCK.EXTEND none A PX 1000",
        "LOCK.RELEASE k B",
        "LOCK.RELEASE none A",
        "LOCK.INFO k",
        "LOCK.TRY k B PX 0",
        // With a lease in it that has ended.
        "LOCK.INFO s",
        "LOCK.TRY s C PX 10",
        "LOCK.EXTEND s A PX 1000",
        "LOCK.RELEASE s A",
    ] {
        client.ask(line);
        client.pipeline(&["MULTI", line, "EXEC"]);
        client.call(&script(line));
        assert_eq!(server.aof_bytes(), written, "{line}");
    }
}

fn a_transaction_and_a_script_leave_effects(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.pipeline(&[
        "MULTI",
        "LOCK.TRY k A PX 1000",
        "LOCK.TRY k B PX 1000",
        "SET other 1",
        "LOCK.RELEASE k A",
        "LOCK.TRY k B PX 1000",
        "EXEC",
    ]);
    client.call(&script("LOCK.RELEASE k B"));
    client.call(&script("LOCK.TRY lua A PX 1000"));
    let [first, second, third] = [F, F + 1, F + 2].map(|fence| format!("{fence} {SECOND} {NOON_MS}"));
    assert_eq!(
        server.aof_commands(),
        [
            "MULTI".to_owned(),
            format!("LOCK.LOAD k 1 A {first}"),
            "SET other 1".to_owned(),
            "DEL k".to_owned(),
            format!("LOCK.LOAD k 1 B {second}"),
            "EXEC".to_owned(),
            "DEL k".to_owned(),
            format!("LOCK.LOAD lua 1 A {third}"),
        ]
    );
}

/// Locks taken, extended and released, and what strangers do to them.
fn lock_for_a_while(client: &mut Client, keys: &str) {
    for line in [
        "LOCK.TRY *1 A PX 60000",
        "LOCK.EXTEND *1 A PX 70000",
        "LOCK.TRY *2 A PX 60000",
        "LOCK.RELEASE *2 A",
        "LOCK.TRY *3 A PX 60000 HOLDERS 3",
        "LOCK.TRY *3 B PX 60000 HOLDERS 3",
        "LOCK.TRY *3 C PX 90000 HOLDERS 3",
        "LOCK.RELEASE *3 B",
        "LOCK.TRY *4 A PX 60000",
        "PERSIST *4",
        "LOCK.TRY *5 A PX 60000",
        "PEXPIRE *5 30000",
        "LOCK.TRY *6 A PX 60000",
        "RENAME *6 *7",
        "LOCK.TRY *8 A PX 60000",
        "SET *8 foreign",
    ] {
        client.ask(&line.replace('*', keys));
    }
}

#[track_caller]
fn assert_same(one: &Server, other: &Server) {
    other.wait_for(one);
    let (mut one, mut other) = (one.connect(), other.connect());
    let keys = one.ask("KEYS *");
    assert_eq!(one.ask("DBSIZE"), other.ask("DBSIZE"));
    for key in keys.array() {
        for what in ["TYPE", "DUMP", "PEXPIRETIME"] {
            let words = args![what, key.bytes()];
            assert_eq!(one.call(&words), other.call(&words), "{what} {key:?}");
        }
    }
    assert_eq!(one.ask("DEBUG DIGEST"), other.ask("DEBUG DIGEST"));
}

fn a_replica_has_the_same_locks_whatever_its_clock_says(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let mut client = primary.connect();
    lock_for_a_while(&mut client, "before");
    let replica = Server::setup(kind).clock_ms(NOON_MS - 3000).replica_of(&primary).start();
    lock_for_a_while(&mut client, "after");
    assert_same(&primary, &replica);
    replica.set_clock_ms(NOON_MS);
    let mut reader = replica.connect();
    for key in ["before1", "before3", "before4", "before5", "after1", "after2", "after3", "after4", "after5"]
    {
        assert_eq!(shown(&mut reader, key), shown(&mut client, key), "{key}");
    }
}

fn a_replica_answers_info_and_refuses_writes(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    primary.connect().ask("LOCK.TRY k A PX 60000");
    replica.wait_for(&primary);
    let mut here = replica.connect();
    assert_eq!(shown(&mut here, "k"), "A F+0 ttl 60000 held 0; 0 wait");
    assert_eq!(shown(&mut here, "none"), "free");
    for line in [
        "LOCK.TRY k B PX 60000",
        "LOCK.TRY none B PX 60000",
        "LOCK.ACQUIRE k B PX 60000 BLOCK 0",
        "LOCK.EXTEND k A PX 60000",
        "LOCK.RELEASE k A",
        "LOCK.LOAD k 1 B 1900000000000000 1900000000000 1800000000000",
    ] {
        assert!(here.ask(line).error().starts_with("READONLY "), "{line}");
    }
    here.assert_in_step();
    assert_eq!(shown(&mut here, "k"), "A F+0 ttl 60000 held 0; 0 wait");
}

fn a_lease_ends_on_a_replica_by_itself(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    let mut client = primary.connect();
    client.ask("LOCK.TRY k A PX 100 HOLDERS 2");
    client.ask("LOCK.TRY k B PX 200 HOLDERS 2");
    replica.wait_for(&primary);
    let mut here = replica.connect();
    for (ms, expected) in [
        (99, "A F+0 ttl 1 held 99, B F+1 ttl 101 held 99; 0 wait"),
        (100, "B F+1 ttl 100 held 100; 0 wait"),
        (200, "free"),
        (201, "free"),
    ] {
        replica.set_clock_ms(NOON_MS + ms);
        assert_eq!(shown(&mut here, "k"), expected, "at {ms} ms");
    }
    // Only the primary may delete it.
    assert_eq!(here.ask("DBSIZE").int(), 1);
}

fn the_other_holders_stay_when_one_releases(kind: Kind) {
    let mut primary = Server::setup(kind).tcp().aof().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    let mut client = primary.connect();
    for owner in ["A", "B", "C"] {
        assert_eq!(client.ask(&format!("LOCK.TRY k {owner} PX 60000 HOLDERS 3")).ints()[0], 1);
    }
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    replica.wait_for(&primary);
    let left = "A F+0 ttl 60000 held 0, C F+2 ttl 60000 held 0; 0 wait";
    assert_eq!(shown(&mut replica.connect(), "k"), left);
    primary.kill9();
    primary.start_again();
    assert_eq!(shown(&mut primary.connect(), "k"), left);
}

fn a_replicas_own_aof_has_what_the_primary_sent(kind: Kind) {
    let mut primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let mut replica = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = replica.connect();
    client.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).assert_ok();
    until("the primary is copied", || client.info("replication", "master_link_status") == "up");
    // With the copy a new AOF begins; until it is whole, what comes is kept elsewhere.
    until("the AOF is begun", || client.info("persistence", "aof_rewrite_in_progress") == "0");
    let mut there = primary.connect();
    there.ask("LOCK.TRY k A PX 60000");
    there.ask("LOCK.TRY gone A PX 60000");
    there.ask("LOCK.RELEASE gone A");
    replica.wait_for(&primary);
    let commands = replica.aof_commands();
    assert_eq!(
        commands,
        [
            format!("LOCK.LOAD k 1 A {F} 1800000060000 {NOON_MS}"),
            format!("LOCK.LOAD gone 1 A {} 1800000060000 {NOON_MS}", F + 1),
            "DEL gone".to_owned(),
        ]
    );
    primary.kill9();
    client.ask("REPLICAOF NO ONE").assert_ok();
    replica.kill9();
    replica.start_again();
    let mut client = replica.connect();
    assert_eq!(client.ask("LOCK.TRY k B PX 60000").ints(), [0, F, 60_000]);
    assert_eq!(client.ask("LOCK.TRY gone B PX 60000").ints(), [1, F + 2, 60_000]);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
}

fn a_replica_of_a_replica_has_the_same_locks(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let middle = Server::setup(kind).tcp().clock_ms(NOON_MS).replica_of(&primary).start();
    let last = Server::setup(kind).clock_ms(NOON_MS).replica_of(&middle).start();
    let mut client = primary.connect();
    lock_for_a_while(&mut client, "k");
    assert_same(&primary, &middle);
    assert_same(&middle, &last);
    assert_eq!(shown(&mut last.connect(), "k3"), "A F+2 ttl 60000 held 0, C F+4 ttl 90000 held 0; 0 wait");
}

fn a_promoted_replica_keeps_the_holder(kind: Kind) {
    let mut primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    let mut client = primary.connect();
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.TRY k2 A PX 1000");
    replica.wait_for(&primary);
    primary.kill9();
    let mut client = replica.connect();
    client.ask("REPLICAOF NO ONE").assert_ok();
    replica.set_clock_ms(NOON_MS + 1000);
    assert_eq!(client.ask("LOCK.TRY k B PX 60000").ints(), [0, F, 59_000]);
    assert_eq!(client.ask("LOCK.EXTEND k A PX 60000").ints(), [1, F, 60_000]);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(client.ask("LOCK.TRY k B PX 60000").ints(), [1, F + 1_000_000, 60_000]);
    assert_eq!(client.ask("LOCK.EXTEND k2 A PX 60000").ints(), [0, 0, -2]);
}

/// A replica that takes writes may have anything there; the primary's lock counts.
fn a_lock_replaces_whatever_a_replica_has_there(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica =
        Server::setup(kind).config("replica-read-only no").clock_ms(NOON_MS).replica_of(&primary).start();
    replica.wait_for(&primary);
    let mut client = replica.connect();
    client.ask("SET k x").assert_ok();
    client.ask("LPUSH s x").int();
    primary.ask("LOCK.TRY k A PX 60000");
    primary.ask("LOCK.TRY s A PX 60000 HOLDERS 2");
    primary.ask("LOCK.TRY s B PX 60000 HOLDERS 2");
    replica.wait_for(&primary);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 60000 held 0; 0 wait");
    assert_eq!(shown(&mut client, "s"), "A F+1 ttl 60000 held 0, B F+2 ttl 60000 held 0; 0 wait");
    // What has changed of a lock too, where there is none: it puts in what it says.
    client.ask("SET s x").assert_ok();
    primary.ask("LOCK.EXTEND s B PX 90000");
    replica.wait_for(&primary);
    assert_eq!(shown(&mut client, "s"), "B F+2 ttl 90000 held 0; 0 wait");
}

fn a_call_on_a_large_semaphore_is_a_small_effect(kind: Kind) {
    let primary = Server::setup(kind).tcp().aof().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    let mut client = primary.connect();
    let name = |n: usize| format!("0f8fad5b-d9cb-469f-a165-{n:012}");
    let take = |n: usize, ms: usize| format!("LOCK.TRY s {} PX {ms} HOLDERS 1024", name(n));
    client.pipeline(&(0..1000).map(|n| take(n, 60_000 + n)).collect::<Vec<_>>());
    let mut same = |what: &str, at_most: usize| {
        let before = primary.aof_bytes().len();
        let reply = client.ask(what);
        assert!(!matches!(reply, Reply::Error(_)), "{what}: {reply:?}");
        let written = primary.aof_bytes().len() - before;
        assert!(written <= at_most, "{what}: {written} bytes");
        replica.wait_for(&primary);
        let digests = [&primary, &replica].map(|server| server.ask("DEBUG DIGEST-VALUE s"));
        assert_eq!(digests[0], digests[1], "{what}");
    };
    same(&take(1000, 90_000), 300);
    same(&format!("LOCK.EXTEND s {} PX 100000", name(500)), 300);
    same(&format!("LOCK.RELEASE s {}", name(500)), 300);
    same(&take(500, 50_000), 300);
    // One that was out and is in again stands at the end, here and there.
    for server in [&primary, &replica] {
        server.set_clock_ms(NOON_MS + 50_001);
    }
    same(&take(1001, 60_000), 300);
    for server in [&primary, &replica] {
        server.set_clock_ms(NOON_MS + 60_500);
    }
    // Those that have ended meanwhile go out, each once.
    same(&take(1002, 60_000), 501 * 70 + 300);
    same(&take(1003, 60_000), 300);
    client.ask("DEBUG LOADAOF").assert_ok();
    assert_eq!(client.ask("DEBUG DIGEST-VALUE s"), replica.ask("DEBUG DIGEST-VALUE s"));
}
