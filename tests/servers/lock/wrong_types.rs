//! A lock is a type of its own: what is something else is no lock and stays as it was, and a lock is nothing else.

use sluice_testing::{Client, Kind, Reply, Server, on_every_server};

use crate::lock::shown::shown;
use crate::shared::{NOON_MS, WRONG_TYPE};

on_every_server![
    what_is_no_lock_is_left_alone,
    a_limit_is_no_lock_and_a_lock_no_limit,
    a_lock_is_nothing_that_other_commands_know,
    a_lock_is_found_by_its_type,
    a_key_that_was_something_else_can_become_a_lock,
];

const LOCK_CALLS: [&str; 8] = [
    "LOCK.TRY k A PX 60000",
    "LOCK.TRY k A PX 60000 HOLDERS 1024",
    "LOCK.ACQUIRE k A PX 60000 BLOCK 0",
    "LOCK.ACQUIRE k A PX 60000 HOLDERS 2 BLOCK 60000",
    "LOCK.EXTEND k A PX 60000",
    "LOCK.EXTEND k A EX 1",
    "LOCK.RELEASE k A",
    "LOCK.INFO k",
];

const LIMIT_CALLS: [&str; 5] = [
    "RATELIMIT.ACQUIRE k LIMIT 10 EX 60",
    "RATELIMIT.ACQUIRE k LIMIT 10 EX 60 FORCE",
    "RATELIMIT.PEEK k LIMIT 10 EX 60",
    "RATELIMIT.RETURN k LIMIT 10 EX 60",
    "RATELIMIT.INFO k",
];

/// Commands that each leave something in `k` that is no lock.
const OTHERS: [&str; 12] = [
    "SET k lock",
    "SET k 1",
    "SET k 1 PX 60000",
    "APPEND k 0123456789012345678901234567890123456789012345678901234567890123456789",
    "RATELIMIT.ACQUIRE k LIMIT 10 EX 60",
    "RPUSH k A",
    "HSET k owner A",
    "SADD k 1 2 3",
    "ZADD k 1 A",
    "XADD k 1-1 owner A",
    "PFADD k a b c",
    "SETBIT k 7000 1",
];

/// What anybody can see of the key `k`.
fn picture(client: &mut Client) -> [Reply; 4] {
    ["TYPE k", "DUMP k", "PEXPIRETIME k", "OBJECT ENCODING k"].map(|line| client.ask(line))
}

#[track_caller]
fn assert_wrong(client: &mut Client, call: &str) {
    assert_eq!(client.ask(call), Reply::Error(WRONG_TYPE.to_owned()), "{call}");
}

fn what_is_no_lock_is_left_alone(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for other in OTHERS {
        assert!(!matches!(client.ask(other), Reply::Error(_)), "{other}");
        let before = picture(&mut client);
        for call in LOCK_CALLS {
            assert_wrong(&mut client, call);
            client.ask("MULTI").assert_ok();
            client.ask(call);
            assert_eq!(client.ask("EXEC").array(), [Reply::Error(WRONG_TYPE.to_owned())], "{call}");
            let words: Vec<_> = ["EVAL", "return redis.call(unpack(ARGV))", "0"].into();
            let reply = client.call(&[words, call.split(' ').collect()].concat());
            assert!(reply.error().starts_with(WRONG_TYPE), "{call}: {reply:?}");
        }
        assert_eq!(picture(&mut client), before, "{other}");
        client.ask("DEL k");
    }
    assert_eq!(client.info("sluice", "sluice_lock_granted"), "0");
    assert_eq!(client.info("sluice", "sluice_lock_refused"), "0");
    client.assert_in_step();
}

fn a_limit_is_no_lock_and_a_lock_no_limit(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints()[0], 1);
    LIMIT_CALLS.iter().for_each(|call| assert_wrong(&mut client, call));
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 60000 held 0; 0 wait");
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(client.ask(LIMIT_CALLS[0]).ints()[0], 1);
    let state = client.ask("GET k");
    LOCK_CALLS.iter().for_each(|call| assert_wrong(&mut client, call));
    assert_eq!(client.ask("GET k"), state);
    client.assert_in_step();
}

fn a_lock_is_nothing_that_other_commands_know(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints()[0], 1);
    for call in [
        "GET k",
        "STRLEN k",
        "INCR k",
        "APPEND k x",
        "GETSET k x",
        "SET k x GET",
        "SETRANGE k 0 x",
        "GETEX k PX 1",
        "GETDEL k",
        "BITCOUNT k",
        "HSET k owner B",
        "HGETALL k",
        "LPUSH k B",
        "LRANGE k 0 -1",
        "SADD k B",
        "ZADD k 1 B",
        "XADD k * owner B",
        "PFADD k B",
        "GEOADD k 1 1 B",
        "SORT k",
    ] {
        assert_wrong(&mut client, call);
    }
    // The usual lock, by those who have not changed over yet: held.
    assert!(client.ask("SET k B NX PX 60000").is_null());
    assert_eq!(client.ask("SETNX k B").int(), 0);
    assert!(client.ask("MGET k").array()[0].is_null());
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 60000 held 0; 0 wait");
    client.assert_in_step();
}

fn a_lock_is_found_by_its_type(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY lock A PX 60000");
    client.ask("LOCK.TRY semaphore A PX 60000 HOLDERS 2");
    client.ask("LOCK.TRY semaphore B PX 60000 HOLDERS 2");
    client.ask("RATELIMIT.ACQUIRE limit LIMIT 10 EX 60");
    client.ask("SET string 1").assert_ok();
    assert_eq!(client.ask("TYPE lock").text(), "sluice-lk");
    assert_eq!(client.ask("TYPE limit").text(), "string");
    let scan = client.ask("SCAN 0 COUNT 100 TYPE sluice-lk");
    let mut found: Vec<_> = scan.array()[1].array().iter().map(Reply::text).collect();
    found.sort_unstable();
    assert_eq!(found, ["lock", "semaphore"]);
    assert_eq!(client.ask("SCAN 0 COUNT 100 TYPE string").array()[1].array().len(), 2);
    assert_eq!(client.ask("OBJECT ENCODING lock").text(), "raw");
    assert_eq!(client.ask("OBJECT REFCOUNT lock").int(), 1);
}

fn a_key_that_was_something_else_can_become_a_lock(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (n, other) in OTHERS.into_iter().enumerate() {
        client.ask(other);
        assert_wrong(&mut client, "LOCK.TRY k A PX 1000");
        if n % 2 == 0 {
            client.ask("DEL k");
        } else {
            // Expired, and not removed yet.
            client.ask("PEXPIREAT k 1800000000500");
            server.set_clock_ms(NOON_MS + 501);
        }
        assert_eq!(client.ask("LOCK.TRY k A PX 1000").ints()[0], 1, "{other}");
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
        server.set_clock_ms(NOON_MS);
    }
}
