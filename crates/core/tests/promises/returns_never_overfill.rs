//! RETURN gives back what was taken: no bucket gets more than full, what was taken at the same
//! instant is restored, and an idle key has nothing to get back.

use proptest::prelude::*;
use sluice_core::limit::bucket::Bucket;
use sluice_core::limit::call::{Acquire, Change, GiveBack, Mode};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{MAX_MS, Millis, Nanos};

use crate::cases::{self, config};
use crate::key::Key;
use crate::story::{any_quota, is_in_range, same_cost, story};

proptest! {
    #![proptest_config(config(cases::RETURNS))]

    #[test]
    fn no_bucket_gets_more_than_full(story in story(any_quota, 8)) {
        let mut key = Key::new(story.max_wait);
        let (mut call, now) = story.up_to_a_question(&mut key);
        let taken = GiveBack { clauses: call.clauses.clone(), due: None };
        let reply = key.give_back(&taken, now).reply;
        prop_assert!(is_in_range(&reply, &call.clauses), "{:?}", reply);
        prop_assert_eq!(reply.wait_ms, 0);

        for clause in &mut call.clauses {
            clause.cost = i64::MAX as u64;
        }
        let everything = GiveBack { clauses: call.clauses.clone(), due: None };
        let was_used = !used(&mut key, now).iter().all(|bucket| bucket.1 == (0, 0));
        let more_clauses = key.buckets(now).len() > call.clauses.len();
        let verdict = key.give_back(&everything, now);
        prop_assert!(verdict.change != Change::Delete || was_used);
        if !more_clauses {
            prop_assert_eq!(verdict.reply.granted == 1, was_used);
            prop_assert_eq!(key.look(now), vec![]);
            let reply = verdict.reply;
            prop_assert_eq!((reply.remaining, reply.reset_ms), (reply.burst, 0));
        }
    }

    #[test]
    fn what_was_taken_at_this_instant_is_restored(story in story(any_quota, 8)) {
        let mut key = Key::new(story.max_wait);
        let (mut call, now) = story.up_to_a_question(&mut key);
        let before = used(&mut key, now);
        let verdict = key.acquire(&call, now);
        if verdict.reply.granted == 0 || verdict.reply.wait_ms > 0 || verdict.repaired {
            return Ok(());
        }
        if call.mode == Mode::Partial {
            same_cost(&mut call.clauses, verdict.reply.granted as u64);
        }
        let back = GiveBack { clauses: call.clauses, due: None };
        prop_assert_eq!(key.give_back(&back, now).reply.granted, 1);
        prop_assert_eq!(used(&mut key, now), before);
    }

    /// The limit that it waited for gets all back; the others were charged at the act, and stay
    /// used up to it.
    #[test]
    fn a_turn_given_up_at_once_goes_back(story in story(any_quota, 8)) {
        let mut key = Key::new(story.max_wait);
        let (mut call, now) = story.up_to_a_question(&mut key);
        for clause in &mut call.clauses {
            clause.cost = clause.cost.clamp(1, clause.quota.burst());
        }
        let call = Acquire { clauses: call.clauses, mode: Mode::Wait(story.max_wait) };
        let before = used(&mut key, now);
        let verdict = key.acquire(&call, now);
        let reply = verdict.reply;
        if before.len() > call.clauses.len() || verdict.repaired || reply.granted == 0 || reply.wait_ms == 0 {
            return Ok(());
        }
        let due = Millis::new(reply.wait_ms as u64);
        prop_assert_eq!(key.give_back(&GiveBack { clauses: call.clauses, due }, now).reply.granted, 1);
        let (after, index) = (used(&mut key, now), reply.index as usize);
        prop_assert_eq!(after.get(index), before.get(index));
    }

    #[test]
    fn an_idle_key_has_nothing_to_get_back(story in story(any_quota, 1), due in prop::option::of(0..=MAX_MS)) {
        let mut key = Key::new(story.max_wait);
        let (call, now) = story.up_to_a_question(&mut key);
        let back = GiveBack { clauses: call.clauses, due: due.and_then(Millis::new) };
        let verdict = key.give_back(&back, now);
        let reply = verdict.reply;
        prop_assert_eq!((reply.granted, verdict.change), (0, Change::Keep));
        prop_assert_eq!((reply.wait_ms, reply.remaining, reply.reset_ms), (0, reply.burst, 0));
    }
}

/// How far each bucket is used, (0, 0) where it is full; full ones at the end are left out, as a
/// state may or may not have them.
fn used(key: &mut Key, now: Nanos) -> Vec<(Quota, (u64, u64))> {
    let standing = |bucket: &Bucket| {
        let tat = (bucket.tat_ns(), bucket.remainder());
        (*bucket.quota(), if bucket.is_full(now) { (0, 0) } else { tat })
    };
    let mut used: Vec<_> = key.buckets(now).iter().map(standing).collect();
    while used.last().is_some_and(|(_, tat)| *tat == (0, 0)) {
        used.pop();
    }
    used
}
