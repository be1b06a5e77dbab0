//! While writes are paused nothing is granted, as nothing may be written; when the pause is over, the first that waits
//! is. All the while the server lives and time-outs are kept.

use std::thread;
use std::time::{Duration, Instant};

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::lock::queue::{PROMPT, assert_prompt, command, granted, holders, wait, wait_on, waiters, waiting};

on_every_server![
    a_release_in_a_transaction_that_pauses_is_handed_on_after_the_pause,
    a_lease_that_ends_in_a_pause_is_handed_on_after_the_pause,
    a_pause_of_everything_ends_by_itself_and_then_the_first_is_granted,
    who_asks_in_a_pause_stands_behind_who_waited_before,
    a_wait_is_over_at_its_time_in_a_pause_too,
    who_goes_away_in_a_pause_is_not_granted_after_it,
    a_server_that_waits_for_its_replica_to_shut_down_grants_nothing,
];

/// Looks again and again for three times as long as the module takes to look again itself.
#[track_caller]
fn assert_nobody_is_granted(client: &mut Client, waiting: i64) {
    let end = Instant::now() + Duration::from_millis(30);
    while Instant::now() < end {
        assert_eq!((holders(client, "k").len(), waiters(client, "k")), (0, waiting));
        thread::sleep(Duration::from_millis(1));
    }
}

/// Without a moment between the pause and A's lease of 20 ms, however busy the machine is.
#[track_caller]
fn pause_until_the_lease_is_over(client: &mut Client) {
    client.pipeline(&["MULTI", "LOCK.EXTEND k A PX 20", "CLIENT PAUSE 60000 WRITE", "EXEC"]);
    until("the lease is over", || holders(client, "k").is_empty());
}

fn a_release_in_a_transaction_that_pauses_is_handed_on_after_the_pause(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for release in
        ["LOCK.RELEASE k A", "DEL k", "EVAL redis.call('LOCK.RELEASE',KEYS[1],'A') 1 k", "FLUSHALL"]
    {
        client.ask("LOCK.TRY k A PX 60000");
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        let replies = client.pipeline(&["MULTI", release, "CLIENT PAUSE 60000 WRITE", "EXEC"]);
        replies[3].array()[1].assert_ok();
        assert_nobody_is_granted(&mut client, 1);
        let began = Instant::now();
        client.ask("CLIENT UNPAUSE").assert_ok();
        granted(&mut waiter);
        assert!(began.elapsed() < PROMPT, "{release}: {:?}", began.elapsed());
        assert_eq!(holders(&mut client, "k"), ["B"]);
        assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
        waiter.assert_in_step();
    }
}

fn a_lease_that_ends_in_a_pause_is_handed_on_after_the_pause(kind: Kind) {
    for active_expiry in [1, 0] {
        let server = Server::start(kind);
        let mut client = server.connect();
        client.ask(&format!("DEBUG SET-ACTIVE-EXPIRE {active_expiry}")).assert_ok();
        client.ask("LOCK.TRY k A PX 60000");
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        pause_until_the_lease_is_over(&mut client);
        assert_nobody_is_granted(&mut client, 1);
        let began = Instant::now();
        client.ask("CLIENT UNPAUSE").assert_ok();
        granted(&mut waiter);
        assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
        assert_eq!(holders(&mut client, "k"), ["B"]);
    }
}

fn a_pause_of_everything_ends_by_itself_and_then_the_first_is_granted(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for how in ["ALL", "WRITE"] {
        for frees in ["LOCK.RELEASE k A", "LOCK.EXTEND k A PX 10"] {
            client.ask("LOCK.TRY k A PX 60000");
            let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
            let pause = format!("CLIENT PAUSE 100 {how}");
            let replies = client.pipeline(&["MULTI", "TIME", frees, &pause, "EXEC"]);
            let time = &replies[4].array()[0];
            let time: Vec<i64> = time.array().iter().map(|part| part.text().parse().unwrap()).collect();
            assert_prompt(granted(&mut waiter), time[0] * 1000 + time[1] / 1000 + 100);
            assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
        }
    }
}

fn who_asks_in_a_pause_stands_behind_who_waited_before(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut first = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    pause_until_the_lease_is_over(&mut client);
    let mut second = server.connect();
    second.send(&args!["LOCK.ACQUIRE", "k", "C", "PX", 60_000, "BLOCK", 0]);
    until("it is put off", || client.info("clients", "blocked_clients") == "2");
    client.ask("CLIENT UNPAUSE").assert_ok();
    let fence = granted(&mut first);
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    assert!(granted(&mut second) > fence);
}

fn a_wait_is_over_at_its_time_in_a_pause_too(kind: Kind) {
    const BLOCK: Duration = Duration::from_millis(300);
    let server = Server::start(kind);
    let mut client = server.connect();
    for lease_ends in [false, true] {
        let fence = client.ask("LOCK.TRY k A PX 60000").ints()[1];
        let began = Instant::now();
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 300");
        match lease_ends {
            true => pause_until_the_lease_is_over(&mut client),
            false => client.ask("CLIENT PAUSE 60000 WRITE").assert_ok(),
        }
        let reply = waiter.read().ints();
        let took = began.elapsed();
        assert!((BLOCK..BLOCK + PROMPT).contains(&took), "{took:?}");
        // Whose lease has ended does not hold it, though nothing could be deleted yet.
        match lease_ends {
            true => assert_eq!(reply, [0, 0, -2]),
            false => assert_eq!(reply[..2], [0, fence]),
        }
        assert_eq!(waiting(&mut client), 0);
        client.ask("CLIENT UNPAUSE").assert_ok();
        waiter.assert_in_step();
        client.ask("DEL k");
    }
}

fn who_goes_away_in_a_pause_is_not_granted_after_it(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut unblocked = server.connect();
    let id = unblocked.ask("CLIENT ID").int();
    wait_on(&mut unblocked, &server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let closed = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
    let mut last = wait(&server, "LOCK.ACQUIRE k D PX 60000 BLOCK 0");
    client.pipeline(&["MULTI", "LOCK.RELEASE k A", "CLIENT PAUSE 60000 WRITE", "EXEC"]);
    assert_eq!(client.ask(&format!("CLIENT UNBLOCK {id} ERROR")).int(), 1);
    drop(closed);
    until("only the last waits", || waiters(&mut client, "k") == 1);
    assert_nobody_is_granted(&mut client, 1);
    client.ask("CLIENT UNPAUSE").assert_ok();
    granted(&mut last);
    assert!(unblocked.read().error().starts_with("UNBLOCKED "));
    assert_eq!(holders(&mut client, "k"), ["D"]);
}

/// It pauses writes until the replica has all, and that takes a while when the replica is stopped.
fn a_server_that_waits_for_its_replica_to_shut_down_grants_nothing(kind: Kind) {
    let mut primary = Server::setup(kind).tcp().start();
    let replica = Server::setup(kind).replica_of(&primary).start();
    let (mut client, mut operator) = (primary.connect(), primary.connect());
    replica.freeze();
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&primary, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    // In one write, so that nothing comes between the two.
    operator.send_bytes([command("LOCK.EXTEND k A PX 20"), command("SHUTDOWN NOSAVE")].concat().as_bytes());
    until("the lease is over", || holders(&mut client, "k").is_empty());
    assert_nobody_is_granted(&mut client, 1);
    thread::scope(|scope| {
        let ends = scope.spawn(|| primary.shutdown("NOSAVE"));
        assert_nobody_is_granted(&mut client, 1);
        replica.thaw();
        ends.join().unwrap();
    });
    waiter.assert_closed();
    let mut there = replica.connect();
    until("it has noticed", || there.info("replication", "master_link_status") == "down");
    there.ask("REPLICAOF NO ONE").assert_ok();
    assert!(there.ask("LOCK.INFO k").is_null());
}
