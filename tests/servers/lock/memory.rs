//! Full memory takes no lock from anybody, and gives none to anybody else.

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::lock::shown::{F, shown};
use crate::shared::{NOON_MS, OOM};

on_every_server![
    full_memory_refuses_those_who_want_a_lock,
    full_memory_leaves_those_who_hold_one_alone,
    a_transaction_and_a_script_are_told_the_same,
    a_wait_that_began_in_time_is_granted,
];

/// A server whose memory is full, with `k` held by A, and `s` with room for one more than A.
fn full(kind: Kind) -> (Server, Client) {
    let server = Server::setup(kind).clock_ms(NOON_MS).config("maxmemory-policy noeviction").start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.TRY s A PX 60000 HOLDERS 2");
    client.ask("CONFIG SET maxmemory 1000").assert_ok();
    assert_eq!(client.ask("SET other 1").error(), OOM);
    (server, client)
}

fn full_memory_refuses_those_who_want_a_lock(kind: Kind) {
    let (_server, mut client) = full(kind);
    for line in [
        "LOCK.TRY new B PX 1000",
        "LOCK.TRY k B PX 1000",
        "LOCK.TRY k A PX 1000",
        "LOCK.TRY s B PX 1000 HOLDERS 2",
        "LOCK.ACQUIRE new B PX 1000 BLOCK 0",
        "LOCK.ACQUIRE k B PX 1000 BLOCK 0",
        "LOCK.ACQUIRE s B PX 1000 HOLDERS 2 BLOCK 60000",
    ] {
        assert_eq!(client.ask(line).error(), OOM, "{line}");
    }
    client.assert_in_step();
    assert_eq!(client.ask("DBSIZE").int(), 2);
    assert_eq!(client.info("clients", "blocked_clients"), "0");
    client.ask("CONFIG SET maxmemory 0").assert_ok();
    assert_eq!(client.ask("LOCK.TRY new B PX 1000").ints(), [1, F + 2, 1000]);
}

fn full_memory_leaves_those_who_hold_one_alone(kind: Kind) {
    let (server, mut client) = full(kind);
    server.set_clock_ms(NOON_MS + 1000);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 59000 held 1000; 0 wait");
    assert_eq!(client.ask("LOCK.EXTEND k A PX 90000").ints(), [1, F, 90_000]);
    assert_eq!(client.ask("LOCK.EXTEND k B PX 90000").ints(), [0, F, 90_000]);
    assert_eq!(client.ask("LOCK.EXTEND s A PX 90000").ints(), [1, F + 1, 90_000]);
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 0);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(client.ask("LOCK.RELEASE s A").int(), 1);
    assert_eq!(client.ask("DBSIZE").int(), 0);
}

fn a_transaction_and_a_script_are_told_the_same(kind: Kind) {
    let (_server, mut client) = full(kind);
    // Redis 7.0 queues nothing when memory is full, not a GET either: it fills up behind the queue.
    client.ask("CONFIG SET maxmemory 0").assert_ok();
    client.pipeline(&["MULTI", "LOCK.EXTEND k A PX 90000", "LOCK.RELEASE k A", "CONFIG SET maxmemory 1000"]);
    let replies = client.ask("EXEC");
    assert_eq!(replies.array()[0].ints(), [1, F, 90_000]);
    assert_eq!(replies.array()[1].int(), 1);
    let script = "return redis.call(unpack(ARGV))";
    for (words, oom) in [
        (&["LOCK.TRY", "new", "A", "PX", "1000"][..], true),
        (&["LOCK.ACQUIRE", "new", "A", "PX", "1000", "BLOCK", "0"], true),
        (&["LOCK.INFO", "s"], false),
        (&["LOCK.EXTEND", "s", "A", "PX", "1000"], false),
        (&["LOCK.RELEASE", "s", "A"], false),
    ] {
        let reply = client.call(&[&["EVAL", script, "0"], words].concat());
        let refused = format!("{reply:?}").starts_with("-OOM ");
        assert_eq!(refused, oom, "{words:?}: {reply:?}");
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);
}

fn a_wait_that_began_in_time_is_granted(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).config("maxmemory-policy noeviction").start();
    let (mut client, mut waiter) = (server.connect(), server.connect());
    client.ask("LOCK.TRY k A PX 60000");
    waiter.send(&args!["LOCK.ACQUIRE", "k", "B", "PX", 1000, "BLOCK", 0]);
    until("it waits", || shown(&mut client, "k").ends_with("1 wait"));
    client.ask("CONFIG SET maxmemory 1000").assert_ok();
    assert_eq!(client.ask("LOCK.TRY other A PX 1000").error(), OOM);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(waiter.read().ints(), [1, F + 1, 1000]);
    assert_eq!(shown(&mut client, "k"), "B F+1 ttl 1000 held 0; 0 wait");
}
