//! `INFO sluice` counts what became of the calls, and how many wait now.

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::shared::{NOON_MS, at_noon};

on_every_server![
    info_counts_what_became_of_each_call,
    what_is_not_understood_or_not_allowed_is_not_counted,
    leases_that_ended_are_counted_when_they_are_found,
    waits_are_counted_while_they_last_and_when_they_end_in_vain,
    evicted_locks_are_counted_and_nothing_else_that_was_evicted,
    what_has_the_name_of_a_former_lock_is_no_lock_when_it_is_evicted,
    counters_are_those_of_this_server_alone,
];

/// The counters that concern locks, without those that are 0: `granted 1, refused 2`.
fn counters(client: &mut Client) -> String {
    let info = client.ask("INFO sluice");
    let fields = info.text().lines().filter_map(|line| line.strip_prefix("sluice_lock_"));
    let fields = fields.filter_map(|field| field.split_once(':')).filter(|(_, value)| *value != "0");
    fields.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

fn info_counts_what_became_of_each_call(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    let names =
        "granted refused released stale_releases stale_extensions ended_leases evicted wait_timeouts waiting";
    let info = client.ask("INFO sluice");
    for name in names.split(' ') {
        assert!(info.text().contains(&format!("\r\nsluice_lock_{name}:0\r\n")), "{name}: {info:?}");
    }
    for (line, expected) in [
        ("LOCK.TRY k A PX 60000", "granted 1"),
        ("LOCK.TRY k B PX 60000", "granted 1, refused 1"),
        ("LOCK.TRY k A PX 60000", "granted 1, refused 2"),
        ("LOCK.ACQUIRE k A PX 60000 BLOCK 0", "granted 1, refused 3"),
        ("LOCK.EXTEND k A PX 60000", "granted 1, refused 3"),
        ("LOCK.INFO k", "granted 1, refused 3"),
        ("LOCK.EXTEND k B PX 60000", "granted 1, refused 3, stale_extensions 1"),
        ("LOCK.EXTEND none A PX 60000", "granted 1, refused 3, stale_extensions 2"),
        ("LOCK.RELEASE k B", "granted 1, refused 3, stale_releases 1, stale_extensions 2"),
        ("LOCK.RELEASE none A", "granted 1, refused 3, stale_releases 2, stale_extensions 2"),
        ("LOCK.RELEASE k A", "granted 1, refused 3, released 1, stale_releases 2, stale_extensions 2"),
        (
            "LOCK.ACQUIRE k B PX 60000 BLOCK 0",
            "granted 2, refused 3, released 1, stale_releases 2, stale_extensions 2",
        ),
        // The operator's way is not ours to count.
        ("DEL k", "granted 2, refused 3, released 1, stale_releases 2, stale_extensions 2"),
    ] {
        client.ask(line);
        assert_eq!(counters(&mut client), expected, "{line}");
    }
    // In a transaction, ACQUIRE does not wait.
    client.pipeline(&[
        "MULTI",
        "LOCK.TRY k A PX 60000",
        "LOCK.ACQUIRE k B PX 60000 BLOCK 0",
        "LOCK.RELEASE k A",
        "EXEC",
    ]);
    let expected = "granted 3, refused 4, released 2, stale_releases 2, stale_extensions 2";
    assert_eq!(counters(&mut client), expected);
}

fn what_is_not_understood_or_not_allowed_is_not_counted(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    client.ask("SET s 1").assert_ok();
    for line in [
        "LOCK.TRY k A PX 0",
        "LOCK.TRY k",
        "LOCK.TRY s A PX 1000",
        "LOCK.ACQUIRE s A PX 1000 BLOCK 0",
        "LOCK.EXTEND s A PX 1000",
        "LOCK.RELEASE s A",
        "LOCK.LOAD k 1 A 1 1 1",
    ] {
        client.ask(line).error();
    }
    client.ask("CONFIG SET maxmemory 1000").assert_ok();
    assert!(client.ask("LOCK.TRY k A PX 1000").error().starts_with("OOM "));
    assert_eq!(counters(&mut client), "");
}

fn leases_that_ended_are_counted_when_they_are_found(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    for (owner, lease) in [("A", 100), ("B", 200), ("C", 300), ("D", 9_000)] {
        client.ask(&format!("LOCK.TRY k {owner} PX {lease} HOLDERS 9"));
    }
    server.set_clock_ms(NOON_MS + 200);
    // Looking finds nothing, and neither does a refusal.
    client.ask("LOCK.INFO k");
    client.ask("LOCK.TRY k E PX 100");
    assert_eq!(counters(&mut client), "granted 4, refused 1");
    client.ask("LOCK.TRY k E PX 9000 HOLDERS 9");
    assert_eq!(counters(&mut client), "granted 5, refused 1, ended_leases 2");
    server.set_clock_ms(NOON_MS + 300);
    client.ask("LOCK.RELEASE k D");
    assert_eq!(counters(&mut client), "granted 5, refused 1, released 1, ended_leases 3");
    // A key that expires takes its leases with it: that is in the server's own count.
    server.set_clock_ms(NOON_MS + 99_999);
    client.ask("LOCK.TRY k A PX 100");
    assert_eq!(counters(&mut client), "granted 6, refused 1, released 1, ended_leases 3");
    assert_eq!(client.info("stats", "expired_keys"), "1");
}

fn waits_are_counted_while_they_last_and_when_they_end_in_vain(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiters: Vec<_> = (0..4).map(|_| server.connect()).collect();
    let ids: Vec<_> = waiters.iter_mut().map(|waiter| waiter.ask("CLIENT ID").int()).collect();
    for (n, waiter) in waiters.iter_mut().enumerate() {
        waiter.send(&args!["LOCK.ACQUIRE", "k", n, "PX", 60_000, "BLOCK", 0]);
        let expected = format!("granted 1, waiting {}", n + 1);
        until("it waits", || counters(&mut client) == expected);
    }
    client.ask(&format!("CLIENT UNBLOCK {}", ids[1]));
    assert_eq!(waiters[1].read().ints()[0], 0);
    assert_eq!(counters(&mut client), "granted 1, wait_timeouts 1, waiting 3");
    client.ask(&format!("CLIENT UNBLOCK {} ERROR", ids[2]));
    assert!(waiters[2].read().error().starts_with("UNBLOCKED "));
    until("it is over", || counters(&mut client) == "granted 1, wait_timeouts 1, waiting 2");
    // Cancelled by its owner: no time was up. There is no lease to end, either.
    assert_eq!(client.ask("LOCK.RELEASE k 3").int(), 0);
    assert_eq!(waiters[3].read().ints()[0], 0);
    assert_eq!(counters(&mut client), "granted 1, stale_releases 1, wait_timeouts 1, waiting 1");
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(waiters[0].read().ints()[0], 1);
    assert_eq!(counters(&mut client), "granted 2, released 1, stale_releases 1, wait_timeouts 1");
}

fn evicted_locks_are_counted_and_nothing_else_that_was_evicted(kind: Kind) {
    for policy in ["allkeys-random", "allkeys-lru", "volatile-ttl"] {
        let (_server, mut client) = at_noon(kind);
        client.ask(&format!("CONFIG SET maxmemory-policy {policy}")).assert_ok();
        for n in 0..10 {
            client.ask(&format!("SET cache:{n} 1 PX 90000"));
            client.ask(&format!("LOCK.TRY lock:{n} A PX 60000"));
        }
        client.ask("CONFIG SET maxmemory 1000").assert_ok();
        // All that can go goes, and still it is not enough.
        assert!(client.ask("SET more 1").error().starts_with("OOM "));
        assert_eq!(client.ask("DBSIZE").int(), 0, "{policy}");
        assert_eq!(client.info("stats", "evicted_keys"), "20", "{policy}");
        assert_eq!(counters(&mut client), "granted 10, evicted 10", "{policy}");
    }
}

fn what_has_the_name_of_a_former_lock_is_no_lock_when_it_is_evicted(kind: Kind) {
    for end in ["LOCK.RELEASE k A", "DEL k", "UNLINK k", "RENAME k k2"] {
        let (server, mut client) = at_noon(kind);
        client.ask("CONFIG SET maxmemory-policy allkeys-random").assert_ok();
        client.ask("LOCK.TRY k A PX 60000");
        client.ask(end);
        client.ask("FLUSHALL").assert_ok();
        server.set_clock_ms(NOON_MS + 2);
        client.ask("SET k cached").assert_ok();
        client.ask("CONFIG SET maxmemory 1000").assert_ok();
        client.ask("SET more 1").error();
        assert_eq!(client.info("stats", "evicted_keys"), "1", "{end}");
        assert_eq!(client.info("sluice", "sluice_lock_evicted"), "0", "{end}");
    }
}

fn counters_are_those_of_this_server_alone(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    let (mut client, mut reader) = (primary.connect(), replica.connect());
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.EXTEND k A PX 50000");
    client.ask("LOCK.RELEASE k A");
    replica.wait_for(&primary);
    assert_eq!(counters(&mut reader), "");
    // What is loaded was granted before.
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("DEBUG RELOAD").assert_ok();
    assert_eq!(counters(&mut client), "granted 2, released 1");
}
