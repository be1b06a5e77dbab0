//! A limit that changes counts what was used, in tokens, beside the one that it was; that is written once.

use sluice_testing::{Client, Kind, Reply, Server, on_every_server};

use crate::limiter::expect;
use crate::shared::NOON_MS;

on_every_server![
    what_was_used_stays_used,
    time_that_was_promised_stays_time,
    a_peek_computes_it_and_does_not_write_it,
    a_refused_call_writes_it_once,
    a_granted_call_writes_it,
    what_no_state_can_hold_is_rounded_up,
    every_limit_of_the_call_joins_at_its_place,
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

fn what_was_used_stays_used(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    for (number, (old, used, new, left, reset_ms)) in [
        ("10 EX 10", 3, "100 EX 10", 97, 300),
        ("100 EX 60", 25, "10 EX 60", 0, 60_000), // more than it has: none is left, and no debt beyond that
        ("60 EX 60", 20, "1 EX 1 BURST 60", 40, 20_000), // the same pace in other words
        ("10 EX 10", 3, "10 EX 100", 7, 30_000),
        ("10 EX 10", 3, "10 EX 10 BURST 20", 17, 3000),
        ("10 EX 10", 10, "7 EX 3 BURST 9", 0, 3858), // 9 tokens of 3/7 s
        ("3 EX 1", 1, "30 EX 1", 29, 34),
        ("3 EX 1", 1, "7 EX 1", 6, 143),
        ("1 EX 3155760000", 1, "1 PX 1", 0, 1),
        ("1 PX 1", 1, "1 EX 3155760000", 0, 3_155_760_000_000),
        ("10 EX 10", 3, "5 EX 60 STRICT", 2, 60_000),
        ("5 EX 60 STRICT", 3, "10 EX 10", 7, 3000),
        ("5 EX 60 STRICT", 3, "2 EX 30 STRICT", 0, 30_000),
    ]
    .into_iter()
    .enumerate()
    {
        c.ask(&format!("RATELIMIT.ACQUIRE k{number} LIMIT {old} COST {used}")).ints();
        let seen = c.ask(&format!("RATELIMIT.PEEK k{number} LIMIT {new} COST 0")).ints();
        assert_eq!((seen[2], seen[4]), (left, reset_ms), "{used} of {old}, now {new}");
    }
}

fn time_that_was_promised_stays_time(kind: Kind) {
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
    assert_eq!(c.info("sluice", "sluice_mixed"), "0");
}

fn a_refused_call_writes_it_once(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 3 EX 1").ints();
    for _ in 0..2 {
        expect(c, "RATELIMIT.ACQUIRE k LIMIT 7 EX 2 COST 7", [0, 286, 6, 7, 286, 0]);
        // One token of 2/7 s is used, exactly, and none of it by a call that names this limit.
        let state =
            "1800000000333333333+1~1800000000334:3/1000:3|1800000000285714285+5~1800000000000:7/2000:7";
        assert_eq!(c.ask("GET k").text(), state);
        assert_eq!(c.ask("PEXPIRETIME k").int(), NOON_MS + 2000);
        assert_eq!(c.info("sluice", "sluice_mixed"), "1");
        assert_eq!(c.info("persistence", "rdb_changes_since_last_save"), "2");
    }
    // Also when it can never be granted.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 3 EX 2 COST 4", [0, -1, 2, 3, 667, 0]);
    assert_eq!(stored(c), [[3, 1000, 3, 2], [7, 2000, 7, 6], [3, 2000, 3, 2]]);
    assert_eq!(c.info("sluice", "sluice_mixed"), "2");
    assert_eq!(c.info("sluice", "sluice_repaired"), "0");
}

fn a_granted_call_writes_it(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5").ints();
    // Each counts what the calls of the other took.
    for (left, limit) in [(14, "20 EX 10"), (13, "20 EX 10"), (2, "10 EX 10"), (11, "20 EX 10")] {
        assert_eq!(c.ask(&format!("RATELIMIT.ACQUIRE k LIMIT {limit}")).ints()[..3], [1, 0, left]);
    }
    let state = "1800000009000000000~1800000008000:10/10000:10|1800000004500000000~1800000004500:20/10000:20";
    assert_eq!(c.ask("GET k").text(), state);
    assert_eq!(c.info("sluice", "sluice_mixed"), "1");
}

fn what_no_state_can_hold_is_rounded_up(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 3 EX 1 BURST 1").ints();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 3 EX 1 BURST 1 MAXWAIT 60000", [1, 334, 0, 1, 667, 0]);
    // A token of a tenth of a second, and a turn in a third of one. Whole ns are all that 10 a second can store.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 COST 11", [0, -1, 5, 10, 434, 0]);
    let state = "1800000000666666666+2~1800000000667:3/1000:1|1800000000433333334~1800000000000:10/1000:10";
    assert_eq!(c.ask("GET k").text(), state);
}

fn every_limit_of_the_call_joins_at_its_place(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5 LIMIT 20 EX 20 COST 5 LIMIT 30 EX 30 COST 15").ints();
    // Also one without a cost. What the call has no limit for stays alone.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 8 EX 10 COST 9 LIMIT 16 EX 20 COST 0", [0, -1, 3, 8, 6250, 0]);
    let places = [[10, 10_000, 10, 5], [8, 10_000, 8, 3], [20, 20_000, 20, 15], [16, 20_000, 16, 11]];
    assert_eq!(stored(c), [&places[..], &[[30, 30_000, 30, 15]]].concat());
    let info = c.ask("RATELIMIT.INFO k");
    let place = |map: &Reply| {
        let (name, place) = map.pairs().swap_remove(6);
        (name.text().to_owned(), place.int())
    };
    let shown: Vec<_> = info.array().iter().map(place).collect();
    assert_eq!(shown, [0, 0, 1, 1, 2].map(|place| ("place".to_owned(), place)));
    assert_eq!(c.info("sluice", "sluice_mixed"), "2");
}

fn a_limit_that_is_added_starts_idle(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5").ints();
    expect(c, "RATELIMIT.PEEK k LIMIT 10 EX 10 LIMIT 3 EX 3 COST 3", [1, 0, 0, 3, 3000, 1]);
    // Nothing is written of it while it is refused, and nothing is mixed when it is granted.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 LIMIT 3 EX 3 COST 4", [0, -1, 3, 3, 0, 1]);
    assert_eq!(stored(c).len(), 1);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 LIMIT 3 EX 3 COST 0", [1, 0, 4, 10, 6000, 0]);
    assert_eq!(c.ask("GET k").text(), "1800000006000000000:10/10000:10;0000000000000000000:3/3000:3");
    assert_eq!(c.info("sluice", "sluice_mixed"), "0");
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
