//! Who waits in LOCK.ACQUIRE gets the lock when it is free, with the whole lease; and others see that somebody waits.

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::lock::queue::{assert_prompt, due_ms, granted, wait, wait_on, waiters, waiting};
use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    a_release_grants_in_the_same_step,
    the_lease_starts_at_the_grant,
    the_end_of_a_lease_grants_at_once,
    the_holder_can_move_the_end_both_ways,
    the_end_of_one_of_several_leases_makes_room,
    names_of_any_bytes_wait_as_others,
    a_wait_without_an_end_has_none,
    info_counts_those_that_wait,
    the_holder_is_answered_at_once,
    an_owner_that_asks_again_ends_its_older_wait_and_keeps_its_place,
    equal_names_in_other_databases_are_other_locks,
    a_granted_wait_is_not_checked_for_memory_again,
    no_more_wait_than_the_setting_allows,
    no_more_wait_in_all_than_the_setting_allows,
    info_shows_the_first_hundred_that_wait,
];

fn a_release_grants_in_the_same_step(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints(), [1, F, 60_000]);
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 70000 BLOCK 0");
    // Nothing comes between the release and the grant, not even for the one who releases.
    let replies = client.pipeline(&["LOCK.RELEASE k A", "PEXPIRETIME k", "LOCK.TRY k C PX 1"]);
    assert_eq!(replies[..2].iter().map(|reply| reply.int()).collect::<Vec<_>>(), [1, NOON_MS + 70_000]);
    assert_eq!(replies[2].ints(), [0, F + 1, 70_000]);
    assert_eq!(waiter.read().ints(), [1, F + 1, 70_000]);
    assert_eq!(shown(&mut client, "k"), "B F+1 ttl 70000 held 0; 0 wait");
    waiter.assert_in_step();
    // And nothing in what replicas and the append-only file are told.
    let load = |owner, fence, lease| format!("LOCK.LOAD k 1 {owner} {fence} {} {NOON_MS}", NOON_MS + lease);
    assert_eq!(server.aof_commands(), [load("A", F, 60_000), load("B", F + 1, 70_000)]);
}

fn the_lease_starts_at_the_grant(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B EX 5 BLOCK 0");
    server.set_clock_ms(NOON_MS + 50_000);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(waiter.read().ints(), [1, F + 50_000_000, 5_000]);
    assert_eq!(shown(&mut client, "k"), "B F+50000000 ttl 5000 held 0; 0 wait");
    assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 55_000);
}

/// The server's own jobs run once a second here: neither they nor anybody's command help.
fn the_end_of_a_lease_grants_at_once(kind: Kind) {
    for active_expiry in [1, 0] {
        let server = Server::setup(kind).config("hz 1").start();
        let mut client = server.connect();
        client.ask(&format!("DEBUG SET-ACTIVE-EXPIRE {active_expiry}")).assert_ok();
        let due_ms = due_ms(&mut client, "LOCK.TRY k A PX 500");
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
        assert_prompt(granted(&mut waiter), due_ms);
    }
}

fn the_holder_can_move_the_end_both_ways(kind: Kind) {
    let server = Server::setup(kind).config("hz 1").start();
    let mut client = server.connect();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0").assert_ok();
    for [first_ms, then_ms] in [[500, 800], [60_000, 50]] {
        client.ask(&format!("LOCK.TRY k A PX {first_ms}"));
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
        let due_ms = due_ms(&mut client, &format!("LOCK.EXTEND k A PX {then_ms}"));
        assert_prompt(granted(&mut waiter), due_ms);
        assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    }
}

/// The key itself goes on living, so no expiry tells of it.
fn the_end_of_one_of_several_leases_makes_room(kind: Kind) {
    let server = Server::setup(kind).config("hz 1").start();
    let mut client = server.connect();
    let [mut first_ms, mut last_ms] = [0; 2];
    for (owner, lease_ms) in [("A3", 600), ("A2", 500), ("A1", 400)] {
        let fence = client.ask(&format!("LOCK.TRY k {owner} PX {lease_ms} HOLDERS 3")).ints()[1];
        first_ms = fence / 1000 + lease_ms;
        last_ms = first_ms.max(last_ms);
    }
    let mut for_three = wait(&server, "LOCK.ACQUIRE k B PX 60000 HOLDERS 3 BLOCK 10000");
    let mut for_two = wait(&server, "LOCK.ACQUIRE k C PX 60000 HOLDERS 2 BLOCK 10000");
    assert_prompt(granted(&mut for_three), first_ms);
    assert_prompt(granted(&mut for_two), last_ms);
}

fn names_of_any_bytes_wait_as_others(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let (key, owner) = (b"k\0\r\n\xff", [b'\0'; 512]);
    for frees in
        [&args!["LOCK.RELEASE", key, "A"][..], &args!["LOCK.EXTEND", key, "A", "PX", 1], &args!["DEL", key]]
    {
        client.call(&args!["LOCK.TRY", key, "A", "PX", 60_000]);
        let mut waiter = server.connect();
        waiter.send(&args!["LOCK.ACQUIRE", key, owner, "PX", 60_000, "BLOCK", 10_000]);
        until("it waits", || waiting(&mut client) == 1);
        client.call(frees);
        granted(&mut waiter);
        assert_eq!(client.call(&args!["LOCK.RELEASE", key, owner]).int(), 1);
    }
}

fn a_wait_without_an_end_has_none(kind: Kind) {
    const YEARS_90_MS: i64 = 90 * 365 * 86_400_000;
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 3155760000000");
    let mut waiters = [
        wait(&server, "LOCK.ACQUIRE k B PX 1000 BLOCK 0"),
        wait(&server, "LOCK.ACQUIRE k C PX 3155760000000 BLOCK 3155760000000"),
    ];
    client.ask("SET canary v PX 1").assert_ok();
    server.set_clock_ms(NOON_MS + YEARS_90_MS);
    until("the server has done its jobs at the new time", || client.ask("DBSIZE").int() == 1);
    assert_eq!(waiting(&mut client), 2);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(waiters[0].read().ints(), [1, F + YEARS_90_MS * 1000, 1000]);
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    assert_eq!(waiters[1].read().ints(), [1, F + YEARS_90_MS * 1000 + 1, 3_155_760_000_000]);
}

fn info_counts_those_that_wait(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.TRY other A PX 60000");
    let mut queue = Vec::new();
    for n in 1..=3 {
        queue.push(wait(&server, &format!("LOCK.ACQUIRE k B{n} PX 60000 BLOCK 0")));
        assert_eq!(shown(&mut client, "k"), format!("A F+0 ttl 60000 held 0; {n} wait"));
        assert_eq!(shown(&mut client, "other"), "A F+1 ttl 60000 held 0; 0 wait");
        assert_eq!(waiting(&mut client), n);
    }
    // Nobody holds it, but it is not nil: somebody waits.
    let replies = client.pipeline(&["DEL k", "LOCK.INFO k"]);
    let info = replies[1].pairs();
    assert_eq!(format!("{:?} {:?}", info[0].1, info[1].1), "[] 3");
    assert_eq!(granted(&mut queue[0]), F + 2);
    assert_eq!(shown(&mut client, "k"), "B1 F+2 ttl 60000 held 0; 2 wait");
    drop(queue);
    until("nobody waits", || waiting(&mut client) == 0);
    assert_eq!(shown(&mut client, "k"), "B1 F+2 ttl 60000 held 0; 0 wait");
}

fn the_holder_is_answered_at_once(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for owner in ["A", "B"] {
        client.ask(&format!("LOCK.TRY k {owner} PX 60000 HOLDERS 2"));
    }
    server.set_clock_ms(NOON_MS + 1);
    assert_eq!(client.ask("LOCK.ACQUIRE k A PX 9 BLOCK 1000 HOLDERS 2").ints(), [0, F, 59_999]);
    let waiter = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
    assert_eq!(client.ask("LOCK.ACQUIRE k A PX 9 BLOCK 0").ints(), [0, F, 59_999]);
    assert_eq!(client.ask("LOCK.TRY k A PX 9").ints(), [0, F, 59_999]);
    assert_eq!(client.ask("LOCK.ACQUIRE k B PX 9 BLOCK 0").ints(), [0, F + 1, 59_999]);
    assert_eq!(waiters(&mut client, "k"), 1);
    drop(waiter);
}

fn an_owner_that_asks_again_ends_its_older_wait_and_keeps_its_place(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut older = wait(&server, "LOCK.ACQUIRE k B PX 1000 BLOCK 0");
    let mut other = wait(&server, "LOCK.ACQUIRE k C PX 2000 BLOCK 0");
    let mut newer = server.connect();
    newer.send(&args!["LOCK.ACQUIRE", "k", "B", "PX", 3000, "BLOCK", 0]);
    assert_eq!(older.read().ints(), [0, F, 60_000]);
    assert_eq!(waiters(&mut client, "k"), 2);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(newer.read().ints(), [1, F + 1, 3000]);
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    assert_eq!(other.read().ints(), [1, F + 2, 2000]);
    for client in [&mut older, &mut newer, &mut other] {
        client.assert_in_step();
    }
}

fn equal_names_in_other_databases_are_other_locks(kind: Kind) {
    let server = Server::start(kind);
    let mut queue = Vec::new();
    for db in 0..3 {
        let mut holder = server.connect();
        holder.ask(&format!("SELECT {db}")).assert_ok();
        assert_eq!(holder.ask(&format!("LOCK.TRY k A{db} PX 60000")).ints()[0], 1);
        let mut waiter = server.connect();
        waiter.ask(&format!("SELECT {db}")).assert_ok();
        wait_on(&mut waiter, &server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        queue.push((holder, waiter));
    }
    // By a release, by an end of its own, and by a stranger.
    let end = |holder: &mut Client, line: &str| assert_ne!(holder.ask(line).ints()[0], 0, "{line}");
    assert_eq!(queue[1].0.ask("LOCK.RELEASE k A1").int(), 1);
    granted(&mut queue[1].1);
    assert_eq!(waiting(&mut queue[0].0), 2);
    end(&mut queue[2].0, "LOCK.EXTEND k A2 PX 1");
    granted(&mut queue[2].1);
    assert_eq!(waiting(&mut queue[0].0), 1);
    queue[2].0.ask("FLUSHDB").assert_ok();
    assert_eq!(waiting(&mut queue[0].0), 1);
    queue[0].0.ask("FLUSHDB").assert_ok();
    granted(&mut queue[0].1);
    for (db, holder) in [(0, "B"), (1, "B")] {
        assert_eq!(queue[db].0.ask(&format!("LOCK.RELEASE k {holder}")).int(), 1);
        assert_eq!(queue[db].0.ask("DBSIZE").int(), 0);
    }
}

fn a_granted_wait_is_not_checked_for_memory_again(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for line in ["LOCK.TRY k A PX 60000", "LOCK.TRY l A PX 60000"] {
        assert_eq!(client.ask(line).ints()[0], 1);
    }
    let mut by_release = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let mut by_time = wait(&server, "LOCK.ACQUIRE l B PX 60000 BLOCK 0");
    client.ask("CONFIG SET maxmemory 1").assert_ok();
    assert!(client.ask("LOCK.ACQUIRE k C PX 60000 BLOCK 0").error().starts_with("OOM "));
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(client.ask("LOCK.EXTEND l A PX 1").ints()[0], 1);
    granted(&mut by_release);
    granted(&mut by_time);
}

fn no_more_wait_than_the_setting_allows(kind: Kind) {
    let server = Server::setup(kind).module_args("max-waiters 2").start();
    let mut client = server.connect();
    let full = "ERR too many clients wait for this lock, see the setting sluice.max-waiters";
    for line in ["LOCK.TRY k A PX 60000", "LOCK.TRY other A PX 60000"] {
        assert_eq!(client.ask(line).ints()[0], 1);
    }
    let mut first = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let mut second = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
    assert_eq!(client.ask("LOCK.ACQUIRE k D PX 60000 BLOCK 0").error(), full);
    // Each lock has its own queue, and who asks again keeps the place it had.
    let elsewhere = wait(&server, "LOCK.ACQUIRE other D PX 60000 BLOCK 0");
    let mut again = server.connect();
    again.send(&args!["LOCK.ACQUIRE", "k", "C", "PX", 60_000, "BLOCK", 0]);
    assert_eq!(second.read().ints()[0], 0);
    assert_eq!(waiters(&mut client, "k"), 2);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    granted(&mut first);
    let last = wait(&server, "LOCK.ACQUIRE k D PX 60000 BLOCK 0");
    // A lower setting sends nobody away.
    client.ask("CONFIG SET sluice.max-waiters 0").assert_ok();
    assert_eq!(client.ask("LOCK.ACQUIRE k E PX 60000 BLOCK 0").error(), full);
    assert_eq!(client.ask("LOCK.ACQUIRE free E PX 60000 BLOCK 0").ints()[0], 1);
    assert_eq!(waiting(&mut client), 3);
    drop((elsewhere, last));
}

fn no_more_wait_in_all_than_the_setting_allows(kind: Kind) {
    let server = Server::setup(kind).module_args("max-waiters-total 2").start();
    let mut client = server.connect();
    let full = "ERR too many clients wait for locks, see the setting sluice.max-waiters-total";
    for key in ["k", "l", "m"] {
        client.ask(&format!("LOCK.TRY {key} A PX 60000"));
    }
    let mut first = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let mut second = wait(&server, "LOCK.ACQUIRE l B PX 60000 BLOCK 0");
    assert_eq!(client.ask("LOCK.ACQUIRE m B PX 60000 BLOCK 0").error(), full);
    assert_eq!(client.ask("LOCK.ACQUIRE free B PX 60000 BLOCK 0").ints()[0], 1);
    // Who asks again keeps the place it had.
    let mut again = server.connect();
    again.send(&args!["LOCK.ACQUIRE", "l", "B", "PX", 60_000, "BLOCK", 0]);
    assert_eq!(second.read().ints()[0], 0);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    granted(&mut first);
    let _third = wait(&server, "LOCK.ACQUIRE m B PX 60000 BLOCK 0");
    assert_eq!(client.ask("LOCK.ACQUIRE k C PX 60000 BLOCK 0").error(), full);
}

fn info_shows_the_first_hundred_that_wait(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let _queue: Vec<_> = (0..102)
        .map(|n| {
            server.set_clock_ms(NOON_MS + n);
            wait(&server, &format!("LOCK.ACQUIRE k B{n} PX 60000 HOLDERS {} BLOCK {}", n + 1, n * 1000))
        })
        .collect();
    server.set_clock_ms(NOON_MS + 500);
    let info = client.ask("LOCK.INFO k").pairs();
    assert_eq!((info[1].0.text(), info[1].1.int()), ("waiting", 102));
    assert_eq!((info[2].0.text(), info[2].1.array().len()), ("waiters", 100));
    for (n, waiter) in (0..).zip(info[2].1.array()) {
        let left_ms = if n == 0 { -1 } else { n * 1000 - (500 - n) };
        let expected = format!(
            r#"["owner", "B{n}", "holders", {}, "waited-ms", {}, "left-ms", {left_ms}]"#,
            n + 1,
            500 - n
        );
        assert_eq!(format!("{waiter:?}"), expected);
    }
}
