//! Whatever a stranger does to the key under a waiter: the waiter is granted as soon as the lock is gone, told when
//! something else is there, and otherwise goes on waiting.

use std::time::Instant;

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server, until};

use crate::lock::queue::{PROMPT, assert_prompt, due_ms, granted, wait, wait_on, waiters, waiting};
use crate::lock::shown::{F, shown};
use crate::shared::{NOON_MS, WRONG_TYPE};

on_every_server![
    who_waits_for_a_lock_that_is_gone_is_granted_at_once,
    a_flush_grants_the_first_of_each_key,
    who_waits_for_what_is_no_lock_any_more_is_told_so,
    what_leaves_the_lock_in_place_leaves_the_waiter_waiting,
    another_lock_in_its_place_is_waited_for,
    a_shorter_expiry_of_the_key_shortens_the_wait,
    a_longer_expiry_of_the_key_or_none_does_not_lengthen_it,
    an_evicted_lock_is_granted_to_who_waits,
    who_waits_for_a_list_in_the_same_key_is_no_hindrance,
];

/// `k` is held by A, B waits for it, and the clock stands at `ms` after noon. `s` is a string and `l` a list.
fn prepare(server: &Server, client: &mut Client, ms: i64) -> Client {
    server.set_clock_ms(NOON_MS + ms);
    client.ask("FLUSHALL").assert_ok();
    assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints(), [1, F + ms * 1000, 60_000]);
    client.ask("SET s string").assert_ok();
    assert_eq!(client.ask("RPUSH l b a").int(), 2);
    wait(server, "LOCK.ACQUIRE k B PX 70000 BLOCK 10000")
}

/// Runs the commands of a line with `;` between them, none of which may fail.
#[track_caller]
fn run(client: &mut Client, line: &str) {
    for reply in client.pipeline(&line.split(';').collect::<Vec<_>>()) {
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
}

fn who_waits_for_a_lock_that_is_gone_is_granted_at_once(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let lines = [
        "DEL k",
        "UNLINK k",
        "RENAME k elsewhere",
        "RENAMENX k elsewhere",
        "MOVE k 1",
        "FLUSHDB",
        "FLUSHDB SYNC",
        "FLUSHDB ASYNC",
        "FLUSHALL",
        "FLUSHALL SYNC",
        "FLUSHALL ASYNC",
        "SWAPDB 0 1",
        "SWAPDB 1 0",
        "PEXPIRE k 0",
        "PEXPIREAT k 1",
        "SORT none STORE k",
        "SUNIONSTORE k none",
        "BITOP NOT k none",
        "EVAL return{redis.call('DEL',KEYS[1])} 1 k",
        "MULTI;DEL k;EXEC",
        "MULTI;SET k v;DEL k;EXEC",
        "SET k v;DEL k",
    ];
    for (ms, line) in (0..).step_by(1000).zip(lines) {
        let mut waiter = prepare(&server, &mut client, ms);
        let began = Instant::now();
        run(&mut client, line);
        assert_eq!(waiter.read().ints(), [1, F + ms * 1000 + 1, 70_000], "{line}");
        assert!(began.elapsed() < PROMPT, "{line}: {:?}", began.elapsed());
        let b_alone = format!("B F{:+} ttl 70000 held 0; 0 wait", ms * 1000 + 1);
        assert_eq!(shown(&mut client, "k"), b_alone, "{line}");
        waiter.assert_in_step();
    }
}

fn a_flush_grants_the_first_of_each_key(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for flush in ["FLUSHALL", "FLUSHALL ASYNC", "FLUSHDB"] {
        let mut queues = Vec::new();
        for key in ["k1", "k2", "k3"] {
            assert_eq!(client.ask(&format!("LOCK.TRY {key} A PX 60000")).ints()[0], 1);
            queues.push(
                ["B", "C"].map(|owner| wait(&server, &format!("LOCK.ACQUIRE {key} {owner} EX 60 BLOCK 0"))),
            );
        }
        client.ask(flush).assert_ok();
        for (key, [first, _second]) in ["k1", "k2", "k3"].iter().zip(&mut queues) {
            granted(first);
            assert_eq!(waiters(&mut client, key), 1, "{flush}");
        }
        drop(queues);
        until("nobody waits", || waiting(&mut client) == 0);
        client.ask("FLUSHALL").assert_ok();
    }
}

fn who_waits_for_what_is_no_lock_any_more_is_told_so(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("SET k string").assert_ok();
    let string = client.ask("DUMP k").bytes().to_vec();
    let lines = [
        "SET k string",
        "SET k string KEEPTTL",
        "MSET k string",
        "SETEX k 60 string",
        "RENAME s k",
        "COPY s k REPLACE",
        "MULTI;SET k string;EXEC",
        "SELECT 1;SET k string;SELECT 0;SWAPDB 0 1",
        "RESTORE k 0 REPLACE",
        "SORT l ALPHA STORE k",
    ];
    for (ms, line) in (0..).step_by(1000).zip(lines) {
        let mut waiter = prepare(&server, &mut client, ms);
        let mut second = wait(&server, "LOCK.ACQUIRE k C PX 70000 BLOCK 10000");
        match line {
            "RESTORE k 0 REPLACE" => {
                client.call(&args!["RESTORE", "k", 0, string, "REPLACE"]).assert_ok();
            }
            _ => run(&mut client, line),
        }
        for waiter in [&mut waiter, &mut second] {
            assert_eq!(waiter.read().error(), WRONG_TYPE, "{line}");
            waiter.assert_in_step();
        }
        match client.ask("TYPE k").text() {
            "string" => assert_eq!(client.ask("GET k").text(), "string", "{line}"),
            "list" => assert_eq!(format!("{:?}", client.ask("LRANGE k 0 -1")), r#"["a", "b"]"#),
            other => panic!("{line}: {other}"),
        }
        assert_eq!(waiting(&mut client), 0, "{line}");
    }
}

fn what_leaves_the_lock_in_place_leaves_the_waiter_waiting(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let lines = [
        "DEL s",
        "RENAME k k",
        "MOVE s 1",
        "SELECT 1;FLUSHDB;SET k v;DEL k;SELECT 0",
        "SWAPDB 1 2",
        "SWAPDB 0 1;SWAPDB 0 1",
        "RENAME k other;RENAME other k",
        "EXPIRE k 100000",
        "PERSIST k",
        "DEBUG RELOAD",
        "MULTI;LOCK.RELEASE k A;LOCK.TRY k A PX 60000;EXEC",
        "LOCK.RELEASE k X",
        "LOCK.EXTEND k X PX 1",
        "LOCK.EXTEND k A PX 60000",
    ];
    for (ms, line) in (0..).step_by(1000).zip(lines) {
        let mut waiter = prepare(&server, &mut client, ms);
        run(&mut client, line);
        // A waiter of another lock that is granted in the same way comes later than this one would.
        client.ask("LOCK.TRY canary A PX 60000");
        let mut canary = wait(&server, "LOCK.ACQUIRE canary B PX 1 BLOCK 10000");
        client.ask("DEL canary");
        granted(&mut canary);
        assert_eq!(waiters(&mut client, "k"), 1, "{line}");
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1, "{line}");
        granted(&mut waiter);
    }
}

fn another_lock_in_its_place_is_waited_for(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY other C PX 60000");
    let other = client.ask("DUMP other").bytes().to_vec();
    for line in ["RESTORE", "RENAME other k", "SWAPDB 0 1"] {
        client.ask("LOCK.TRY k A PX 60000");
        client.ask("LOCK.TRY other C PX 60000");
        let mut waiter = server.connect();
        match line {
            "RESTORE" => {
                wait_on(&mut waiter, &server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
                client.call(&args!["RESTORE", "k", 60_000, other, "REPLACE"]).assert_ok();
            }
            "SWAPDB 0 1" => {
                client.ask("RENAME other k2").assert_ok();
                run(&mut client, "SELECT 1;LOCK.TRY k C PX 60000;SELECT 0");
                wait_on(&mut waiter, &server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
                client.ask(line).assert_ok();
            }
            _ => {
                wait_on(&mut waiter, &server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
                client.ask(line).assert_ok();
            }
        }
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 0, "{line}");
        assert_eq!(waiters(&mut client, "k"), 1, "{line}");
        // Its end is what counts now.
        let due_ms = due_ms(&mut client, "LOCK.EXTEND k C PX 50");
        assert_prompt(granted(&mut waiter), due_ms);
        client.ask("FLUSHALL").assert_ok();
    }
}

fn a_shorter_expiry_of_the_key_shortens_the_wait(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (active_expiry, late_ms) in [(1, 0), (0, 1000)] {
        client.ask(&format!("DEBUG SET-ACTIVE-EXPIRE {active_expiry}")).assert_ok();
        client.ask("LOCK.TRY k A PX 60000");
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
        let due_ms = due_ms(&mut client, "PEXPIRE k 50");
        let fence = granted(&mut waiter);
        assert!(fence >= due_ms * 1000);
        // Nothing tells of an expiry that was set. When nothing removes the key either, a look once a second does.
        assert_prompt(fence.max((due_ms + late_ms) * 1000), due_ms + late_ms);
        client.ask("DEL k");
    }
}

fn a_longer_expiry_of_the_key_or_none_does_not_lengthen_it(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for line in ["PERSIST k", "EXPIRE k 100000"] {
        let due_ms = due_ms(&mut client, "LOCK.TRY k A PX 500");
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
        assert_eq!(client.ask(line).int(), 1, "{line}");
        assert_prompt(granted(&mut waiter), due_ms);
        assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    }
}

fn an_evicted_lock_is_granted_to_who_waits(kind: Kind) {
    let server = Server::setup(kind).config("maxmemory-policy volatile-ttl").start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
    client.ask("CONFIG SET maxmemory 1").assert_ok();
    granted(&mut waiter);
    client.ask("CONFIG SET maxmemory 0").assert_ok();
    assert_eq!(waiting(&mut client), 0);
}

fn who_waits_for_a_list_in_the_same_key_is_no_hindrance(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let mut pops = server.connect();
    pops.send(&["BLPOP", "k", "0"]);
    until("it waits", || client.info("clients", "blocked_clients") == "1");
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
    // The element is gone as soon as it is there, and with it the list.
    run(&mut client, "MULTI;DEL k;RPUSH k element;EXEC");
    assert_eq!(format!("{:?}", pops.read()), r#"["k", "element"]"#);
    granted(&mut waiter);
    // And a lock that comes and goes wakes nobody who waits for a list.
    pops.send(&["BLPOP", "other", "0"]);
    run(&mut client, "LOCK.TRY other A PX 60000;LOCK.RELEASE other A;RPUSH other element");
    assert_eq!(format!("{:?}", pops.read()), r#"["other", "element"]"#);
    pops.assert_in_step();
    waiter.assert_in_step();
}
