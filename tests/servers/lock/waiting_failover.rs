//! A wait ends with the server that it is on: when that becomes a replica, shuts down or dies, nobody who waited there
//! holds the lock on any server.

use sluice_testing::{Client, Kind, Server, on_every_server, until};

use crate::lock::queue::{command, granted, holders, wait, waiters, waiting};

on_every_server![
    a_server_that_becomes_a_replica_sends_all_who_wait_away,
    a_failover_leaves_the_lock_with_its_holder_alone,
    a_lease_that_ends_in_a_failover_goes_to_nobody_who_waited,
    a_lease_that_ends_in_a_failover_that_is_called_off_is_handed_on,
    a_writable_replica_keeps_its_waiters_in_order,
    a_server_that_is_killed_forgets_who_waited,
    a_server_shuts_down_whoever_waits,
];

#[track_caller]
fn assert_sent_away(waiter: &mut Client) {
    assert!(waiter.read().error().starts_with("UNBLOCKED "));
    waiter.assert_closed();
}

fn a_server_that_becomes_a_replica_sends_all_who_wait_away(kind: Kind) {
    let primary = Server::setup(kind).tcp().start();
    let server = Server::start(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.TRY other A PX 60000");
    let mut queue = [
        wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0"),
        wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0"),
        wait(&server, "LOCK.ACQUIRE other B PX 60000 BLOCK 5000"),
    ];
    client.ask(&format!("REPLICAOF 127.0.0.1 {}", primary.port())).assert_ok();
    queue.iter_mut().for_each(assert_sent_away);
    assert_eq!(waiting(&mut client), 0);
    until("it is a copy", || client.info("replication", "master_link_status") == "up");
    assert_eq!(client.ask("DBSIZE").int(), 0);
    let acquire = "LOCK.ACQUIRE k B PX 60000 BLOCK 0";
    assert!(client.ask(acquire).error().starts_with("READONLY "));
    // Nor does any of them hold it when the server is its own master again.
    client.ask("REPLICAOF NO ONE").assert_ok();
    assert_eq!(holders(&mut client, "k"), [""; 0]);
    assert_eq!(client.ask(acquire).ints()[0], 1);
}

fn a_failover_leaves_the_lock_with_its_holder_alone(kind: Kind) {
    let (primary, replica) = pair(kind);
    let (mut old, mut new) = (primary.connect(), replica.connect());
    let fence = old.ask("LOCK.TRY k A PX 60000").ints()[1];
    let mut waiter = wait(&primary, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    replica.wait_for(&primary);
    old.ask("FAILOVER").assert_ok();
    assert_sent_away(&mut waiter);
    until("the roles have changed", || new.info("replication", "role") == "master");
    until("the old one follows", || old.info("replication", "master_link_status") == "up");
    for client in [&mut old, &mut new] {
        assert_eq!(holders(client, "k"), ["A"]);
        assert_eq!(waiters(client, "k"), 0);
    }
    // Waiting goes on there, and fences go on growing.
    let mut waiter = wait(&replica, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    assert_eq!(new.ask("LOCK.RELEASE k A").int(), 1);
    assert!(granted(&mut waiter) > fence);
    primary.wait_for(&replica);
    assert_eq!(holders(&mut old, "k"), ["B"]);
}

fn a_lease_that_ends_in_a_failover_goes_to_nobody_who_waited(kind: Kind) {
    let (primary, replica) = pair(kind);
    let (mut old, mut new) = (primary.connect(), replica.connect());
    replica.freeze();
    old.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&primary, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    begin_to_fail_over(&mut old);
    assert_eq!(old.info("replication", "master_failover_state"), "waiting-for-sync");
    until("the lease is over", || holders(&mut old, "k").is_empty());
    assert_eq!(waiters(&mut old, "k"), 1);
    replica.thaw();
    assert_sent_away(&mut waiter);
    until("the roles have changed", || new.info("replication", "role") == "master");
    until("the old one follows", || old.info("replication", "master_link_status") == "up");
    for client in [&mut old, &mut new] {
        assert!(client.ask("LOCK.INFO k").is_null());
    }
}

fn a_lease_that_ends_in_a_failover_that_is_called_off_is_handed_on(kind: Kind) {
    let (primary, replica) = pair(kind);
    let mut client = primary.connect();
    replica.freeze();
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&primary, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    begin_to_fail_over(&mut client);
    until("the lease is over", || holders(&mut client, "k").is_empty());
    client.ask("FAILOVER ABORT").assert_ok();
    granted(&mut waiter);
    replica.thaw();
    replica.wait_for(&primary);
    assert_eq!(holders(&mut replica.connect(), "k"), ["B"]);
}

/// Nobody should, but it can be set up, and must not stop the server.
fn a_writable_replica_keeps_its_waiters_in_order(kind: Kind) {
    let primary = Server::setup(kind).tcp().start();
    let replica = Server::setup(kind).config("replica-read-only no").replica_of(&primary).start();
    let mut client = replica.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut queue = ["B PX 50", "C PX 60000", "D PX 60000"]
        .map(|words| wait(&replica, &format!("LOCK.ACQUIRE k {words} BLOCK 0")));
    let [first, second, third] = queue.each_mut();
    assert_eq!(client.ask("LOCK.EXTEND k A PX 50").ints()[0], 1);
    assert!(granted(first) < granted(second));
    assert_eq!(client.ask("LOCK.RELEASE k C").int(), 1);
    granted(third);
    assert_eq!(holders(&mut client, "k"), ["D"]);
    assert_eq!(primary.connect().ask("DBSIZE").int(), 0);
}

fn a_server_that_is_killed_forgets_who_waited(kind: Kind) {
    let mut server = Server::setup(kind).aof().start();
    let fence = server.connect().ask("LOCK.TRY k A PX 60000").ints()[1];
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    server.kill9();
    waiter.assert_closed();
    server.start_again();
    let mut client = server.connect();
    assert_eq!(holders(&mut client, "k"), ["A"]);
    assert_eq!(waiting(&mut client), 0);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert!(client.ask("LOCK.INFO k").is_null());
    assert!(client.ask("LOCK.ACQUIRE k B PX 60000 BLOCK 0").ints()[1] > fence);
}

fn a_server_shuts_down_whoever_waits(kind: Kind) {
    for how in ["SAVE", "NOSAVE"] {
        let mut server = Server::start(kind);
        server.connect().ask("LOCK.TRY k A PX 60000");
        let mut queue: Vec<_> = (0..20)
            .map(|n| wait(&server, &format!("LOCK.ACQUIRE k B{n} PX 60000 BLOCK {}", n * 1000)))
            .collect();
        server.shutdown(how);
        queue.iter_mut().for_each(Client::assert_closed);
        server.start_again();
        let mut client = server.connect();
        assert_eq!(holders(&mut client, "k").len(), usize::from(how == "SAVE"));
        assert_eq!(waiting(&mut client), 0);
    }
}

/// Without a moment between the failover and A's lease of 20 ms, however busy the machine is.
#[track_caller]
fn begin_to_fail_over(client: &mut Client) {
    let lines = ["LOCK.EXTEND k A PX 20", "FAILOVER"].map(command);
    client.send_bytes(lines.concat().as_bytes());
    assert_eq!(client.read().ints()[0], 1);
    client.read().assert_ok();
}

fn pair(kind: Kind) -> (Server, Server) {
    let primary = Server::setup(kind).tcp().start();
    let replica = Server::setup(kind).tcp().replica_of(&primary).start();
    (primary, replica)
}
