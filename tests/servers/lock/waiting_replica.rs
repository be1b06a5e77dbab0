//! On a read-only replica nothing is granted and nothing written, whoever waits there.

use sluice_testing::{Kind, Server, on_every_server, until};

use crate::lock::queue::{granted, holders, wait, waiting};

on_every_server![
    who_waits_on_a_replica_that_takes_no_writes_any_more_is_sent_away,
    a_module_that_waits_on_a_server_that_becomes_a_replica_is_told,
];

const SENT_AWAY: &str = "UNBLOCKED this server has become a read-only replica, wait on the primary";

/// The lease is the primary's: when it ends, its key reads as absent on the replica and is still there.
fn who_waits_on_a_replica_that_takes_no_writes_any_more_is_sent_away(kind: Kind) {
    let primary = Server::setup(kind).tcp().start();
    let replica = Server::setup(kind).config("replica-read-only no").replica_of(&primary).start();
    let mut client = replica.connect();
    for (lease_ms, read_only_first) in [(60_000, true), (300, false)] {
        primary.ask(&format!("LOCK.TRY k A PX {lease_ms}"));
        replica.wait_for(&primary);
        let mut waiter = wait(&replica, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        client.ask("CONFIG SET replica-read-only yes").assert_ok();
        if read_only_first {
            // Long before the lease ends.
            assert_eq!(waiter.read().error(), SENT_AWAY);
        } else {
            until("the lease is over", || holders(&mut client, "k").is_empty());
            assert_eq!(waiter.read().error(), SENT_AWAY);
        }
        waiter.assert_in_step();
        assert_eq!(waiting(&mut client), 0);
        primary.ask("DEL k");
        replica.wait_for(&primary);
        client.ask("CONFIG SET replica-read-only no").assert_ok();
    }
    // The replica lives, and as a primary it grants.
    client.ask("REPLICAOF NO ONE").assert_ok();
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&replica, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    granted(&mut waiter);
}

/// REPLICAOF sends clients away; the wait of a module has no client.
fn a_module_that_waits_on_a_server_that_becomes_a_replica_is_told(kind: Kind) {
    if kind == Kind::Redis70 {
        return; // no module can ask to wait there
    }
    let primary = Server::setup(kind).tcp().start();
    let caller = format!("loadmodule {}", sluice_testing::c::caller().display());
    let server = Server::setup(kind).config(&caller).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    assert_eq!(client.ask("CALLER.CALL Kv LOCK.ACQUIRE k B PX 60000 BLOCK 0").text(), "waits");
    client.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).assert_ok();
    until("nobody waits", || waiting(&mut client) == 0);
    until("it is a copy", || client.info("replication", "master_link_status") == "up");
    assert_eq!(client.ask("DBSIZE").int(), 0);
}
