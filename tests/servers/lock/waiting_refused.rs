//! A grant is a write: where a client's write would be refused, nobody who waits is granted.

use std::thread;
use std::time::Duration;

use sluice_testing::{Client, Kind, Server, on_every_server, until};

use crate::lock::queue::{granted, holders, wait, waiters};

on_every_server![
    without_enough_replicas_nobody_is_granted,
    after_a_failed_snapshot_nobody_is_granted,
    whose_rights_are_taken_away_is_not_granted,
    whose_user_is_gone_is_not_granted,
    a_command_that_is_renamed_is_no_refusal,
];

/// Long enough for several looks.
const LONG: Duration = Duration::from_millis(1_500);

fn assert_waits(client: &mut Client) {
    thread::sleep(LONG);
    assert_eq!((waiters(client, "k"), holders(client, "k").len()), (1, 0));
}

fn without_enough_replicas_nobody_is_granted(kind: Kind) {
    let primary = Server::setup(kind).tcp().start();
    let replica = Server::setup(kind).replica_of(&primary).start();
    replica.wait_for(&primary);
    let mut client = primary.connect();
    client.ask("LOCK.TRY k A PX 300");
    let mut waiter = wait(&primary, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    replica.ask("REPLICAOF NO ONE").assert_ok();
    until("the replica has gone", || client.info("replication", "connected_slaves") == "0");
    client.ask("CONFIG SET min-replicas-to-write 1").assert_ok();
    assert!(client.ask("SET s x").error().starts_with("NOREPLICAS "));
    assert!(client.ask("LOCK.TRY l A PX 300").error().starts_with("NOREPLICAS "));
    assert_waits(&mut client);
    client.ask("CONFIG SET min-replicas-to-write 0").assert_ok();
    granted(&mut waiter);
}

fn after_a_failed_snapshot_nobody_is_granted(kind: Kind) {
    let server = Server::setup(kind).config("save 3600 1000000").start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 300");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    // A folder in place of the file.
    let file = server.dir().join(client.ask("CONFIG GET dbfilename").pairs()[0].1.text());
    std::fs::create_dir_all(file.join("x")).unwrap();
    client.ask("BGSAVE");
    until("the snapshot has failed", || client.info("persistence", "rdb_last_bgsave_status") == "err");
    assert!(client.ask("SET s x").error().starts_with("MISCONF "));
    assert_waits(&mut client);
    client.ask("CONFIG SET stop-writes-on-bgsave-error no").assert_ok();
    granted(&mut waiter);
}

/// Whoever is behind one that has lost its rights is next.
fn whose_rights_are_taken_away_is_not_granted(kind: Kind) {
    for line in
        ["ACL SETUSER bob nocommands", "ACL SETUSER bob resetkeys", "ACL SETUSER bob resetkeys ~other"]
    {
        let server = Server::start(kind);
        let mut client = server.connect();
        client.ask("ACL SETUSER bob on nopass ~* +@all").assert_ok();
        client.ask("LOCK.TRY k A PX 60000");
        let mut bob = server.connect();
        bob.ask("AUTH bob any").assert_ok();
        crate::lock::queue::wait_on(&mut bob, &server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        let mut behind = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
        client.ask(line).assert_ok();
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
        let refused = bob.read();
        assert_eq!(
            refused.error(),
            "NOPERM this user may no longer take the lock it has waited for",
            "{line}"
        );
        granted(&mut behind);
        assert_eq!(holders(&mut client, "k"), ["C"], "{line}");
    }
}

/// The server closes the connections of a user that it deletes.
fn whose_user_is_gone_is_not_granted(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    client.ask("ACL SETUSER bob on nopass ~* +@all").assert_ok();
    client.ask("LOCK.TRY k A PX 60000");
    let mut bob = server.connect();
    bob.ask("AUTH bob any").assert_ok();
    crate::lock::queue::wait_on(&mut bob, &server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let replies = client.pipeline(&["ACL DELUSER bob", "LOCK.RELEASE k A"]);
    assert_eq!((replies[0].int(), replies[1].int()), (1, 1));
    bob.assert_closed();
    until("nobody holds it", || client.ask("LOCK.INFO k").is_null());
}

/// The write that is tried first may go by another name; then nothing can be asked of the server, and it grants.
fn a_command_that_is_renamed_is_no_refusal(kind: Kind) {
    let server = Server::setup(kind).config("rename-command SETRANGE \"\"").start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 300");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    granted(&mut waiter);
    assert_eq!(holders(&mut client, "k"), ["B"]);
}
