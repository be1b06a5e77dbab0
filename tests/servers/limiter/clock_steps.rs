//! What a clock that is set back or forward does to a limit, and what the setting `sluice.max-wait-ms` has to
//! do with it.

use sluice_testing::{Kind, Server, on_every_server};

use crate::limiter::expect;
use crate::shared::NOON_MS;

on_every_server![
    a_small_step_back_refuses_for_the_step_and_no_longer,
    a_large_step_back_is_cut_to_the_longest_queue,
    the_queue_may_be_as_long_as_a_full_bucket,
    a_limit_that_the_call_does_not_name_is_cut_too,
    what_is_cut_off_is_shown_but_not_written_by_those_who_look,
    a_step_back_stops_neither_force_nor_return,
    a_step_back_does_not_touch_an_idle_limit,
    a_step_forward_lets_go,
    lowering_max_wait_forgets_what_is_beyond_it,
    raising_max_wait_changes_nothing_that_is_stored,
];

const HOUR_MS: i64 = 3_600_000;

const ONE: &str = "RATELIMIT.ACQUIRE k LIMIT 1 EX 1";

fn a_small_step_back_refuses_for_the_step_and_no_longer(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, ONE, [1, 0, 0, 1, 1000, 0]);
    let state = c.ask("GET k");
    for back_ms in [1, 30_000, 60_000] {
        server.set_clock_ms(NOON_MS - back_ms);
        expect(c, ONE, [0, back_ms + 1000, 0, 1, back_ms + 1000, 0]);
        assert_eq!(c.ask("GET k"), state);
    }
    server.set_clock_ms(NOON_MS + 999);
    expect(c, ONE, [0, 1, 0, 1, 1, 0]);
    server.set_clock_ms(NOON_MS + 1000);
    expect(c, ONE, [1, 0, 0, 1, 1000, 0]);
    assert_eq!(c.info("sluice", "sluice_repaired"), "0");
}

fn a_large_step_back_is_cut_to_the_longest_queue(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, ONE, [1, 0, 0, 1, 1000, 0]);
    let back_ms = NOON_MS - HOUR_MS;
    server.set_clock_ms(back_ms);
    for _ in 0..2 {
        // A bucket of 1 s, and a queue of 60.
        expect(c, ONE, [0, 61_000, 0, 1, 61_000, 0]);
        assert_eq!(c.ask("GET k").text(), format!("{}000000:1/1000:1", back_ms + 61_000));
        // A quarter of that is slack.
        assert_eq!(c.ask("PEXPIRETIME k").int(), back_ms + 61_000 + 15_250);
        // Once: the second time there is nothing left to cut.
        assert_eq!(c.info("sluice", "sluice_repaired"), "1");
        assert_eq!(c.info("persistence", "rdb_changes_since_last_save"), "2");
    }
    server.set_clock_ms(back_ms + 61_000);
    expect(c, ONE, [1, 0, 0, 1, 1000, 0]);
}

fn the_queue_may_be_as_long_as_a_full_bucket(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let call = "RATELIMIT.ACQUIRE k LIMIT 10 EX 1000 LIMIT 1 EX 1";
    expect(c, call, [1, 0, 0, 1, 1000, 1]);
    server.set_clock_ms(NOON_MS - 24 * HOUR_MS);
    // full + max(full, max-wait): 2000 s in the first limit, 61 s in the second.
    expect(c, call, [0, 1_100_000, 0, 10, 2_000_000, 0]);
    let base = NOON_MS / 1000 - 24 * 3600;
    let state = format!("{}000000000:10/1000000:10;{}000000000:1/1000:1", base + 2000, base + 61);
    assert_eq!(c.ask("GET k").text(), state);
}

fn a_limit_that_the_call_does_not_name_is_cut_too(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 COST 0 LIMIT 2 EX 2", [1, 0, 1, 2, 1000, 1]);
    server.set_clock_ms(NOON_MS - HOUR_MS);
    expect(c, ONE, [1, 0, 0, 1, 1000, 0]);
    let base = (NOON_MS - HOUR_MS) / 1000;
    assert_eq!(
        c.ask("GET k").text(),
        format!("{}000000000:1/1000:1;{}000000000:2/2000:2", base + 1, base + 62)
    );
}

fn what_is_cut_off_is_shown_but_not_written_by_those_who_look(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, ONE, [1, 0, 0, 1, 1000, 0]);
    let (state, expiry) = (c.ask("GET k"), c.ask("PEXPIRETIME k"));
    server.set_clock_ms(NOON_MS - HOUR_MS);
    expect(c, "RATELIMIT.PEEK k LIMIT 1 EX 1", [0, 61_000, 0, 1, 61_000, 0]);
    let info = c.ask("RATELIMIT.INFO k").array()[0].pairs();
    assert_eq!([3, 4, 5].map(|field: usize| info[field].1.int()), [0, 61_000, 61_000]);
    // A RETURN that gives nothing back writes nothing either.
    expect(c, "RATELIMIT.RETURN k LIMIT 1 EX 1 DUE 59999", [0, 0, 0, 1, 61_000, 0]);
    assert_eq!((c.ask("GET k"), c.ask("PEXPIRETIME k")), (state, expiry));
    assert_eq!(c.info("sluice", "sluice_repaired"), "0");
}

fn a_step_back_stops_neither_force_nor_return(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 5 EX 5 COST 5", [1, 0, 0, 5, 5000, 0]);
    server.set_clock_ms(NOON_MS - HOUR_MS);
    // 65 s are believed, and 2 more come on top of them: a debt that is marked as forced.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 5 EX 5 COST 2 FORCE", [1, 62_000, 0, 5, 67_000, 0]);
    assert_eq!(c.ask("GET k").text(), format!("-{}000000:5/5000:5", NOON_MS - HOUR_MS + 67_000));
    assert_eq!(c.ask("PTTL k").int(), 67_000 + 16_750);
    server.set_clock_ms(NOON_MS - 2 * HOUR_MS);
    // Of a forced debt an hour beyond the bucket is believed.
    expect(c, "RATELIMIT.RETURN k LIMIT 5 EX 5 COST 2", [1, 0, 0, 5, 3_603_000, 0]);
    assert_eq!(c.ask("PTTL k").int(), 3_603_000 + 60_000);
    assert_eq!(c.info("sluice", "sluice_repaired"), "2");
}

fn a_step_back_does_not_touch_an_idle_limit(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 9 EX 9 LIMIT 5 EX 5 COST 0", [1, 0, 8, 9, 1000, 0]);
    server.set_clock_ms(NOON_MS - HOUR_MS);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 9 EX 9 COST 0 LIMIT 5 EX 5", [1, 0, 4, 5, 1000, 1]);
    expect(c, "RATELIMIT.ACQUIRE other LIMIT 9 EX 9", [1, 0, 8, 9, 1000, 0]);
}

fn a_step_forward_lets_go(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let call = "RATELIMIT.ACQUIRE k LIMIT 5 EX 5 LIMIT 10 EX 36000 COST 5";
    expect(c, call, [1, 0, 4, 5, 1000, 0]);
    server.set_clock_ms(NOON_MS + HOUR_MS);
    // An hour is a token of the second limit, and far more than all of the first.
    expect(c, call, [1, 0, 1, 10, 9 * HOUR_MS, 1]);
    server.set_clock_ms(NOON_MS + 24 * HOUR_MS);
    assert_eq!(c.ask("EXISTS k").int(), 0);
    expect(c, call, [1, 0, 4, 5, 1000, 0]);
}

fn lowering_max_wait_forgets_what_is_beyond_it(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    for turn in 0..30 {
        expect(c, &format!("{ONE} MAXWAIT 60000"), [1, turn * 1000, 0, 1, turn * 1000 + 1000, 0]);
    }
    c.ask("CONFIG SET sluice.max-wait-ms 5000").assert_ok();
    expect(c, "RATELIMIT.PEEK k LIMIT 1 EX 1", [0, 6000, 0, 1, 6000, 0]);
    assert_eq!(c.ask("PTTL k").int(), 33_750);
    expect(c, &format!("{ONE} MAXWAIT 5000"), [0, 6000, 0, 1, 6000, 0]);
    assert_eq!(c.ask("PTTL k").int(), 7500);
    assert_eq!(c.info("sluice", "sluice_repaired"), "1");
    server.set_clock_ms(NOON_MS + 1000);
    expect(c, &format!("{ONE} MAXWAIT 5000"), [1, 5000, 0, 1, 6000, 0]);
    // The full bucket stays believed where the setting is 0.
    c.ask("CONFIG SET sluice.max-wait-ms 0").assert_ok();
    expect(c, ONE, [0, 2000, 0, 1, 2000, 0]);
}

fn raising_max_wait_changes_nothing_that_is_stored(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, &format!("{ONE} MAXWAIT 60000"), [1, 0, 0, 1, 1000, 0]);
    let state = c.ask("GET k");
    c.ask("CONFIG SET sluice.max-wait-ms 7200000").assert_ok();
    server.set_clock_ms(NOON_MS - HOUR_MS);
    // A turn an hour away is now one that somebody may have been promised.
    expect(c, ONE, [0, HOUR_MS + 1000, 0, 1, HOUR_MS + 1000, 0]);
    assert_eq!(c.ask("GET k"), state);
    assert_eq!(c.info("sluice", "sluice_repaired"), "0");
}
