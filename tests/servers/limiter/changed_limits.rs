//! A limit that changes keeps the share that was used, and says so once.

use sluice_testing::{Client, Kind, Reply, Server, on_every_server};

use crate::limiter::expect;
use crate::shared::NOON_MS;

on_every_server![
    the_used_share_is_kept,
    time_owed_beyond_full_stays_time,
    a_peek_computes_it_and_does_not_write_it,
    a_refused_call_writes_it_once,
    a_granted_call_writes_it,
    what_no_state_can_hold_is_rounded_up,
    every_limit_of_the_call_is_brought_up_to_date,
    a_limit_that_is_added_starts_idle,
    a_limit_that_is_dropped_is_kept_until_it_is_full,
    one_that_is_full_is_kept_for_one_behind_it,
];

/// (count, period-ms, burst, remaining) of each stored limit.
fn stored(client: &mut Client) -> Vec<[i64; 4]> {
    let info = client.ask("RATELIMIT.INFO k");
    let limit = |map: &Reply| {
        let pairs = map.pairs();
        [0, 1, 2, 3].map(|field| pairs[field].1.int())
    };
    info.array().iter().map(limit).collect()
}

fn the_used_share_is_kept(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    for (number, (old, used, new, left, reset_ms)) in [
        ("10 EX 10", 3, "100 EX 10", 70, 3000),
        ("100 EX 60", 25, "10 EX 60", 7, 15_000),
        ("60 EX 60", 20, "1 EX 1 BURST 60", 40, 20_000), // the same pace in other words
        ("10 EX 10", 3, "10 EX 100", 7, 30_000),
        ("10 EX 10", 3, "10 EX 10 BURST 20", 14, 6000),
        ("10 EX 10", 10, "7 EX 3 BURST 9", 0, 3858), // empty stays empty: 9 tokens of 3/7 s
        ("3 EX 1", 1, "30 EX 1", 20, 334),
        ("3 EX 1", 1, "7 EX 1", 4, 334), // a third of 7: 4 and two thirds are left
        ("1 EX 3155760000", 1, "1 PX 1", 0, 1),
        ("1 PX 1", 1, "1 EX 3155760000", 0, 3_155_760_000_000),
    ]
    .into_iter()
    .enumerate()
    {
        c.ask(&format!("RATELIMIT.ACQUIRE k{number} LIMIT {old} COST {used}")).ints();
        let seen = c.ask(&format!("RATELIMIT.PEEK k{number} LIMIT {new} COST 0")).ints();
        assert_eq!((seen[2], seen[4]), (left, reset_ms), "{used} of {old}, now {new}");
    }
}

fn time_owed_beyond_full_stays_time(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 COST 15 FORCE", [1, 500, 0, 10, 1500, 0]);
    // The bucket is empty as before, which now takes 7 s to refill, and the queue is half a second as before.
    expect(c, "RATELIMIT.PEEK k LIMIT 1 EX 7", [0, 7500, 0, 1, 7500, 0]);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 1 EX 7 MAXWAIT 7500", [1, 7500, 0, 1, 14_500, 0]);
}

fn a_peek_computes_it_and_does_not_write_it(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5").ints();
    for mode in ["", "PARTIAL", "FORCE", "MAXWAIT 9", "COST 21"] {
        assert_eq!(c.ask(&format!("RATELIMIT.PEEK k LIMIT 20 EX 10 {mode}")).ints()[3], 20);
    }
    assert_eq!(c.ask("GET k").text(), "1800000005000000000:10/10000:10");
    assert_eq!(stored(c), [[10, 10_000, 10, 5]]);
    assert_eq!(c.info("sluice", "sluice_repaired"), "0");
}

fn a_refused_call_writes_it_once(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 3 EX 1").ints();
    for _ in 0..2 {
        expect(c, "RATELIMIT.ACQUIRE k LIMIT 7 EX 2 COST 5", [0, 96, 4, 7, 667, 0]);
        // A third of 2 s, exactly, rounded up to a seventh of a nanosecond.
        assert_eq!(c.ask("GET k").text(), "1800000000666666666+5:7/2000:7");
        assert_eq!(c.ask("PEXPIRETIME k").int(), NOON_MS + 667);
        assert_eq!(c.info("sluice", "sluice_repaired"), "1");
        assert_eq!(c.info("persistence", "rdb_changes_since_last_save"), "2");
    }
    // Also when it can never be granted.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 3 EX 1 COST 4", [0, -1, 1, 3, 334, 0]);
    assert_eq!(stored(c), [[3, 1000, 3, 1]]);
    assert_eq!(c.info("sluice", "sluice_repaired"), "2");
}

fn a_granted_call_writes_it(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5").ints();
    for (left, limit) in [(9, "20 EX 10"), (8, "20 EX 10"), (3, "10 EX 10")] {
        assert_eq!(c.ask(&format!("RATELIMIT.ACQUIRE k LIMIT {limit}")).ints()[..3], [1, 0, left]);
    }
    assert_eq!(c.ask("GET k").text(), "1800000007000000000:10/10000:10");
    assert_eq!(c.info("sluice", "sluice_repaired"), "2");
}

fn what_no_state_can_hold_is_rounded_up(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    // A third of a second. Under 10 a second it is 3333333333.3 tenths of a ns; the state holds whole ones.
    c.ask("RATELIMIT.ACQUIRE k LIMIT 3 EX 1").ints();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 COST 11", [0, -1, 6, 10, 334, 0]);
    assert_eq!(c.ask("GET k").text(), "1800000000333333334:10/1000:10");
}

fn every_limit_of_the_call_is_brought_up_to_date(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5 LIMIT 20 EX 20 COST 5 LIMIT 30 EX 30 COST 15").ints();
    // Also one without a cost; one behind the call's stays as it is.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 2 EX 10 COST 3 LIMIT 4 EX 20 COST 0", [0, -1, 1, 2, 5000, 0]);
    assert_eq!(stored(c), [[2, 10_000, 2, 1], [4, 20_000, 4, 3], [30, 30_000, 30, 15]]);
    assert_eq!(c.info("sluice", "sluice_repaired"), "1");
}

fn a_limit_that_is_added_starts_idle(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5").ints();
    expect(c, "RATELIMIT.PEEK k LIMIT 10 EX 10 LIMIT 3 EX 3 COST 3", [1, 0, 0, 3, 3000, 1]);
    // Nothing is written of it while it is refused, and nothing repaired when it is granted.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 LIMIT 3 EX 3 COST 4", [0, -1, 3, 3, 0, 1]);
    assert_eq!(stored(c).len(), 1);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 LIMIT 3 EX 3 COST 0", [1, 0, 4, 10, 6000, 0]);
    assert_eq!(c.ask("GET k").text(), "1800000006000000000:10/10000:10;0000000000000000000:3/3000:3");
    assert_eq!(c.info("sluice", "sluice_repaired"), "0");
}

fn a_limit_that_is_dropped_is_kept_until_it_is_full(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 1000 LIMIT 20 EX 20 COST 10").ints();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1000", [1, 0, 8, 10, 200_000, 0]);
    assert_eq!(stored(c), [[10, 1_000_000, 10, 8], [20, 20_000, 20, 10]]);
    expect(c, "RATELIMIT.PEEK k LIMIT 10 EX 1000 COST 0 LIMIT 20 EX 20", [1, 0, 9, 20, 11_000, 1]);
    server.set_clock_ms(NOON_MS + 9999);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1000", [1, 0, 7, 10, 290_001, 0]);
    assert_eq!(stored(c).len(), 2);
    server.set_clock_ms(NOON_MS + 10_000);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1000", [1, 0, 6, 10, 390_000, 0]);
    assert_eq!(c.ask("GET k").text(), "1800000400000000000:10/1000000:10");
}

fn one_that_is_full_is_kept_for_one_behind_it(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 1000 LIMIT 20 EX 20 LIMIT 30 EX 300").ints();
    server.set_clock_ms(NOON_MS + 5000);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1000", [1, 0, 8, 10, 195_000, 0]);
    assert_eq!(stored(c), [[10, 1_000_000, 10, 8], [20, 20_000, 20, 20], [30, 300_000, 30, 29]]);
    server.set_clock_ms(NOON_MS + 10_000);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1000", [1, 0, 7, 10, 290_000, 0]);
    assert_eq!(stored(c), [[10, 1_000_000, 10, 7]]);
}
