//! STRICT: never more than count in any window of the period, and all count from idle. ALIGN: the same in each window of
//! a calendar. Under a clock that stands where the test says.

use sluice_testing::{Client, Kind, on_every_server};

use crate::limiter::{expect, six};
use crate::shared::random::Random;
use crate::shared::{NOON_MS, at_noon};

on_every_server![
    no_window_has_more_than_its_count,
    no_window_has_more_than_its_count_however_many_instants_there_are,
    a_window_gives_all_that_it_has,
    a_plain_limit_lets_more_through_than_a_strict_one,
    a_calendar_begins_when_it_is_told_to,
    a_window_is_no_plain_limit_and_no_other_window,
    a_window_goes_with_every_mode,
];

/// Acts, by their instants in ms and costs, of calls in all modes at odd times, as `limit` lets them.
fn acts_under(kind: Kind, limit: &str, seed: u64, step_us: &[i64]) -> Vec<(i64, i64)> {
    let (server, mut client) = at_noon(kind);
    let (mut random, mut now_us, mut acts) = (Random(seed), NOON_MS * 1000, Vec::new());
    for _ in 0..1500 {
        now_us += random.pick(step_us);
        server.set_clock_us(now_us);
        let cost = random.pick(&[1, 1, 1, 2, 3]);
        let mode = random.pick(&["", "", "PARTIAL", "MAXWAIT 400"]);
        let reply = client.ask(&format!("RATELIMIT.ACQUIRE k {limit} COST {cost} {mode}")).ints();
        if reply[0] > 0 {
            let act_us = reply.get(6).copied().unwrap_or(now_us);
            acts.push((act_us, if mode == "PARTIAL" { reply[0] } else { cost }));
        }
    }
    client.assert_in_step();
    acts.sort_unstable();
    assert!(acts.len() > 100, "only {} acts", acts.len());
    acts
}

/// In [x, x + period), wherever x is: it is enough to begin at each act.
#[track_caller]
fn assert_no_window_has_more_than(count: i64, period_us: i64, acts: &[(i64, i64)]) {
    for (first, (from_us, _)) in acts.iter().enumerate() {
        let within = acts[first..].iter().take_while(|(at_us, _)| at_us - from_us < period_us);
        let cost: i64 = within.map(|(_, cost)| cost).sum();
        assert!(cost <= count, "{cost} in the window from {from_us}");
    }
}

fn no_window_has_more_than_its_count(kind: Kind) {
    let acts = acts_under(kind, "LIMIT 9 PX 700 STRICT", 0x57, &[0, 1, 999, 20_000, 57_123, 300_000]);
    assert_no_window_has_more_than(9, 700_000, &acts);
}

fn no_window_has_more_than_its_count_however_many_instants_there_are(kind: Kind) {
    // Far more instants in a window than a key remembers one by one.
    let acts = acts_under(kind, "LIMIT 500 PX 2000 STRICT", 0x58, &[1000, 3000, 7123]);
    assert_no_window_has_more_than(500, 2_000_000, &acts);
}

fn a_window_gives_all_that_it_has(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let c = &mut client;
    // Exactly a period after each act its token is back, as long as there are no more than 64 instants.
    for round in 0..3 {
        for n in 0..50 {
            server.set_clock_ms(NOON_MS + round * 5000 + n * 100);
            let left = if round == 0 { 49 - n } else { 0 };
            expect(c, "RATELIMIT.ACQUIRE k LIMIT 50 EX 5 STRICT", [1, 0, left, 50, 5000, 0]);
            if round > 0 {
                expect(c, "RATELIMIT.ACQUIRE k LIMIT 50 EX 5 STRICT", [0, 100, 0, 50, 5000, 0]);
            }
        }
    }
    // Beyond that it is back a 32nd of the period later at most.
    c.ask("DEL k");
    let start_ms = NOON_MS + 100_000;
    for n in 0..200 {
        server.set_clock_ms(start_ms + n * 10);
        assert_eq!(six(c, "RATELIMIT.ACQUIRE k LIMIT 200 EX 4 STRICT")[0], 1);
    }
    for n in 0..200 {
        server.set_clock_ms(start_ms + 4000 + n * 10 + 4000 / 32 + 2);
        assert_eq!(six(c, "RATELIMIT.ACQUIRE k LIMIT 200 EX 4 STRICT")[0], 1, "the token of act {n}");
    }
}

fn a_plain_limit_lets_more_through_than_a_strict_one(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let mut count = |limit: &str| -> i64 {
        let calls = (0..1000).map(|ms| {
            server.set_clock_ms(NOON_MS + ms);
            six(&mut client, &format!("RATELIMIT.ACQUIRE {limit}"))[0]
        });
        calls.sum()
    };
    assert_eq!(count("plain LIMIT 10 EX 1"), 19);
    assert_eq!(count("strict LIMIT 10 EX 1 STRICT"), 10);
    assert_eq!(count("calendar LIMIT 10 EX 1 ALIGN 0"), 10);
    // What does without STRICT where BURST + count is one more than that.
    assert_eq!(count("burst LIMIT 8 EX 1 BURST 3"), 10);
}

fn a_calendar_begins_when_it_is_told_to(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let c = &mut client;
    // 2027-01-15 08:00 UTC, a Friday: until the end of the hour, of the day in UTC and in Tokyo, of the week.
    for (key, words, hours) in [
        ("hour", "LIMIT 2 EX 3600 ALIGN 0", 1),
        ("day", "LIMIT 2 EX 86400 ALIGN 0", 16),
        ("tokyo", "LIMIT 2 EX 86400 ALIGN 54000", 7),
        ("week", "LIMIT 2 EX 604800 ALIGN 345600", 64),
        ("week-later", "LIMIT 2 EX 604800 ALIGN 950400", 64),
    ] {
        server.set_clock_ms(NOON_MS);
        let (call, ms) = (format!("RATELIMIT.ACQUIRE {key} {words}"), hours * 3_600_000);
        expect(c, &call, [1, 0, 1, 2, ms, 0]);
        expect(c, &call, [1, 0, 0, 2, ms, 0]);
        expect(c, &call, [0, ms, 0, 2, ms, 0]);
        server.set_clock_ms(NOON_MS + ms - 1);
        expect(c, &call, [0, 1, 0, 2, 1, 0]);
        server.set_clock_ms(NOON_MS + ms);
        let next_ms = words.split(' ').nth(3).unwrap().parse::<i64>().unwrap() * 1000;
        expect(c, &call, [1, 0, 1, 2, next_ms, 0]);
    }
}

fn a_window_is_no_plain_limit_and_no_other_window(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    let c = &mut client;
    for (number, words) in
        ["LIMIT 4 EX 8", "LIMIT 4 EX 8 STRICT", "LIMIT 4 EX 8 ALIGN 0", "LIMIT 4 EX 8 ALIGN 1"]
            .iter()
            .enumerate()
    {
        // Each joins, and has what the others have left.
        let left = 3 - i64::try_from(number).unwrap();
        assert_eq!(six(c, &format!("RATELIMIT.ACQUIRE k {words}"))[..4], [1, 0, left, 4], "{words}");
    }
    assert_eq!(c.ask("RATELIMIT.INFO k").array().len(), 4);
    assert_eq!(c.info("sluice", "sluice_mixed"), "3");
    // The same calendar in other words.
    assert_eq!(six(c, "RATELIMIT.PEEK k LIMIT 4 PX 8000 ALIGN 9 COST 0")[..4], [1, 0, 0, 4]);
    assert_eq!(c.ask("RATELIMIT.INFO k").array().len(), 4);
}

fn a_window_goes_with_every_mode(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let c: &mut Client = &mut client;
    let call = |rest: &str| format!("RATELIMIT.ACQUIRE k LIMIT 5 EX 10 STRICT {rest}");
    expect(c, &call("COST 2"), [1, 0, 3, 5, 10_000, 0]);
    server.set_clock_ms(NOON_MS + 1000);
    expect(c, &call("COST 9 PARTIAL"), [3, 0, 0, 5, 10_000, 0]);
    expect(c, &call("PARTIAL"), [0, 9000, 0, 5, 10_000, 0]);
    expect(c, &call("COST 6"), [0, -1, 0, 5, 10_000, 0]);
    expect(c, &call("COST 3 MAXWAIT 9999"), [0, 10_000, 0, 5, 10_000, 0]);
    expect(c, &call("COST 3 MAXWAIT 10000"), [1, 10_000, 0, 5, 20_000, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 5 EX 10 STRICT COST 3 DUE 10000", [1, 0, 0, 5, 10_000, 0]);
    // FORCE says when there would have been so many, and takes those that are back soonest.
    expect(c, &call("COST 3 FORCE"), [1, 10_000, 0, 5, 10_000, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 5 EX 10 STRICT COST 2", [1, 0, 2, 5, 10_000, 0]);
    server.set_clock_ms(NOON_MS + 11_000);
    expect(c, "RATELIMIT.PEEK k LIMIT 5 EX 10 STRICT COST 0", [1, 0, 5, 5, 0, 0]);
}
