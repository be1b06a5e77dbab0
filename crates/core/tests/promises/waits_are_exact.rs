//! `wait_ms` is exact: if nobody else calls, the call is granted after that time, and not 1 ms
//! before. That holds for limits of any kind, mixed or not, and while a key is held; and for tokens
//! of any length: a wait rounded up to w ms is longer than w - 1.

use proptest::prelude::*;
use sluice_core::limit::call::{Acquire, Mode, NEVER};
use sluice_core::time::{MAX_MS, Millis, NS_PER_MS, Nanos};

use crate::cases::{self, config};
use crate::key::Key;
use crate::limits::any_limit;
use crate::story::{Story, alone, names_one_twice, together};

proptest! {
    #![proptest_config(config(cases::WAITS))]

    #[test]
    fn one_caller_is_granted_when_it_was_told_and_not_1_ms_before(story in alone(any_limit, 10)) {
        waits_just_that_long(&story)?;
    }

    #[test]
    fn each_of_many_is_granted_when_it_was_told_and_not_1_ms_before(story in together(any_limit, 10)) {
        waits_just_that_long(&story)?;
    }

    #[test]
    fn the_wait_is_the_same_refused_reserved_and_forced(story in together(any_limit, 10)) {
        let mut key = Key::new(story.bounds);
        let (call, now) = story.up_to_a_question(&mut key);
        let mut on = |mode| key.peek(&Acquire { clauses: call.clauses.clone(), mode }, now);
        let longest = Millis::new(MAX_MS).unwrap();
        let (plain, reserved, forced) = (on(Mode::Plain).reply, on(Mode::Wait(longest)).reply, on(Mode::Force));
        prop_assert_eq!(forced.reply.granted, 1);
        if plain.wait_ms == NEVER {
            prop_assert!(call.clauses.iter().any(|clause| clause.cost > clause.quota.burst()));
            prop_assert_eq!(reserved, plain);
        } else {
            prop_assert!(forced.notes.debt_cut || plain.wait_ms == forced.reply.wait_ms);
            prop_assert_eq!(plain.wait_ms, reserved.wait_ms);
            prop_assert_eq!(plain.granted == 1, plain.wait_ms == 0);
            prop_assert_eq!(reserved.granted == 1, reserved.wait_ms <= MAX_MS as i64);
        }
    }
}

fn waits_just_that_long(story: &Story) -> Result<(), TestCaseError> {
    let mut key = Key::new(story.bounds);
    let (mut call, now) = story.up_to_a_question(&mut key);
    if call.mode == Mode::Force {
        call.mode = Mode::Plain;
    }
    // Which of two equal limits a clause means depends on their places, which close up when others go.
    if story.callers.len() > 1 && names_one_twice(&call.clauses) {
        return Ok(());
    }
    let Some(wait_ms) = ask_until_refused(&mut key, &call, now) else { return Ok(()) };
    let later = |ms: i64| Nanos(now.0 + ms as u64 * NS_PER_MS);
    if wait_ms == NEVER {
        prop_assert_eq!(key.peek(&call, later(MAX_MS as i64)).reply.wait_ms, NEVER);
        prop_assert_eq!(Key::new(story.bounds).peek(&call, now).reply.wait_ms, NEVER);
        return Ok(());
    }
    // MAXWAIT is granted that much earlier, by a wait of just that
    let maxwait_ms = match call.mode {
        Mode::Wait(limit) => limit.get() as i64,
        _ => 0,
    };
    prop_assert!(wait_ms > maxwait_ms);
    let early = key.clone().acquire(&call, later(wait_ms - maxwait_ms - 1)).reply;
    prop_assert_eq!((early.granted, early.wait_ms), (0, maxwait_ms + 1));
    let reserved = key.clone().acquire(&call, later(wait_ms - maxwait_ms)).reply;
    prop_assert!(reserved.granted >= 1 && reserved.wait_ms <= maxwait_ms, "{:?}", reserved);
    let at_once = key.acquire(&call, later(wait_ms)).reply;
    prop_assert!(at_once.granted >= 1 && at_once.wait_ms == 0, "{:?}", at_once);
    Ok(())
}

/// The wait of the first refusal, if one comes soon.
fn ask_until_refused(key: &mut Key, call: &Acquire, now: Nanos) -> Option<i64> {
    let mut replies = (0..8).map(|_| key.acquire(call, now).reply);
    replies.find(|reply| reply.granted == 0).map(|reply| reply.wait_ms)
}
