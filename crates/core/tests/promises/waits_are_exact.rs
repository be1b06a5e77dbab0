//! `wait_ms` is exact: if nobody else calls, the call is granted after that time, and not 1 ms
//! before. That holds for tokens of any length: a wait rounded up to w ms is longer than w - 1.

use proptest::prelude::*;
use sluice_core::limit::call::{Acquire, Mode, NEVER};
use sluice_core::time::{MAX_MS, Millis, NS_PER_MS, Nanos};

use crate::cases::{self, config};
use crate::key::Key;
use crate::story::{any_quota, story};

proptest! {
    #![proptest_config(config(cases::WAITS))]

    #[test]
    fn a_refused_call_is_granted_when_it_was_told_and_not_1_ms_before(story in story(any_quota, 10)) {
        let mut key = Key::new(story.max_wait);
        let (mut call, now) = story.up_to_a_question(&mut key);
        if call.mode == Mode::Force {
            call.mode = Mode::PLAIN;
        }
        let Some(wait_ms) = ask_until_refused(&mut key, &call, now) else { return Ok(()) };
        let later = |ms: i64| Nanos(now.0 + ms as u64 * NS_PER_MS);
        if wait_ms == NEVER {
            prop_assert_eq!(key.peek(&call, later(MAX_MS as i64)).reply.wait_ms, NEVER);
            prop_assert_eq!(Key::new(story.max_wait).peek(&call, now).reply.wait_ms, NEVER);
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
    }

    #[test]
    fn the_wait_is_the_same_refused_reserved_and_forced(story in story(any_quota, 10)) {
        let mut key = Key::new(story.max_wait);
        let (call, now) = story.up_to_a_question(&mut key);
        let mut on = |mode| key.peek(&Acquire { clauses: call.clauses.clone(), mode }, now).reply;
        let longest = Millis::new(MAX_MS).unwrap();
        let (plain, reserved, forced) = (on(Mode::PLAIN), on(Mode::Wait(longest)), on(Mode::Force));
        prop_assert_eq!(forced.granted, 1);
        if plain.wait_ms == NEVER {
            prop_assert!(call.clauses.iter().any(|clause| clause.cost > clause.quota.burst()));
            prop_assert_eq!(reserved, plain);
        } else {
            prop_assert_eq!(plain.wait_ms, forced.wait_ms);
            prop_assert_eq!(plain.wait_ms, reserved.wait_ms);
            prop_assert_eq!(plain.granted == 1, plain.wait_ms == 0);
            prop_assert_eq!(reserved.granted == 1, reserved.wait_ms <= MAX_MS as i64);
        }
    }
}

/// The wait of the first refusal, if one comes soon.
fn ask_until_refused(key: &mut Key, call: &Acquire, now: Nanos) -> Option<i64> {
    let mut replies = (0..8).map(|_| key.acquire(call, now).reply);
    replies.find(|reply| reply.granted == 0).map(|reply| reply.wait_ms)
}
