//! What an ACQUIRE is answered, and when: clauses, costs and modes, under a clock that stands where the test
//! says.

use sluice_testing::{Client, Kind, Server, on_every_server};

use crate::limiter::expect;
use crate::shared::NOON_MS;
use crate::shared::random::Random;

on_every_server![
    several_limits_are_all_or_nothing,
    the_deciding_limit_is_the_one_the_contract_names,
    cost_0_takes_no_part,
    partial_takes_what_fits,
    force_goes_into_debt_and_time_settles_it,
    force_charges_at_the_call_and_within_the_longest_debt,
    a_forced_debt_is_not_forgiven,
    maxwait_makes_a_fair_queue,
    a_turn_is_exact_where_a_token_is_no_whole_number_of_ms,
    a_queue_has_an_end,
    a_peek_tells_what_acquire_will_answer_and_changes_nothing,
    the_wait_that_was_told_is_the_least_that_succeeds,
    burst_is_the_true_capacity,
];

fn several_limits_are_all_or_nothing(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let call = "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 COST 5 LIMIT 12 EX 60 COST 5";
    expect(c, call, [1, 0, 5, 10, 500, 0]);
    expect(c, call, [1, 0, 0, 10, 1000, 0]);
    server.set_clock_ms(NOON_MS + 1000);
    // The first limit is full again, of the second 2 tokens are left: 49 s to go, and 5 more take 25.
    let state = c.ask("GET k");
    for _ in 0..3 {
        expect(c, call, [0, 14_000, 2, 12, 49_000, 1]);
    }
    assert_eq!(c.ask("GET k"), state);
    expect(c, "RATELIMIT.PEEK k LIMIT 10 EX 1 COST 10 LIMIT 12 EX 60 COST 0", [1, 0, 0, 10, 1000, 0]);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 COST 5 LIMIT 12 EX 60 COST 2", [1, 0, 0, 12, 59_000, 1]);
}

fn the_deciding_limit_is_the_one_the_contract_names(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    for (number, (before, line, reply)) in [
        // Granted: the fewest remaining, then the first.
        ("", "LIMIT 5 EX 5 LIMIT 3 EX 3 LIMIT 4 EX 4", [1, 0, 2, 3, 1000, 1]),
        ("", "LIMIT 3 EX 9 LIMIT 3 EX 3", [1, 0, 2, 3, 3000, 0]),
        // Refused: the first that can never be met, though another waits longer.
        ("LIMIT 1 EX 999", "LIMIT 1 EX 999 LIMIT 5 EX 5 COST 6 LIMIT 5 EX 5 COST 7", [0, -1, 5, 5, 0, 1]),
        // Refused: the longest wait, though another has more to refill; then the first.
        ("LIMIT 1 EX 10 LIMIT 1 EX 20", "LIMIT 1 EX 10 LIMIT 1 EX 20", [0, 20_000, 0, 1, 20_000, 1]),
        (
            "LIMIT 1 EX 10 LIMIT 9 EX 90 COST 9",
            "LIMIT 1 EX 10 COST 1 LIMIT 9 EX 90",
            [0, 10_000, 0, 1, 10_000, 0],
        ),
        (
            "LIMIT 3 EX 1 BURST 1 LIMIT 6 EX 2 BURST 1",
            "LIMIT 3 EX 1 BURST 1 LIMIT 6 EX 2 BURST 1",
            [0, 334, 0, 1, 334, 0],
        ),
        ("LIMIT 5 EX 5 COST 5 LIMIT 5 EX 5 COST 5", "LIMIT 5 EX 5 LIMIT 5 EX 5", [0, 1000, 0, 5, 5000, 0]),
        // Refused: by a third of a nanosecond.
        (
            "LIMIT 3000000 PX 1999999 BURST 1 LIMIT 3 PX 2 BURST 1",
            "LIMIT 3000000 PX 1999999 BURST 1 LIMIT 3 PX 2 BURST 1",
            [0, 1, 0, 1, 1, 1],
        ),
        // Granted after a wait: the one that waits, though another has as few left.
        ("LIMIT 1 EX 2 LIMIT 1 EX 1", "LIMIT 1 EX 2 LIMIT 1 EX 1 MAXWAIT 2000", [1, 2000, 0, 1, 4000, 0]),
        (
            "LIMIT 5 EX 5 COST 5 LIMIT 9 EX 9",
            "LIMIT 5 EX 5 LIMIT 9 EX 9 COST 8 MAXWAIT 5000",
            [1, 1000, 0, 5, 6000, 0],
        ),
        // Only those with a cost compete.
        ("LIMIT 1 EX 9 LIMIT 5 EX 5", "LIMIT 1 EX 9 COST 0 LIMIT 5 EX 5", [1, 0, 3, 5, 2000, 1]),
    ]
    .into_iter()
    .enumerate()
    {
        if !before.is_empty() {
            assert_eq!(c.ask(&format!("RATELIMIT.ACQUIRE k{number} {before}")).ints()[0], 1);
        }
        expect(c, &format!("RATELIMIT.ACQUIRE k{number} {line}"), reply);
    }
}

fn cost_0_takes_no_part(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 1 EX 100 LIMIT 5 EX 5", [1, 0, 0, 1, 100_000, 0]);
    // The first limit has nothing left, and neither refuses, nor is charged, nor decides.
    for mode in ["", "PARTIAL", "FORCE", "MAXWAIT 1000"] {
        let line = format!("RATELIMIT.ACQUIRE k LIMIT 1 EX 100 COST 0 LIMIT 5 EX 5 {mode}");
        assert_eq!(c.ask(&line).ints()[..2], [1, 0], "{mode}");
    }
    expect(c, "RATELIMIT.PEEK k LIMIT 1 EX 100 COST 0 LIMIT 5 EX 5 COST 1", [0, 1000, 0, 5, 5000, 1]);
    // A PEEK may ask for nothing at all, and sees what is there.
    expect(c, "RATELIMIT.PEEK k LIMIT 1 EX 100 COST 0 LIMIT 5 EX 5 COST 0", [1, 0, 0, 1, 100_000, 0]);
    expect(c, "RATELIMIT.PEEK new LIMIT 9 EX 9 COST 0 LIMIT 5 EX 5 COST 0", [1, 0, 5, 5, 0, 1]);
}

fn partial_takes_what_fits(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let call = "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 7 LIMIT 5 EX 5 COST 7 LIMIT 1 EX 1 COST 0 PARTIAL";
    expect(c, call, [5, 0, 0, 5, 5000, 1]);
    // Nothing fits: the wait is that of one token.
    expect(c, call, [0, 1000, 0, 5, 5000, 1]);
    server.set_clock_ms(NOON_MS + 999);
    expect(c, call, [0, 1, 0, 5, 4001, 1]);
    server.set_clock_ms(NOON_MS + 1500);
    expect(c, call, [1, 0, 0, 5, 4500, 1]);
    expect(c, "RATELIMIT.PEEK k LIMIT 10 EX 10 COST 0", [1, 0, 5, 10, 4500, 0]);
    // All of it fits: as without PARTIAL.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5 PARTIAL", [5, 0, 0, 10, 9500, 0]);
}

fn force_goes_into_debt_and_time_settles_it(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let (one, forced) =
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10", "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5 FORCE");
    // What is there goes without debt, and without a word of a wait.
    expect(c, forced, [1, 0, 5, 10, 5000, 0]);
    expect(c, forced, [1, 0, 0, 10, 10_000, 0]);
    expect(c, forced, [1, 5000, 0, 10, 15_000, 0]);
    expect(c, one, [0, 6000, 0, 10, 15_000, 0]);
    server.set_clock_ms(NOON_MS + 5999);
    expect(c, one, [0, 1, 0, 10, 9001, 0]);
    server.set_clock_ms(NOON_MS + 6000);
    expect(c, one, [1, 0, 0, 10, 10_000, 0]);
    // More than there can ever be: granted, with the time it would take.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 20 FORCE", [1, 20_000, 0, 10, 30_000, 0]);
}

fn force_charges_at_the_call_and_within_the_longest_debt(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    c.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1000 LIMIT 10 EX 10");
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 1 EX 1000 LIMIT 10 EX 10 FORCE", [1, 1_000_000, 0, 1, 2_000_000, 0]);
    // The other limit is charged now, not when the first would have let it go.
    expect(c, "RATELIMIT.PEEK k LIMIT 1 EX 1000 COST 0 LIMIT 10 EX 10", [1, 0, 7, 10, 3000, 1]);
    // A bucket of 10 s, and max-debt (an hour) on it. What is owed is what is told.
    expect(c, "RATELIMIT.ACQUIRE far LIMIT 10 EX 10 COST 1000 FORCE", [1, 990_000, 0, 10, 1_000_000, 0]);
    expect(c, "RATELIMIT.ACQUIRE far LIMIT 10 EX 10 COST 1000 FORCE", [1, 1_990_000, 0, 10, 2_000_000, 0]);
    expect(c, "RATELIMIT.ACQUIRE far LIMIT 10 EX 10 COST 1610 FORCE", [1, 3_600_000, 0, 10, 3_610_000, 0]);
    assert_eq!(c.info("sluice", "sluice_debt_cut"), "0");
    expect(c, "RATELIMIT.ACQUIRE far LIMIT 10 EX 10 FORCE", [1, 3_600_000, 0, 10, 3_610_000, 0]);
    assert_eq!(c.info("sluice", "sluice_debt_cut"), "1");
    // The longest wait decides, among limits that are owed differently.
    expect(
        c,
        "RATELIMIT.ACQUIRE two LIMIT 10 EX 10 COST 30 LIMIT 1 EX 9 COST 4 FORCE",
        [1, 27_000, 0, 1, 36_000, 1],
    );
}

fn a_forced_debt_is_not_forgiven(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 110 FORCE", [1, 100_000, 0, 10, 110_000, 0]);
    assert_eq!(c.ask("GET k").text(), "-1800000110000000000:10/10000:10");
    for (ms, wait_ms) in [(0, 101_000), (1000, 100_000), (100_000, 1000), (100_999, 1)] {
        server.set_clock_ms(NOON_MS + ms);
        let reset_ms = 110_000 - ms;
        expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10", [0, wait_ms, 0, 10, reset_ms, 0]);
    }
    server.set_clock_ms(NOON_MS + 101_000);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10", [1, 0, 0, 10, 10_000, 0]);
    assert_eq!(c.ask("GET k").text(), "1800000111000000000:10/10000:10");
    assert_eq!([c.info("sluice", "sluice_repaired"), c.info("sluice", "sluice_debt_cut")], ["0", "0"]);
}

fn maxwait_makes_a_fair_queue(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let call = "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 BURST 1 MAXWAIT 1900";
    let mut callers: Vec<Client> = (0..21).map(|_| server.connect()).collect();
    for (turn, caller) in (0..20).zip(&mut callers) {
        expect(caller, call, [1, turn * 100, 0, 1, turn * 100 + 100, 0]);
    }
    let last = &mut callers[20];
    expect(last, call, [0, 2000, 0, 1, 2000, 0]);
    server.set_clock_ms(NOON_MS + 99);
    expect(last, call, [0, 1901, 0, 1, 1901, 0]);
    server.set_clock_ms(NOON_MS + 100);
    expect(last, call, [1, 1900, 0, 1, 2000, 0]);
    // Whoever does not want to wait does not jump the queue.
    expect(last, "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 BURST 1", [0, 2000, 0, 1, 2000, 0]);
}

fn a_turn_is_exact_where_a_token_is_no_whole_number_of_ms(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    for wait in [0, 334, 667, 1000, 1334, 1667, 2000] {
        assert_eq!(c.ask("RATELIMIT.ACQUIRE k LIMIT 3 EX 1 BURST 1 MAXWAIT 9000").ints()[..2], [1, wait]);
    }
    let turn = |ms| format!("RATELIMIT.PEEK third LIMIT 3 EX 1 BURST 1 MAXWAIT {ms}");
    c.ask("RATELIMIT.ACQUIRE third LIMIT 3 EX 1 BURST 1");
    expect(c, &turn(333), [0, 334, 0, 1, 334, 0]);
    expect(c, &turn(334), [1, 334, 0, 1, 667, 0]);
}

fn a_queue_has_an_end(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let call = |cost, ms| format!("RATELIMIT.ACQUIRE k LIMIT 2 EX 2 COST {cost} MAXWAIT {ms}");
    expect(c, &call(2, 0), [1, 0, 0, 2, 2000, 0]);
    expect(c, &call(2, 1999), [0, 2000, 0, 2, 2000, 0]);
    expect(c, &call(1, 1000), [1, 1000, 0, 2, 3000, 0]);
    expect(c, &call(1, 60_000), [1, 2000, 0, 2, 4000, 0]);
    expect(c, &call(2, 3999), [0, 4000, 0, 2, 4000, 0]);
    expect(c, &call(2, 4000), [1, 4000, 0, 2, 6000, 0]);
    // Nobody waits for what can never be.
    expect(c, &call(3, 60_000), [0, -1, 0, 2, 6000, 0]);
}

/// A call in one of these modes on one of two keys: limits that change, tokens of all sizes.
fn any_call(random: &mut Random, modes: &[&str]) -> String {
    let limits = [
        "10 EX 1",
        "10 EX 1 BURST 3",
        "3 EX 1",
        "7 PX 1300 BURST 2",
        "1000 EX 60",
        "2000000 EX 1 BURST 900000",
    ];
    let mode = random.pick(modes);
    let mut line = format!("RATELIMIT.ACQUIRE {}", random.pick(&["a", "b"]));
    let partial_cost = random.pick(&[1, 2, 5]);
    for clause in 0..=random.below(3) {
        let cost = match mode {
            "PARTIAL" => partial_cost,
            _ if clause == 0 => random.pick(&[1, 1, 2, 4, 11]),
            _ => random.pick(&[0, 1, 1, 3]),
        };
        line += &format!(" LIMIT {} COST {cost}", random.pick(&limits));
    }
    format!("{line} {mode}")
}

fn a_peek_tells_what_acquire_will_answer_and_changes_nothing(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let (mut random, mut now_us) = (Random(0x9ee4), NOON_MS * 1000);
    let look = ["GET a", "PEXPIRETIME a", "GET b", "PEXPIRETIME b"];
    for _ in 0..2000 {
        now_us += random.pick(&[
            0,
            0,
            1,
            999,
            1000,
            77_777,
            1_000_000,
            3_000_001,
            -500_000,
            -90_000_000,
            95_000_000,
        ]);
        server.set_clock_us(now_us);
        let line = any_call(&mut random, &["", "PARTIAL", "FORCE", "MAXWAIT 500", "MAXWAIT 60000"]);
        let before = c.pipeline(&look);
        let foretold = c.ask(&line.replacen("ACQUIRE", "PEEK", 1));
        assert_eq!(c.pipeline(&look), before, "{line}");
        assert_eq!(c.ask(&line), foretold, "{line}");
    }
    assert_ne!(c.info("sluice", "sluice_granted"), "0");
}

fn the_wait_that_was_told_is_the_least_that_succeeds(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let (mut random, mut now_us, mut waited) = (Random(0x3a17), NOON_MS * 1000, 0);
    for _ in 0..2000 {
        now_us += random.pick(&[0, 1, 999, 12_345, 77_777]);
        server.set_clock_us(now_us);
        let line = any_call(&mut random, &[""]);
        let reply = c.ask(&line).ints();
        if reply[0] == 0 && reply[1] > 0 {
            server.set_clock_us(now_us + (reply[1] - 1) * 1000);
            let early = c.ask(&line.replacen("ACQUIRE", "PEEK", 1)).ints();
            assert_eq!(early[..2], [0, 1], "{line}");
            now_us += reply[1] * 1000;
            server.set_clock_us(now_us);
            assert_eq!(c.ask(&line).ints()[..2], [1, 0], "{line}");
            waited += 1;
        }
    }
    assert!(waited > 100, "only {waited} calls had to wait");
}

fn burst_is_the_true_capacity(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    for (key, limit, burst) in
        [("one", "9 EX 9 BURST 1", 1), ("own", "9 EX 9", 9), ("more", "9 EX 9 BURST 20", 20)]
    {
        let call = format!("RATELIMIT.ACQUIRE {key} LIMIT {limit}");
        for left in (0..burst).rev() {
            expect(c, &call, [1, 0, left, burst, (burst - left) * 1000, 0]);
        }
        expect(c, &call, [0, 1000, 0, burst, burst * 1000, 0]);
    }
}
