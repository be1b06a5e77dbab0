//! `HOLDERS n`: at most n at once, each with a lease of its own.

use sluice_testing::{Kind, Server, on_every_server};

use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    at_most_n_hold_and_each_end_makes_room_for_one,
    a_refusal_says_when_fewer_than_n_will_hold,
    a_release_ends_one_lease_and_no_other,
    an_extension_concerns_one_lease_and_no_other,
    an_owner_holds_one_lease_at_most,
    the_n_of_the_call_decides,
    a_thousand_and_twenty_four_hold_and_no_more,
];

fn at_most_n_hold_and_each_end_makes_room_for_one(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 100 HOLDERS 3").ints(), [1, F, 100]);
    assert_eq!(client.ask("LOCK.TRY k B PX 300 HOLDERS 3").ints(), [1, F + 1, 300]);
    assert_eq!(client.ask("LOCK.TRY k C PX 200 HOLDERS 3").ints(), [1, F + 2, 200]);
    assert_eq!(client.ask("LOCK.TRY k D PX 100 HOLDERS 3").ints(), [0, F + 2, 100]);
    server.set_clock_ms(NOON_MS + 99);
    assert_eq!(client.ask("LOCK.TRY k D PX 100 HOLDERS 3").ints(), [0, F + 2, 1]);
    server.set_clock_ms(NOON_MS + 100);
    assert_eq!(shown(&mut client, "k"), "B F+1 ttl 200 held 100, C F+2 ttl 100 held 100; 0 wait");
    assert_eq!(client.ask("LOCK.TRY k D PX 50 HOLDERS 3").ints(), [1, F + 100_000, 50]);
    assert_eq!(client.ask("LOCK.TRY k E PX 50 HOLDERS 3").ints(), [0, F + 100_000, 50]);
    // The key lives as long as the last lease.
    assert_eq!(client.ask("PTTL k").int(), 200);
    server.set_clock_ms(NOON_MS + 300);
    assert_eq!(shown(&mut client, "k"), "free");
    server.set_clock_ms(NOON_MS + 301);
    assert_eq!(client.ask("EXISTS k").int(), 0);
}

fn a_refusal_says_when_fewer_than_n_will_hold(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (owner, lease) in [("A", 300), ("B", 100), ("C", 500), ("D", 200), ("E", 400)] {
        assert_eq!(client.ask(&format!("LOCK.TRY k {owner} PX {lease} HOLDERS 5")).ints()[0], 1);
    }
    // Of 5 holders, the (5 - n + 1)th end makes room for the nth.
    for (n, retry_ms) in [(5, 100), (4, 200), (3, 300), (2, 400), (1, 500)] {
        for call in [format!("LOCK.TRY k Z PX 1 HOLDERS {n}"), format!("LOCK.TRY k Z HOLDERS {n} EX 1")] {
            assert_eq!(client.ask(&call).ints(), [0, F + 4, retry_ms], "{call}");
        }
    }
    // Without an n it is a lock. EXTEND has no n: it tells the earliest end.
    assert_eq!(client.ask("LOCK.TRY k Z PX 1").ints(), [0, F + 4, 500]);
    assert_eq!(client.ask("LOCK.EXTEND k Z PX 1").ints(), [0, F + 4, 100]);
    // Waiting just so long succeeds.
    server.set_clock_ms(NOON_MS + 399);
    assert_eq!(client.ask("LOCK.TRY k Z PX 1 HOLDERS 2").ints(), [0, F + 4, 1]);
    server.set_clock_ms(NOON_MS + 400);
    assert_eq!(client.ask("LOCK.TRY k Z PX 1 HOLDERS 2").ints(), [1, F + 400_000, 1]);
}

fn a_release_ends_one_lease_and_no_other(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for owner in ["A", "B", "C"] {
        assert_eq!(client.ask(&format!("LOCK.TRY k {owner} PX 100 HOLDERS 3")).ints()[0], 1);
    }
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 0);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 100 held 0, C F+2 ttl 100 held 0; 0 wait");
    assert_eq!(client.ask("LOCK.TRY k D PX 100 HOLDERS 3").ints(), [1, F + 3, 100]);
    assert_eq!(client.ask("LOCK.TRY k E PX 100 HOLDERS 3").ints(), [0, F + 3, 100]);
    for owner in ["C", "A", "D"] {
        assert_eq!(client.ask(&format!("LOCK.RELEASE k {owner}")).int(), 1);
    }
    assert_eq!(client.ask("EXISTS k").int(), 0);
}

fn an_extension_concerns_one_lease_and_no_other(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for owner in ["A", "B"] {
        assert_eq!(client.ask(&format!("LOCK.TRY k {owner} PX 100 HOLDERS 2")).ints()[0], 1);
    }
    assert_eq!(client.ask("LOCK.EXTEND k A PX 500").ints(), [1, F, 500]);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 500 held 0, B F+1 ttl 100 held 0; 0 wait");
    assert_eq!(client.ask("PTTL k").int(), 500);
    // The key's life follows the longest lease, also when that becomes shorter.
    assert_eq!(client.ask("LOCK.EXTEND k A PX 50").ints(), [1, F, 50]);
    assert_eq!(client.ask("PTTL k").int(), 100);
    server.set_clock_ms(NOON_MS + 50);
    assert_eq!(client.ask("LOCK.EXTEND k A PX 500").ints(), [0, F + 1, 50]);
    assert_eq!(shown(&mut client, "k"), "B F+1 ttl 50 held 50; 0 wait");
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    assert_eq!(client.ask("EXISTS k").int(), 0);
}

fn an_owner_holds_one_lease_at_most(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 100 HOLDERS 9").ints(), [1, F, 100]);
    assert_eq!(client.ask("LOCK.TRY k B PX 200 HOLDERS 9").ints(), [1, F + 1, 200]);
    // There is room, but not for those who are there.
    assert_eq!(client.ask("LOCK.TRY k A PX 900 HOLDERS 9").ints(), [0, F, 100]);
    assert_eq!(client.ask("LOCK.TRY k B PX 900 HOLDERS 1").ints(), [0, F + 1, 200]);
    assert_eq!(client.ask("LOCK.ACQUIRE k A PX 900 HOLDERS 9 BLOCK 0").ints(), [0, F, 100]);
    server.set_clock_ms(NOON_MS + 100);
    assert_eq!(client.ask("LOCK.TRY k A PX 900 HOLDERS 9").ints(), [1, F + 100_000, 900]);
    assert_eq!(shown(&mut client, "k"), "B F+1 ttl 100 held 100, A F+100000 ttl 900 held 0; 0 wait");
}

fn the_n_of_the_call_decides(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 100").ints(), [1, F, 100]);
    assert_eq!(client.ask("LOCK.TRY k B PX 100 HOLDERS 2").ints(), [1, F + 1, 100]);
    assert_eq!(client.ask("LOCK.TRY k C PX 100 HOLDERS 2").ints(), [0, F + 1, 100]);
    assert_eq!(client.ask("LOCK.TRY k C PX 100").ints(), [0, F + 1, 100]);
    assert_eq!(client.ask("LOCK.TRY k C PX 100 HOLDERS 3").ints(), [1, F + 2, 100]);
}

fn a_thousand_and_twenty_four_hold_and_no_more(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let calls: Vec<_> = (0..1024).map(|n| format!("LOCK.TRY k owner:{n} PX 1000 HOLDERS 1024")).collect();
    for (n, reply) in (0..).zip(client.pipeline(&calls)) {
        assert_eq!(reply.ints(), [1, F + n, 1000]);
    }
    assert_eq!(client.ask("LOCK.TRY k more PX 1000 HOLDERS 1024").ints(), [0, F + 1023, 1000]);
    assert_eq!(client.ask("LOCK.INFO k").pairs()[0].1.array().len(), 1024);
    let releases: Vec<_> = (0..1024).map(|n| format!("LOCK.RELEASE k owner:{n}")).collect();
    assert!(client.pipeline(&releases).iter().all(|reply| reply.int() == 1));
    assert_eq!(client.ask("EXISTS k").int(), 0);
    client.assert_in_step();
}
