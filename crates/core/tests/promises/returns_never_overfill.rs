//! RETURN gives back what was taken: no limit gets more than full, what was taken at the same
//! instant is restored, and an idle key has nothing to get back.

use proptest::prelude::*;
use sluice_core::limit::call::{Acquire, Change, GiveBack, Mode, Why};
use sluice_core::limit::meter::{Gauge, Meter};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{MAX_MS, Millis, NS_PER_MS, Nanos};

use crate::cases::{self, config};
use crate::key::Key;
use crate::limits::{any_limit, natural_rate, rate_at_the_bounds};
use crate::story::{Story, alone, is_in_range, same_cost, together};

proptest! {
    #![proptest_config(config(cases::RETURNS))]

    #[test]
    fn no_limit_of_one_caller_gets_more_than_full(story in alone(any_limit, 8)) {
        let (mut key, call, now) = given_back(&story)?;
        let was_used = key.look(now).is_some();
        let more_clauses = key.state(now).meters.len() > call.clauses.len();
        let verdict = key.give_back(&call, now);
        prop_assert!(verdict.change != Change::Delete || was_used);
        // a window's tokens were acts: those of the last ms are back when it is over
        let has_windows = key.state(now).meters.iter().any(|meter| matches!(meter.gauge, Gauge::Window(_)));
        if !more_clauses && !has_windows {
            prop_assert_eq!(verdict.reply.granted == 1, was_used);
            prop_assert_eq!(key.look(now), None);
            let reply = verdict.reply;
            prop_assert_eq!((reply.remaining, reply.reset_ms), (reply.burst, 0));
        }
    }

    #[test]
    fn no_limit_of_many_gets_more_than_full(story in together(any_limit, 8)) {
        let (mut key, call, now) = given_back(&story)?;
        let before = key.look(now);
        let reply = key.give_back(&call, now).reply;
        prop_assert!(is_in_range(&reply, &call.clauses), "{:?}", reply);
        let Some(after) = key.look(now) else { return Ok(()) };
        for standing in after.standings {
            prop_assert!(standing.remaining <= standing.quota.burst());
            // places may close up, and a limit can be at two: then nothing is compared
            let was = before.iter().flat_map(|look| &look.standings);
            let was: Vec<_> = was.filter(|was| was.quota == standing.quota).collect();
            prop_assert!(was.len() != 1 || was[0].remaining <= standing.remaining);
        }
    }

    #[test]
    fn what_was_taken_at_this_instant_is_restored(story in alone(natural_rate, 8)) {
        restored(&story)?;
    }

    #[test]
    fn what_was_taken_at_the_bounds_is_restored(story in alone(rate_at_the_bounds, 8)) {
        restored(&story)?;
    }

    /// The limit that it waited for gets all back; the others were charged at the act, and stay
    /// used up to it. AT and DUE give up the same turn.
    #[test]
    fn a_turn_given_up_at_once_goes_back(story in alone(natural_rate, 8), by_act in any::<bool>()) {
        let mut key = Key::new(story.bounds);
        let (mut call, now) = story.up_to_a_question(&mut key);
        for clause in &mut call.clauses {
            clause.cost = clause.cost.clamp(1, clause.quota.burst());
        }
        let call = Acquire { clauses: call.clauses, mode: Mode::Wait(story.bounds.max_wait) };
        let before = used(&mut key, now);
        let verdict = key.acquire(&call, now);
        let reply = verdict.reply;
        if before.len() > call.clauses.len()
            || verdict.notes.repaired
            || reply.granted == 0
            || reply.wait_ms == 0
        {
            return Ok(());
        }
        let why = match by_act {
            true => Why::ActAt(verdict.act_us as u64),
            false => Why::DueIn(Millis::new(reply.wait_ms as u64).unwrap()),
        };
        prop_assert_eq!(key.give_back(&GiveBack { clauses: call.clauses, why }, now).reply.granted, 1);
        let (after, index) = (used(&mut key, now), reply.index as usize);
        prop_assert_eq!(after.get(index), before.get(index));
    }

    #[test]
    fn an_idle_key_has_nothing_to_get_back(story in alone(any_limit, 1), why in why()) {
        let mut key = Key::new(story.bounds);
        let (call, now) = story.up_to_a_question(&mut key);
        let verdict = key.give_back(&GiveBack { clauses: call.clauses, why }, now);
        let reply = verdict.reply;
        prop_assert_eq!((reply.granted, verdict.change), (0, Change::Keep));
        prop_assert_eq!((reply.wait_ms, reply.remaining, reply.reset_ms), (0, reply.burst, 0));
    }
}

/// The key after the last call of the story was given back, and a call that gives back everything.
fn given_back(story: &Story) -> Result<(Key, GiveBack, Nanos), TestCaseError> {
    let mut key = Key::new(story.bounds);
    let (mut call, now) = story.up_to_a_question(&mut key);
    let taken = GiveBack { clauses: call.clauses.clone(), why: Why::Refund };
    let reply = key.give_back(&taken, now).reply;
    prop_assert!(is_in_range(&reply, &call.clauses), "{:?}", reply);
    prop_assert_eq!(reply.wait_ms, 0);
    for clause in &mut call.clauses {
        clause.cost = i64::MAX as u64;
    }
    Ok((key, GiveBack { clauses: call.clauses, why: Why::Refund }, now))
}

fn restored(story: &Story) -> Result<(), TestCaseError> {
    let mut key = Key::new(story.bounds);
    let (mut call, now) = story.up_to_a_question(&mut key);
    let before = used(&mut key, now);
    let verdict = key.acquire(&call, now);
    if verdict.reply.granted == 0
        || verdict.reply.wait_ms > 0 && call.mode != Mode::Force
        || verdict.notes.repaired
        || verdict.notes.debt_cut
    {
        return Ok(());
    }
    if call.mode == Mode::Partial {
        same_cost(&mut call.clauses, verdict.reply.granted as u64);
    }
    let back = GiveBack { clauses: call.clauses, why: Why::Refund };
    prop_assert_eq!(key.give_back(&back, now).reply.granted, 1);
    prop_assert_eq!(used(&mut key, now), before);
    Ok(())
}

fn why() -> impl Strategy<Value = Why> {
    prop_oneof![
        Just(Why::Refund),
        (0..=MAX_MS).prop_map(|ms| Why::DueIn(Millis::new(ms).unwrap())),
        any::<u64>().prop_map(Why::ActAt),
    ]
}

/// How far each rate is used, (0, 0) where it is full; full ones at the end are left out, as a
/// state may or may not have them.
fn used(key: &mut Key, now: Nanos) -> Vec<(Quota, (u64, u64))> {
    let standing = |meter: &Meter| {
        let Gauge::Bucket(bucket) = &meter.gauge else { panic!("only rates") };
        let tat = (bucket.tat_ns(), bucket.remainder());
        (*bucket.quota(), if bucket.debt(now) == 0 { (0, 0) } else { tat })
    };
    let mut used: Vec<_> = key.state(now).meters.iter().map(standing).collect();
    while used.last().is_some_and(|(_, tat)| *tat == (0, 0)) {
        used.pop();
    }
    used
}

#[test]
fn a_token_of_a_window_that_is_refunded_is_back_when_the_ms_of_its_act_is_over() {
    let quota = Quota::strict(1, Millis::new(1000).unwrap()).unwrap();
    let clauses = [sluice_core::limit::call::Clause { quota, cost: 1 }].into_iter().collect();
    let call = Acquire { clauses, mode: Mode::Plain };
    let ms = |ms| Millis::new(ms).unwrap();
    let bounds = sluice_core::limit::bounds::Bounds { max_wait: ms(60_000), max_debt: ms(0) };
    let mut key = Key::new(bounds);
    let at = |us: u64| Nanos(1_795_640_112_000 * NS_PER_MS + us * 1000);
    assert_eq!(key.acquire(&call, at(300)).reply.granted, 1);
    let back = GiveBack { clauses: call.clauses.clone(), why: Why::Refund };
    assert_eq!(key.give_back(&back, at(300)).reply.granted, 1);
    assert_eq!(key.acquire(&call, at(999)).reply.wait_ms, 1);
    assert_eq!(key.acquire(&call, at(1000)).reply.granted, 1);
}
