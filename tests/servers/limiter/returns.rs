//! RETURN gives back what was taken, and never more than that.

use sluice_testing::{Client, Kind, Server, on_every_server};

use crate::limiter::expect;
use crate::shared::NOON_MS;

on_every_server![
    a_refund_can_be_taken_again,
    a_bucket_is_never_more_than_full,
    a_key_goes_when_all_its_limits_are_full,
    on_an_idle_key_it_does_nothing,
    a_limit_without_a_cost_is_left_alone,
    a_turn_goes_back_while_nobody_stands_behind_it,
    a_turn_is_given_up_by_its_act,
    nobody_may_stand_behind_it_in_any_limit,
    a_debt_can_be_forgiven,
    under_a_limit_it_does_not_know_nothing_goes_back,
    what_others_used_goes_back_too,
    only_what_gives_something_back_is_counted,
];

fn a_refund_can_be_taken_again(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5", [1, 0, 5, 10, 5000, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 10 EX 10 COST 2", [1, 0, 7, 10, 3000, 0]);
    assert_eq!(c.ask("PTTL k").int(), 4000);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 8", [0, 1000, 7, 10, 3000, 0]);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 7", [1, 0, 0, 10, 10_000, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 10 EX 10", [1, 0, 1, 10, 9000, 0]);
}

fn a_bucket_is_never_more_than_full(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    for cost in [4, 10, 11, i64::MAX] {
        expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 4", [1, 0, 6, 10, 4000, 0]);
        expect(c, &format!("RATELIMIT.RETURN k LIMIT 10 EX 10 COST {cost}"), [1, 0, 10, 10, 0, 0]);
        expect(c, "RATELIMIT.PEEK k LIMIT 10 EX 10 COST 11", [0, -1, 10, 10, 0, 0]);
    }
}

fn a_key_goes_when_all_its_limits_are_full(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 2 LIMIT 20 EX 10 COST 4", [1, 0, 8, 10, 2000, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 10 EX 10 COST 2 LIMIT 20 EX 10 COST 3", [1, 0, 10, 10, 0, 0]);
    assert_eq!(c.ask("GET k").text(), "0000000000000000000:10/10000:10;1800000000500000000:20/10000:20");
    assert_eq!(c.ask("PTTL k").int(), 2000);
    // What the call does not name keeps the key too.
    expect(c, "RATELIMIT.RETURN k LIMIT 10 EX 10", [0, 0, 10, 10, 0, 0]);
    assert_eq!(c.ask("EXISTS k").int(), 1);
    expect(c, "RATELIMIT.RETURN k LIMIT 10 EX 10 LIMIT 20 EX 10", [1, 0, 10, 10, 0, 0]);
    assert_eq!(c.ask("DBSIZE").int(), 0);
}

fn on_an_idle_key_it_does_nothing(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    for due in ["", "DUE 0", "DUE 1000"] {
        expect(
            c,
            &format!("RATELIMIT.RETURN k LIMIT 10 EX 10 LIMIT 5 EX 5 COST 3 {due}"),
            [0, 0, 5, 5, 0, 1],
        );
    }
    assert_eq!(c.ask("DBSIZE").int(), 0);
    assert_eq!(c.info("persistence", "rdb_changes_since_last_save"), "0");
}

fn a_limit_without_a_cost_is_left_alone(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 9 LIMIT 20 EX 20 COST 5", [1, 0, 1, 10, 9000, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 10 EX 10 COST 0 LIMIT 20 EX 20 COST 2", [1, 0, 17, 20, 3000, 1]);
    expect(c, "RATELIMIT.PEEK k LIMIT 10 EX 10 COST 0", [1, 0, 1, 10, 9000, 0]);
}

fn a_turn_goes_back_while_nobody_stands_behind_it(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let reserve = "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 MAXWAIT 60000";
    let give_up = |due| format!("RATELIMIT.RETURN k LIMIT 1 EX 1 DUE {due}");
    for wait in [0, 1000, 2000] {
        expect(c, reserve, [1, wait, 0, 1, wait + 1000, 0]);
    }
    let state = c.ask("GET k");
    // The second has somebody behind it: its turn lapses.
    expect(c, &give_up(1000), [0, 0, 0, 1, 3000, 0]);
    expect(c, &give_up(1999), [0, 0, 0, 1, 3000, 0]);
    assert_eq!(c.ask("GET k"), state);
    // A client passes its wait less the time since the reply.
    server.set_clock_ms(NOON_MS + 400);
    expect(c, &give_up(1599), [0, 0, 0, 1, 2600, 0]);
    assert_eq!(c.ask("GET k"), state);
    expect(c, &give_up(1600), [1, 0, 0, 1, 1600, 0]);
    // Now the second is the last.
    expect(c, &give_up(600), [1, 0, 0, 1, 600, 0]);
    expect(c, reserve, [1, 600, 0, 1, 1600, 0]);
}

fn a_turn_is_given_up_by_its_act(kind: Kind) {
    // Not on a whole ms: an act has its us.
    let server = Server::setup(kind).clock_us(NOON_MS * 1000 + 457).start();
    let c = &mut server.connect();
    let reserve = "RATELIMIT.ACQUIRE k LIMIT 3 EX 1 BURST 1 MAXWAIT 60000";
    let acts: Vec<_> = (0..3).map(|_| c.ask(reserve).ints()[6]).collect();
    // A third of a second is no whole number of us: rounded up, so that nobody acts too early.
    assert_eq!(acts, [457, 333_791, 667_124].map(|us| NOON_MS * 1000 + us));
    let give_up = |act_us| format!("RATELIMIT.RETURN k LIMIT 3 EX 1 BURST 1 AT {act_us}");
    for us in [400_000, 457_000] {
        // When it is sent makes no difference, as long as it is before the act.
        server.set_clock_us(NOON_MS * 1000 + us);
        let state = c.ask("GET k");
        assert_eq!(c.ask(&give_up(acts[1])).ints()[0], 0, "somebody stands behind it");
        assert_eq!(c.ask(&give_up(acts[2] - 1)).ints()[0], 0, "and this act is nobody's");
        assert_eq!(c.ask("GET k"), state);
        assert_eq!(c.ask(&give_up(acts[2])).ints()[0], 1);
        assert_eq!(c.ask(reserve).ints()[6], acts[2], "the next caller has that turn");
    }
    // Too late, or of a turn that there cannot be: nothing goes back.
    server.set_clock_us(acts[2] + 3_600_000_000);
    let at = |client: &mut Client, act_us| client.ask(&give_up(act_us));
    assert_eq!(at(c, acts[2]).ints(), [0, 0, 1, 1, 0, 0]);
    for act_us in [acts[2] - 1124, acts[2] + 2 * 3_600_000_000] {
        assert!(at(c, act_us).error().starts_with("ERR AT must be "), "{act_us}");
    }
}

fn nobody_may_stand_behind_it_in_any_limit(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    let both = "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 LIMIT 1 EX 10 MAXWAIT 60000";
    expect(c, both, [1, 0, 0, 1, 1000, 0]);
    expect(c, both, [1, 10_000, 0, 1, 20_000, 1]);
    // Somebody behind the second caller in the second limit alone.
    expect(
        c,
        "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 COST 0 LIMIT 1 EX 10 MAXWAIT 60000",
        [1, 20_000, 0, 1, 30_000, 1],
    );
    let state = c.ask("GET k");
    expect(c, "RATELIMIT.RETURN k LIMIT 1 EX 1 LIMIT 1 EX 10 DUE 10000", [0, 0, 0, 1, 11_000, 0]);
    assert_eq!(c.ask("GET k"), state);
    expect(c, "RATELIMIT.RETURN k LIMIT 1 EX 1 COST 0 LIMIT 1 EX 10 DUE 20000", [1, 0, 0, 1, 20_000, 1]);
    expect(c, "RATELIMIT.RETURN k LIMIT 1 EX 1 LIMIT 1 EX 10 DUE 10000", [1, 0, 0, 1, 10_000, 0]);
}

fn a_debt_can_be_forgiven(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 25 FORCE", [1, 15_000, 0, 10, 25_000, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 10 EX 10 COST 10", [1, 0, 0, 10, 15_000, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 10 EX 10 COST 10", [1, 0, 5, 10, 5000, 0]);
}

fn under_a_limit_it_does_not_know_nothing_goes_back(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 5", [1, 0, 5, 10, 5000, 0]);
    // It says where that limit would stand, and adds none.
    expect(c, "RATELIMIT.RETURN k LIMIT 20 EX 10 COST 5", [0, 0, 15, 20, 2500, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 20 EX 10 STRICT COST 5", [0, 0, 15, 20, 10_000, 0]);
    assert_eq!(c.ask("GET k").text(), "1800000005000000000:10/10000:10");
    assert_eq!(c.info("sluice", "sluice_mixed"), "0");
}

fn what_others_used_goes_back_too(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 4", [1, 0, 6, 10, 4000, 0]);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 20 EX 10 COST 3", [1, 0, 13, 20, 3500, 0]);
    expect(c, "RATELIMIT.PEEK k LIMIT 10 EX 10 COST 0", [1, 0, 3, 10, 7000, 0]);
    // 5 of the 7 go back to the limit that is named; to the other the 3 that its own calls did not take.
    expect(c, "RATELIMIT.RETURN k LIMIT 20 EX 10 COST 5", [1, 0, 18, 20, 1000, 0]);
    expect(c, "RATELIMIT.PEEK k LIMIT 10 EX 10 COST 0", [1, 0, 6, 10, 4000, 0]);
}

fn only_what_gives_something_back_is_counted(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let c = &mut server.connect();
    for (line, returned) in [
        ("RATELIMIT.RETURN k LIMIT 1 EX 1", "0"),
        ("RATELIMIT.ACQUIRE k LIMIT 1 EX 1", "0"),
        ("RATELIMIT.ACQUIRE k LIMIT 1 EX 1 MAXWAIT 9000", "0"),
        ("RATELIMIT.RETURN k LIMIT 1 EX 1 DUE 0", "0"),
        ("RATELIMIT.RETURN k LIMIT 1 EX 1 DUE 1000", "1"),
        ("RATELIMIT.RETURN k LIMIT 1 EX 1 COST 9", "2"),
        ("RATELIMIT.RETURN k LIMIT 1 EX 1 COST 9", "2"),
    ] {
        c.ask(line).ints();
        assert_eq!(c.info("sluice", "sluice_returned"), returned, "{line}");
    }
}
