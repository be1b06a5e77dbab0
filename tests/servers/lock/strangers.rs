//! A lock is a key like any other: what an operator or a stranger may do to it makes no lock immortal, none held
//! twice, and none of anything else.

use sluice_testing::{Client, Kind, Reply, Server, on_every_server};

use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    an_expiry_set_by_a_stranger_shortens_the_lease,
    an_expiry_set_by_a_stranger_lengthens_no_lease,
    a_key_made_persistent_is_no_immortal_lock,
    the_holders_extension_puts_the_expiry_right,
    a_deleted_lock_is_free,
    a_renamed_lock_is_held_under_its_new_name_alone,
    a_lock_cannot_be_copied,
    what_overwrote_a_lock_stays,
];

/// `k` held by A for a second from noon on.
fn held(kind: Kind) -> (Server, Client) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 1000").ints(), [1, F, 1000]);
    (server, client)
}

fn an_expiry_set_by_a_stranger_shortens_the_lease(kind: Kind) {
    let (server, mut client) = held(kind);
    assert_eq!(client.ask("PEXPIRE k 300").int(), 1);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 300 held 0; 0 wait");
    assert_eq!(client.ask("LOCK.TRY k B PX 1").ints(), [0, F, 300]);
    server.set_clock_ms(NOON_MS + 300);
    assert_eq!(shown(&mut client, "k"), "free");
    assert_eq!(client.ask("LOCK.EXTEND k A PX 1000").ints(), [0, 0, -2]);
    assert_eq!(client.ask("LOCK.TRY k B PX 1").ints(), [1, F + 300_000, 1]);
    // All leases of a semaphore that would last longer, and what is left of them when one is released.
    for (owner, lease) in [("A", 500), ("B", 100), ("C", 900)] {
        assert_eq!(client.ask(&format!("LOCK.TRY s {owner} PX {lease} HOLDERS 3")).ints()[0], 1);
    }
    assert_eq!(client.ask("PEXPIRE s 200").int(), 1);
    assert_eq!(client.ask("LOCK.RELEASE s B").int(), 1);
    assert_eq!(shown(&mut client, "s"), "A F+300001 ttl 200 held 0, C F+300003 ttl 200 held 0; 0 wait");
    assert_eq!(client.ask("PTTL s").int(), 200);
    // In the past: it is gone.
    assert_eq!(client.ask("PEXPIREAT s 1").int(), 1);
    assert_eq!(shown(&mut client, "s"), "free");
}

fn an_expiry_set_by_a_stranger_lengthens_no_lease(kind: Kind) {
    let (server, mut client) = held(kind);
    assert_eq!(client.ask("PEXPIRE k 5000").int(), 1);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 1000 held 0; 0 wait");
    server.set_clock_ms(NOON_MS + 1000);
    assert_eq!(shown(&mut client, "k"), "free");
    assert_eq!(client.ask("LOCK.EXTEND k A PX 1000").ints(), [0, 0, -2]);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 0);
    assert_eq!(client.ask("LOCK.TRY k B PX 100").ints(), [1, F + 1_000_000, 100]);
    assert_eq!(client.ask("PTTL k").int(), 100);
}

fn a_key_made_persistent_is_no_immortal_lock(kind: Kind) {
    let (server, mut client) = held(kind);
    assert_eq!(client.ask("PERSIST k").int(), 1);
    assert_eq!(client.ask("PTTL k").int(), -1);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 1000 held 0; 0 wait");
    server.set_clock_ms(NOON_MS + 999);
    assert_eq!(client.ask("LOCK.TRY k B PX 100").ints(), [0, F, 1]);
    server.set_clock_ms(NOON_MS + 1000);
    assert_eq!(shown(&mut client, "k"), "free");
    assert_eq!(client.ask("LOCK.EXTEND k A PX 100").ints(), [0, 0, -2]);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 0);
    assert_eq!(client.ask("LOCK.TRY k B PX 100").ints(), [1, F + 1_000_000, 100]);
    // The next holder's key expires again.
    assert_eq!(client.ask("PTTL k").int(), 100);
}

fn the_holders_extension_puts_the_expiry_right(kind: Kind) {
    let (_server, mut client) = held(kind);
    for spoil in ["PERSIST k", "PEXPIRE k 5000", "PEXPIRE k 1"] {
        assert_eq!(client.ask(spoil).int(), 1);
        assert_eq!(client.ask("LOCK.EXTEND k A PX 700").ints(), [1, F, 700], "{spoil}");
        assert_eq!(client.ask("PTTL k").int(), 700, "{spoil}");
        assert_eq!(shown(&mut client, "k"), "A F+0 ttl 700 held 0; 0 wait", "{spoil}");
    }
}

fn a_deleted_lock_is_free(kind: Kind) {
    for by in ["DEL k", "UNLINK k", "FLUSHDB", "FLUSHALL", "FLUSHALL ASYNC", "PEXPIRE k 0"] {
        let (_server, mut client) = held(kind);
        assert!(!matches!(client.ask(by), Reply::Error(_)), "{by}");
        assert_eq!(shown(&mut client, "k"), "free", "{by}");
        assert_eq!(client.ask("LOCK.EXTEND k A PX 1000").ints(), [0, 0, -2], "{by}");
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 0, "{by}");
        assert_eq!(client.ask("LOCK.TRY k B PX 1000").ints(), [1, F + 1, 1000], "{by}");
    }
}

fn a_renamed_lock_is_held_under_its_new_name_alone(kind: Kind) {
    let (_server, mut client) = held(kind);
    client.ask("RENAME k n").assert_ok();
    assert_eq!(shown(&mut client, "k"), "free");
    assert_eq!(shown(&mut client, "n"), "A F+0 ttl 1000 held 0; 0 wait");
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 0);
    assert_eq!(client.ask("LOCK.TRY n B PX 1").ints(), [0, F, 1000]);
    assert_eq!(client.ask("LOCK.EXTEND n A PX 500").ints(), [1, F, 500]);
    assert_eq!(client.ask("MOVE n 1").int(), 1);
    assert_eq!(shown(&mut client, "n"), "free");
    client.ask("SWAPDB 0 1").assert_ok();
    assert_eq!(shown(&mut client, "n"), "A F+0 ttl 500 held 0; 0 wait");
    assert_eq!(client.ask("LOCK.RELEASE n A").int(), 1);
}

fn a_lock_cannot_be_copied(kind: Kind) {
    let (_server, mut client) = held(kind);
    client.ask("SET other 1").assert_ok();
    for copy in ["COPY k k2", "COPY k k2 DB 1", "COPY k other REPLACE"] {
        assert_eq!(client.ask(copy).error(), "ERR not supported for this module key", "{copy}");
    }
    assert_eq!(client.ask("GET other").text(), "1");
    assert_eq!(client.ask("DBSIZE").int(), 2);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 1000 held 0; 0 wait");
    client.assert_in_step();
}

fn what_overwrote_a_lock_stays(kind: Kind) {
    let (_server, mut client) = held(kind);
    client.ask("SET k ABCD").assert_ok();
    for call in [
        "LOCK.RELEASE k A",
        "LOCK.EXTEND k A PX 1000",
        "LOCK.TRY k B PX 1000",
        "LOCK.ACQUIRE k B PX 1000 BLOCK 0",
        "LOCK.INFO k",
    ] {
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(client.ask(call).error(), wrong, "{call}");
    }
    assert_eq!(client.ask("GET k").text(), "ABCD");
    assert_eq!(client.ask("PTTL k").int(), -1);
    client.assert_in_step();
}
