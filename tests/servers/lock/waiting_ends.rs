//! A wait that ends without the lock ends for good: nobody is granted a lock that nobody is left to hold, and who
//! stands behind is not kept waiting for it.

use std::time::{Duration, Instant};

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::lock::queue::{PROMPT, wait, wait_on, waiters, waiting};
use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    a_wait_is_over_at_its_time,
    a_wait_of_hours_is_over_at_its_time,
    a_wait_that_ends_with_the_lease_gets_the_lock_or_does_not,
    an_operator_ends_a_wait_with_a_reply_or_an_error,
    a_killed_client_never_holds,
    a_closed_connection_is_passed_over_without_delay,
    whose_wait_is_released_by_its_owner_never_holds,
    a_client_gives_up_by_a_release_behind_its_wait_and_another_elsewhere,
    what_is_told_at_the_end_is_what_is_so_then,
];

/// The server's own jobs run once a second here: they do not help.
fn a_wait_is_over_at_its_time(kind: Kind) {
    let server = Server::setup(kind).config("hz 1").start();
    let mut client = server.connect();
    let fence = client.ask("LOCK.TRY k A PX 60000").ints()[1];
    let limits = [100, 150, 200, 250, 300].map(Duration::from_millis);
    let mut lateness = Vec::new();
    let mut clients = limits.map(|_| server.connect());
    let began: Vec<_> = (0..)
        .zip(limits.iter().zip(&mut clients))
        .map(|(n, (limit, waiter))| {
            let began = Instant::now();
            waiter.send(&args![
                "LOCK.ACQUIRE",
                "k",
                format!("B{n}"),
                "PX",
                1,
                "BLOCK",
                limit.as_millis() as i64
            ]);
            began
        })
        .collect();
    for ((limit, waiter), began) in limits.iter().zip(&mut clients).zip(began) {
        let reply = waiter.read().ints();
        let took = began.elapsed();
        assert!(took >= *limit, "{limit:?}: {took:?}");
        assert!(took < *limit + PROMPT, "{limit:?}: {took:?}");
        lateness.push(took - *limit);
        assert_eq!(reply[..2], [0, fence]);
        assert!((59_000..=60_000 - limit.as_millis() as i64).contains(&reply[2]), "{reply:?}");
        waiter.assert_in_step();
    }
    let least = lateness.iter().min().unwrap();
    assert!(*least < Duration::from_millis(50), "{lateness:?}");
    assert_eq!(waiting(&mut client), 0);
    assert_eq!(client.info("sluice", "sluice_lock_wait_timeouts"), "5");
}

fn a_wait_of_hours_is_over_at_its_time(kind: Kind) {
    const YEAR_MS: i64 = 365 * 86_400_000;
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask(&format!("LOCK.TRY k A PX {}", 99 * YEAR_MS));
    let mut noon_ms = NOON_MS;
    for block_ms in [3_600_001, 7_200_000, YEAR_MS, 50 * YEAR_MS] {
        let mut waiter = wait(&server, &format!("LOCK.ACQUIRE k B PX 60000 BLOCK {block_ms}"));
        server.set_clock_ms(noon_ms + block_ms - 1);
        client.ask("SET canary v PX 1").assert_ok();
        assert_eq!(waiters(&mut client, "k"), 1, "{block_ms}");
        server.set_clock_ms(noon_ms + block_ms + 2);
        // The server goes through its jobs, of which this is one.
        until("the canary is dead", || client.ask("DBSIZE").int() == 1);
        assert_eq!(waiter.read().ints()[..2], [0, F], "{block_ms}");
        noon_ms += block_ms + 2;
    }
}

/// Two timers for the same millisecond, many times: whichever rings first, reply and lock agree.
fn a_wait_that_ends_with_the_lease_gets_the_lock_or_does_not(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let keys: Vec<_> = (0..100).map(|n| format!("k{n}")).collect();
    let queue = keys.iter().map(|key| {
        let mut waiter = server.connect();
        waiter.send(&args!["LOCK.ACQUIRE", key, "B", "PX", 60_000, "BLOCK", 100]);
        waiter
    });
    client.pipeline(&keys.iter().map(|key| format!("LOCK.TRY {key} A PX 100")).collect::<Vec<_>>());
    for (key, mut waiter) in keys.iter().zip(queue.collect::<Vec<_>>()) {
        let reply = waiter.read().ints();
        let held = reply[0];
        assert_eq!(client.call(&["LOCK.RELEASE", key, "B"]).int(), held, "{reply:?}");
        assert_eq!(waiters(&mut client, key), 0);
    }
}

fn an_operator_ends_a_wait_with_a_reply_or_an_error(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    for (how, block) in [("TIMEOUT", 0), ("ERROR", 0), ("TIMEOUT", 5000), ("ERROR", 5000)] {
        let (mut waiter, id) = wait_with_id(&server, &format!("LOCK.ACQUIRE k B PX 60000 BLOCK {block}"));
        assert_eq!(client.ask(&format!("CLIENT UNBLOCK {id} {how}")).int(), 1);
        match how {
            "TIMEOUT" => assert_eq!(waiter.read().ints(), [0, F, 60_000]),
            _ => assert!(waiter.read().error().starts_with("UNBLOCKED ")),
        }
        assert_eq!(client.ask(&format!("CLIENT UNBLOCK {id} {how}")).int(), 0);
        assert_eq!(waiting(&mut client), 0);
        waiter.assert_in_step();
    }
    // Who stands behind is next at once, and who was sent away never.
    let (mut first, id) = wait_with_id(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let mut second = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
    client.pipeline(&[&format!("CLIENT UNBLOCK {id} ERROR"), "LOCK.RELEASE k A"]);
    assert_eq!(second.read().ints(), [1, F + 1, 60_000]);
    assert!(first.read().error().starts_with("UNBLOCKED "));
    assert_eq!(shown(&mut client, "k"), "C F+1 ttl 60000 held 0; 0 wait");
    first.assert_in_step();
}

fn a_killed_client_never_holds(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("ACL SETUSER worker on nopass ~* +@all").assert_ok();
    client.ask("LOCK.TRY k A PX 60000");
    for how in ["CLIENT KILL ID", "CLIENT KILL USER worker", "ACL DELUSER worker"] {
        let mut killed = server.connect();
        killed.ask("AUTH worker any").assert_ok();
        let id = killed.ask("CLIENT ID").int();
        wait_on(&mut killed, &server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        let kill = if how.ends_with("ID") { format!("{how} {id}") } else { how.to_owned() };
        let mut second = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
        assert_eq!(client.ask(&kill).int(), 1, "{how}");
        until("it is gone", || waiters(&mut client, "k") == 1);
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1, "{how}");
        assert_eq!(second.read().ints()[0], 1, "{how}");
        killed.assert_closed();
        assert_eq!(client.ask("LOCK.RELEASE k B").int(), 0, "{how}");
        assert_eq!(client.ask("LOCK.RELEASE k C").int(), 1, "{how}");
        assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints()[0], 1, "{how}");
    }
}

fn a_closed_connection_is_passed_over_without_delay(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let alone = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    drop(alone);
    until("nobody waits", || waiters(&mut client, "k") == 0);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(shown(&mut client, "k"), "free");

    client.ask("LOCK.TRY k A PX 60000");
    let mut queue: Vec<_> =
        (0..6).map(|n| wait(&server, &format!("LOCK.ACQUIRE k B{n} PX 60000 BLOCK 0"))).collect();
    // The head, one behind a head that goes, one in between and the last.
    for n in [5, 3, 1, 0] {
        drop(queue.remove(n));
    }
    until("two wait", || waiters(&mut client, "k") == 2);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(shown(&mut client, "k"), "B2 F+2 ttl 60000 held 0; 1 wait");
    assert_eq!(client.ask("LOCK.RELEASE k B2").int(), 1);
    for (waiter, fence) in queue.iter_mut().zip([F + 2, F + 3]) {
        assert_eq!(waiter.read().ints(), [1, fence, 60_000]);
    }
}

fn whose_wait_is_released_by_its_owner_never_holds(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut cancelled = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let mut behind = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 0);
    assert_eq!(cancelled.read().ints(), [0, F, 60_000]);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 60000 held 0; 1 wait");
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(behind.read().ints(), [1, F + 1, 60_000]);
    assert_eq!(client.ask("LOCK.RELEASE k C").int(), 1);
    assert_eq!(shown(&mut client, "k"), "free");
    cancelled.assert_in_step();
    // In a transaction and in a script as well.
    for line in ["MULTI;LOCK.RELEASE k B;EXEC", "EVAL return{redis.call('LOCK.RELEASE',KEYS[1],'B')} 1 k"] {
        client.ask("LOCK.TRY k A PX 60000");
        let mut cancelled = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        let replies = client.pipeline(&line.split(';').collect::<Vec<_>>());
        assert_eq!(replies.last().unwrap().ints(), [0]);
        assert_eq!(cancelled.read().ints()[0], 0, "{line}");
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
        assert_eq!(shown(&mut client, "k"), "free");
    }
}

/// The server may read a RELEASE from one connection before an ACQUIRE from another: whichever way it goes, nobody
/// holds the lock afterwards and nobody waits.
fn a_client_gives_up_by_a_release_behind_its_wait_and_another_elsewhere(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let mut elsewhere = server.connect();
    for round in 0..200 {
        client.ask("LOCK.TRY k A PX 60000");
        let mut waiter = server.connect();
        waiter.send(&args!["LOCK.ACQUIRE", "k", "B", "PX", 60_000, "BLOCK", 0]);
        waiter.send(&["LOCK.RELEASE", "k", "B"]);
        if round % 2 == 0 {
            client.send(&["LOCK.RELEASE", "k", "A"]);
        }
        elsewhere.send(&["LOCK.RELEASE", "k", "B"]);
        let mut released = elsewhere.read().int();
        if round % 2 == 1 {
            client.send(&["LOCK.RELEASE", "k", "A"]);
        }
        let held = waiter.read().ints()[0];
        released += waiter.read().int();
        assert_eq!(held, released, "round {round}");
        assert_eq!(client.read().int(), 1);
        assert!(client.ask("LOCK.INFO k").is_null(), "round {round}");
    }
}

fn what_is_told_at_the_end_is_what_is_so_then(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (owner, lease) in [("A", 10_000), ("B", 20_000), ("C", 30_000)] {
        client.ask(&format!("LOCK.TRY k {owner} PX {lease} HOLDERS 3"));
    }
    let (mut waiter, id) = wait_with_id(&server, "LOCK.ACQUIRE k D PX 60000 HOLDERS 2 BLOCK 0");
    server.set_clock_ms(NOON_MS + 5_000);
    assert_eq!(client.ask("LOCK.EXTEND k A PX 50000").ints(), [1, F, 50_000]);
    assert_eq!(client.ask("LOCK.RELEASE k C").int(), 1);
    // Fewer than two will hold it when B's lease ends.
    assert_eq!(client.ask(&format!("CLIENT UNBLOCK {id}")).int(), 1);
    assert_eq!(waiter.read().ints(), [0, F + 1, 15_000]);
}

fn wait_with_id(server: &Server, acquire: &str) -> (Client, i64) {
    let mut client = server.connect();
    let id = client.ask("CLIENT ID").int();
    wait_on(&mut client, server, acquire);
    (client, id)
}
