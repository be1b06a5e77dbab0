//! HOLD and TURN: nobody acts before the end of a hold, and turns that were given move behind it, in order.

use sluice_testing::{Client, Kind, Reply, on_every_server};

use crate::limiter::{expect, six};
use crate::shared::random::Random;
use crate::shared::{NOON_MS, at_noon, script};

on_every_server![
    everybody_who_asks_for_their_turn_keeps_the_pace_and_the_hold,
    a_hold_is_answered_in_transactions_and_scripts,
    it_only_grows_until_it_is_ended,
    a_give_back_finds_its_turn_behind_a_hold,
    what_is_held_is_a_key_like_any_other,
];

const RESERVE: &str = "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 BURST 1 MAXWAIT 60000";

/// A caller with a turn: when it was told of it, and when it is due.
struct Turn {
    told_ms: i64,
    due_ms: i64,
}

fn everybody_who_asks_for_their_turn_keeps_the_pace_and_the_hold(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let c = &mut client;
    let mut random = Random(0x401d);
    let (mut turns, mut acts, mut holds) = (Vec::<Turn>::new(), Vec::new(), Vec::new());
    let mut held_until_ms = 0;
    for ms in 0..20_000 {
        let now_ms = NOON_MS + ms;
        server.set_clock_ms(now_ms);
        if ms < 15_000 && random.below(2500) == 0 {
            let time_ms = i64::try_from(1 + random.below(900)).unwrap();
            let held_ms = c.ask(&format!("RATELIMIT.HOLD k PX {time_ms}")).int();
            held_until_ms = now_ms + held_ms;
            holds.push((now_ms, held_until_ms));
        }
        if ms < 15_000 && random.below(150) == 0 {
            let reply = six(c, RESERVE);
            assert_eq!(reply[0], 1, "nobody is refused with turns so few");
            turns.push(Turn { told_ms: now_ms, due_ms: now_ms + reply[1] });
        }
        turns.retain_mut(|turn| {
            if turn.due_ms > now_ms {
                return true;
            }
            let later_ms = c.ask(&format!("RATELIMIT.TURN k {}", now_ms - turn.told_ms)).int();
            if later_ms > 0 {
                (turn.told_ms, turn.due_ms) = (now_ms, now_ms + later_ms);
                return true;
            }
            acts.push(now_ms);
            false
        });
    }
    assert!(
        turns.is_empty() && acts.len() > 60 && holds.len() > 3,
        "{} acts, {} holds",
        acts.len(),
        holds.len()
    );
    assert!(held_until_ms > 0);
    for two in acts.windows(2) {
        assert!(two[1] - two[0] >= 99, "acts {} ms apart", two[1] - two[0]);
    }
    for (since_ms, until_ms) in holds {
        let early = acts.iter().find(|act_ms| (since_ms + 1..until_ms).contains(*act_ms));
        assert_eq!(early, None, "held from {since_ms} to {until_ms}");
    }
}

fn a_hold_is_answered_in_transactions_and_scripts(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    let c = &mut client;
    let replies = c.pipeline(&[
        "MULTI",
        "RATELIMIT.HOLD k EX 2",
        "RATELIMIT.TURN k 0",
        "RATELIMIT.ACQUIRE k LIMIT 1 EX 1",
        "RATELIMIT.HOLD k EX 0",
        "RATELIMIT.TURN k -1",
        "RATELIMIT.HOLD k OFF",
        "EXEC",
    ]);
    let exec = replies[7].array();
    assert_eq!([&exec[0], &exec[1], &exec[5]].map(Reply::int), [2000, 2000, 0]);
    assert_eq!(exec[2].ints(), [0, 2000, 0, 1, 2000, 0]);
    assert!(exec[3].error().starts_with("ERR invalid expire time in 'ratelimit.hold'"));
    assert!(exec[4].error().starts_with("ERR the time must be from 0"));
    assert_eq!(c.call(&script("RATELIMIT.HOLD k EX 2")).int(), 2000);
    assert_eq!(c.call(&script("RATELIMIT.TURN k 0")).int(), 2000);
    assert!(c.call(&script("RATELIMIT.HOLD k 5")).error().starts_with("ERR syntax error"));
    let read_only = |line: &str| {
        let mut words = script(line);
        words[0] = "EVAL_RO".to_owned();
        words
    };
    assert_eq!(c.call(&read_only("RATELIMIT.TURN k 0")).int(), 2000);
    assert!(
        c.call(&read_only("RATELIMIT.HOLD k OFF")).error().starts_with("ERR Write commands are not allowed")
    );
    c.assert_in_step();
}

fn it_only_grows_until_it_is_ended(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let c = &mut client;
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 2 EX 1", [1, 0, 1, 2, 500, 0]);
    let before = c.ask("GET k");
    assert_eq!(c.ask("RATELIMIT.HOLD k EX 3").int(), 3000);
    for shorter in ["PX 1", "EX 3", "PX 2999"] {
        let state = c.ask("DUMP k");
        assert_eq!(c.ask(&format!("RATELIMIT.HOLD k {shorter}")).int(), 3000);
        assert_eq!(c.ask("DUMP k"), state);
    }
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 2 EX 1", [0, 3000, 0, 2, 3500, 0]);
    // What was used stays used, and FORCE and a refund take effect.
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 2 EX 1 FORCE", [1, 3000, 0, 2, 4000, 0]);
    expect(c, "RATELIMIT.RETURN k LIMIT 2 EX 1", [1, 0, 0, 2, 3500, 0]);
    assert_eq!(c.ask("RATELIMIT.HOLD k OFF").int(), 0);
    assert_eq!(c.ask("GET k"), before);
    // At its end the key is as it was at its beginning.
    assert_eq!(c.ask("RATELIMIT.HOLD k EX 3").int(), 3000);
    server.set_clock_ms(NOON_MS + 2999);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 2 EX 1", [0, 1, 0, 2, 501, 0]);
    server.set_clock_ms(NOON_MS + 3000);
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 2 EX 1", [1, 0, 0, 2, 1000, 0]);
}

fn a_give_back_finds_its_turn_behind_a_hold(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let c = &mut client;
    let acts: Vec<_> = (0..3).map(|_| c.ask(RESERVE).ints()[6]).collect();
    assert_eq!(acts, [0, 100, 200].map(|ms| (NOON_MS + ms) * 1000));
    server.set_clock_ms(NOON_MS + 50);
    assert_eq!(c.ask("RATELIMIT.HOLD k EX 1").int(), 1000);
    // Moved from 200 to 1200: that is where it is given up, and no longer where it was.
    let give_up = |act_us: i64| format!("RATELIMIT.RETURN k LIMIT 10 EX 1 BURST 1 AT {act_us}");
    assert_eq!(c.ask(&give_up(acts[2])).ints()[0], 0);
    assert_eq!(c.ask(&give_up(acts[2] + 1_000_000)).ints()[0], 1);
    assert_eq!(c.ask(RESERVE).ints()[6], acts[2] + 1_000_000);
}

fn what_is_held_is_a_key_like_any_other(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let c: &mut Client = &mut client;
    assert_eq!(c.ask("RATELIMIT.HOLD k EX 600").int(), 600_000);
    assert_eq!(c.ask("TYPE k").text(), "string");
    assert_eq!(c.ask("PTTL k").int(), 660_000);
    c.ask("RENAME k moved").assert_ok();
    expect(c, "RATELIMIT.ACQUIRE k LIMIT 2 EX 1", [1, 0, 1, 2, 500, 0]);
    expect(c, "RATELIMIT.ACQUIRE moved LIMIT 2 EX 1", [0, 600_000, 0, 2, 600_000, 0]);
    assert_eq!(c.ask("DEL moved").int(), 1);
    expect(c, "RATELIMIT.ACQUIRE moved LIMIT 2 EX 1", [1, 0, 1, 2, 500, 0]);
    assert_eq!(c.ask("RATELIMIT.TURN moved 600000").int(), 0);
    // It leaves nothing behind, though nobody calls.
    assert_eq!(c.ask("RATELIMIT.HOLD alone PX 5").int(), 5);
    server.set_clock_ms(NOON_MS + 2001);
    assert_eq!(c.ask("EXISTS k moved alone").int(), 0);
}
