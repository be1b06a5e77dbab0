//! One holder at a time, whose lease ends by itself, and whom nobody else can release or extend.
//!
//! T is LOCK.TRY, X is LOCK.EXTEND, R is LOCK.RELEASE, I is what LOCK.INFO shows; each test is a table of calls at
//! times after noon. `F+n` is the nth fence after the first at noon.

use sluice_testing::{Client, Kind, Server, args, on_every_server};

use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    a_lock_is_held_by_one_and_free_after_its_release,
    of_a_hundred_at_once_exactly_one_is_granted,
    a_lease_ends_at_its_deadline_and_not_a_millisecond_later,
    extend_sets_what_is_left_longer_or_shorter,
    an_ended_lease_is_not_extended,
    an_ended_lease_is_not_released,
    an_owner_that_holds_is_not_granted_again,
    extend_tells_the_truth_after_a_lost_reply,
    a_release_that_is_sent_again_ends_nobody_elses_lease,
    a_stranger_neither_extends_nor_releases,
    each_name_is_a_lock_of_its_own,
    refusals_and_extensions_leave_the_fence,
    acquire_answers_at_once_if_the_lock_is_free_or_the_callers,
    leases_are_counted_in_milliseconds_from_whatever_unit,
    the_longest_lease_is_a_hundred_years,
];

/// Plays calls, each at some ms after noon, on one server.
#[track_caller]
fn play(kind: Kind, calls: &[(i64, &str, &str)]) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (n, (ms, call, expected)) in calls.iter().enumerate() {
        server.set_clock_ms(NOON_MS + ms);
        assert_eq!(play_one(&mut client, call), *expected, "call {n}: at {ms} ms, {call}");
    }
    client.assert_in_step();
}

#[track_caller]
fn play_one(client: &mut Client, call: &str) -> String {
    let (name, words) = call.split_once(' ').unwrap();
    let name = match name {
        "I" => return shown(client, words),
        "R" => return client.ask(&format!("LOCK.RELEASE {words}")).int().to_string(),
        "EXISTS" | "PTTL" => return client.ask(call).int().to_string(),
        "T" => "LOCK.TRY",
        "Q" => "LOCK.ACQUIRE",
        "X" => "LOCK.EXTEND",
        other => panic!("{other}"),
    };
    let reply = client.ask(&format!("{name} {words}")).ints();
    let [held, fence, ms] = reply[..] else { panic!("{reply:?}") };
    let fence = if fence == 0 { "0".to_owned() } else { format!("F{:+}", fence - F) };
    format!("{held} {fence} {ms}")
}

fn a_lock_is_held_by_one_and_free_after_its_release(kind: Kind) {
    play(
        kind,
        &[
            (0, "I k", "free"),
            (0, "T k A PX 3600000", "1 F+0 3600000"),
            (0, "T k B PX 3600000", "0 F+0 3600000"),
            (9, "I k", "A F+0 ttl 3599991 held 9; 0 wait"),
            (9, "R k A", "1"),
            (9, "I k", "free"),
            (9, "EXISTS k", "0"),
            (9, "T k B PX 3600000", "1 F+9000 3600000"),
        ],
    );
}

fn of_a_hundred_at_once_exactly_one_is_granted(kind: Kind) {
    let server = Server::start(kind);
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(&args!["LOCK.TRY", "k", format!("owner {n}"), "PX", 60_000]);
    }
    let replies: Vec<_> = clients.iter_mut().map(|client| client.read().ints()).collect();
    let granted: Vec<_> = replies.iter().filter(|reply| reply[0] == 1).collect();
    assert_eq!(granted.len(), 1, "{replies:?}");
    assert!(replies.iter().all(|reply| reply[1] == granted[0][1]), "{replies:?}");
}

fn a_lease_ends_at_its_deadline_and_not_a_millisecond_later(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k A PX 20", "1 F+0 20"),
            (19, "T k B PX 20", "0 F+0 1"),
            (19, "I k", "A F+0 ttl 1 held 19; 0 wait"),
            (20, "I k", "free"),
            (20, "T k B PX 20", "1 F+20000 20"),
            (20, "I k", "B F+20000 ttl 20 held 0; 0 wait"),
        ],
    );
}

fn extend_sets_what_is_left_longer_or_shorter(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k A PX 3600000", "1 F+0 3600000"),
            (5, "X k A PX 60000", "1 F+0 60000"),
            (5, "I k", "A F+0 ttl 60000 held 5; 0 wait"),
            (5, "PTTL k", "60000"),
            (6, "X k A EX 120", "1 F+0 120000"),
            (7, "I k", "A F+0 ttl 119999 held 7; 0 wait"),
            (8, "X k A PX 1", "1 F+0 1"),
            (8, "T k B PX 1", "0 F+0 1"),
            (9, "T k B PX 1", "1 F+9000 1"),
        ],
    );
}

fn an_ended_lease_is_not_extended(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k A PX 5", "1 F+0 5"),
            (5, "X k A PX 60000", "0 0 -2"),
            // A key is there until its last ms is over, with no lease in it.
            (6, "EXISTS k", "0"),
            (6, "X k A PX 60000", "0 0 -2"),
            (6, "X none A PX 60000", "0 0 -2"),
            (6, "EXISTS k", "0"),
            (6, "EXISTS none", "0"),
            // The name is somebody else's now.
            (6, "T k B PX 10", "1 F+6000 10"),
            (8, "X k A PX 60000", "0 F+6000 8"),
            (8, "I k", "B F+6000 ttl 8 held 2; 0 wait"),
        ],
    );
}

fn an_ended_lease_is_not_released(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k A PX 5", "1 F+0 5"),
            (0, "T soon A PX 5", "1 F+1 5"),
            (5, "R k A", "0"),
            (6, "R soon A", "0"),
            (6, "EXISTS soon", "0"),
            (6, "R none A", "0"),
            (6, "EXISTS none", "0"),
            (6, "T k B PX 10", "1 F+6000 10"),
            (6, "R k A", "0"),
            (6, "I k", "B F+6000 ttl 10 held 0; 0 wait"),
        ],
    );
}

fn an_owner_that_holds_is_not_granted_again(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k A PX 1000", "1 F+0 1000"),
            (3, "T k A PX 60000", "0 F+0 997"),
            (3, "Q k A PX 60000 BLOCK 1000", "0 F+0 997"),
            (3, "Q k A PX 60000 BLOCK 0", "0 F+0 997"),
            (4, "I k", "A F+0 ttl 996 held 4; 0 wait"),
            (4, "R k A", "1"),
            (4, "T k A PX 1000", "1 F+4000 1000"),
        ],
    );
}

fn extend_tells_the_truth_after_a_lost_reply(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k A PX 1000", "1 F+0 1000"),
            (2, "X k A PX 1000", "1 F+0 1000"),
            // Asked for again, it would have been refused: that tells the fence too, but not who holds.
            (2, "X k B PX 1000", "0 F+0 1000"),
            (3, "X k A PX 500", "1 F+0 500"),
        ],
    );
}

fn a_release_that_is_sent_again_ends_nobody_elses_lease(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k A PX 1000", "1 F+0 1000"),
            (0, "R k A", "1"),
            (1, "T k B PX 1000", "1 F+1000 1000"),
            (2, "R k A", "0"),
            (2, "R k A", "0"),
            (2, "I k", "B F+1000 ttl 999 held 1; 0 wait"),
            (2, "R k B", "1"),
            (2, "R k B", "0"),
        ],
    );
}

fn a_stranger_neither_extends_nor_releases(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k A PX 1000", "1 F+0 1000"),
            (1, "X k B PX 60000", "0 F+0 999"),
            (1, "X k B PX 1", "0 F+0 999"),
            (1, "R k B", "0"),
            // Near misses of the name.
            (1, "R k a", "0"),
            (1, "R k AA", "0"),
            (1, "X k a PX 60000", "0 F+0 999"),
            (1, "I k", "A F+0 ttl 999 held 1; 0 wait"),
            (1, "PTTL k", "999"),
        ],
    );
}

fn each_name_is_a_lock_of_its_own(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k1 A PX 1000", "1 F+0 1000"),
            (0, "T k2 A PX 2000", "1 F+1 2000"),
            (0, "T k2 B PX 2000", "0 F+1 2000"),
            (0, "R k1 A", "1"),
            (0, "I k1", "free"),
            (0, "I k2", "A F+1 ttl 2000 held 0; 0 wait"),
        ],
    );
    // The same name in another database is another name.
    let server = Server::start(kind);
    let mut client = server.connect();
    for db in 0..3 {
        client.ask(&format!("SELECT {db}")).assert_ok();
        assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints()[0], 1);
        assert_eq!(client.ask("LOCK.TRY k B PX 60000").ints()[0], 0);
    }
}

fn refusals_and_extensions_leave_the_fence(kind: Kind) {
    play(
        kind,
        &[
            (0, "T k A PX 5000", "1 F+0 5000"),
            (0, "T k B PX 5000", "0 F+0 5000"),
            (0, "X k A PX 5000", "1 F+0 5000"),
            (0, "X k B PX 5000", "0 F+0 5000"),
            (0, "T k A PX 5000", "0 F+0 5000"),
            (0, "R k B", "0"),
            (0, "R k A", "1"),
            // Nothing in between has taken a number.
            (0, "T k B PX 5000", "1 F+1 5000"),
        ],
    );
}

fn acquire_answers_at_once_if_the_lock_is_free_or_the_callers(kind: Kind) {
    play(
        kind,
        &[
            (0, "Q k A PX 5000 BLOCK 0", "1 F+0 5000"),
            (1, "Q k A PX 5000 BLOCK 60000", "0 F+0 4999"),
            (5000, "Q k B EX 5 HOLDERS 1 BLOCK 60000", "1 F+5000000 5000"),
            (5000, "Q k A PX 7 BLOCK 0 HOLDERS 2", "1 F+5000001 7"),
            (5000, "I k", "B F+5000000 ttl 5000 held 0, A F+5000001 ttl 7 held 0; 0 wait"),
        ],
    );
}

fn leases_are_counted_in_milliseconds_from_whatever_unit(kind: Kind) {
    play(
        kind,
        &[
            (0, "T s A EX 3", "1 F+0 3000"),
            (0, "T ms A PX 3", "1 F+1 3"),
            (0, "T s B EX 1", "0 F+0 3000"),
            (0, "PTTL s", "3000"),
            (2, "X ms A EX 7", "1 F+1 7000"),
            (2, "PTTL ms", "7000"),
        ],
    );
    // What is left counts whole ms of the clock: a lease that began late in its ms ends with the others of that ms.
    let server = Server::setup(kind).clock_us(NOON_MS * 1000 + 999).start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 1").ints(), [1, F + 999, 1]);
    server.set_clock_us(NOON_MS * 1000 + 1000);
    assert_eq!(client.ask("LOCK.TRY k B PX 1").ints(), [1, F + 1000, 1]);
}

fn the_longest_lease_is_a_hundred_years(kind: Kind) {
    play(
        kind,
        &[
            (0, "T ms A PX 3155760000000", "1 F+0 3155760000000"),
            (0, "T s A EX 3155760000", "1 F+1 3155760000000"),
            (1, "X ms A EX 3155760000", "1 F+0 3155760000000"),
            (3_155_760_000_000, "I ms", "A F+0 ttl 1 held 3155760000000; 0 wait"),
            (3_155_760_000_000, "I s", "free"),
        ],
    );
}
