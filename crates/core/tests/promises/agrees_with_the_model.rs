//! Equality with the reference: every reply and every note, what becomes of the key, the stored
//! string and its expiry, what INFO shows, and what TURN tells.

use proptest::prelude::*;
use sluice_core::limit::call::{Change, Verdict};

use crate::cases::{self, config};
use crate::key::Key;
use crate::limits::{limit_at_the_bounds, natural_limit, natural_rate};
use crate::model::{Answer, Fate, Model};
use crate::story::{Deed, Story, Told, alone, together};

proptest! {
    #![proptest_config(config(cases::EVERYDAY_CALLS))]

    #[test]
    fn one_caller_is_answered_as_by_the_model(story in alone(natural_limit, 16)) {
        compare(&story)?;
    }

    #[test]
    fn many_callers_are_answered_as_by_the_model(story in together(natural_limit, 16)) {
        compare(&story)?;
    }

    #[test]
    fn many_callers_of_rates_are_answered_as_by_the_model(story in together(natural_rate, 16)) {
        compare(&story)?;
    }
}

proptest! {
    #![proptest_config(config(cases::CALLS_AT_THE_BOUNDS))]

    #[test]
    fn calls_at_the_bounds_are_answered_as_by_the_model(story in together(limit_at_the_bounds, 12)) {
        compare(&story)?;
    }
}

fn compare(story: &Story) -> Result<(), TestCaseError> {
    let mut key = Key::new(story.bounds);
    let mut model = Model::new(story.bounds);
    let mut told = Told::nothing();
    for (n, step) in story.steps.iter().enumerate() {
        let now = story.instant(step, &told);
        key.state(now); // what has expired is gone
        model.expire(now);
        let at = format!("step {n} at {}: {:?}, before it {:?}", now.0, step.deed, key.stored());
        let verdict = match step.deed {
            Deed::Acquire(terms) => {
                let call = story.acquire(step, terms);
                let (verdict, answer) = (key.acquire(&call, now), model.acquire(&call, now));
                prop_assert_eq!(as_answer(&verdict), answer, "{}: {:?}", at, call);
                Some(verdict)
            }
            Deed::Peek(terms) => {
                let call = story.acquire(step, terms);
                let (verdict, answer) = (key.peek(&call, now), model.peek(&call, now));
                prop_assert_eq!(as_answer(&verdict), answer, "{}: {:?}", at, call);
                Some(verdict)
            }
            Deed::GiveBack(reason) => {
                let call = story.give_back(step, reason, &told, now);
                let (verdict, answer) = (key.give_back(&call, now), model.give_back(&call, now));
                prop_assert_eq!(as_answer(&verdict), answer, "{}: {:?}", at, call);
                Some(verdict)
            }
            Deed::Hold(time) => {
                let held = key.hold(time, now);
                prop_assert_eq!((held.held_ms, fate(held.change)), model.hold(time, now), "{}", at);
                None
            }
            Deed::Release => {
                let held = key.release(now);
                prop_assert_eq!((held.held_ms, fate(held.change)), (0, model.release(now)), "{}", at);
                None
            }
            Deed::Turn(ms) => {
                prop_assert_eq!(key.turn(ms, now), model.turn(ms, now), "{}", at);
                None
            }
        };
        prop_assert_eq!(key.stored(), model.stored(), "stored after {}", at);
        prop_assert_eq!(key.look(now), model.look(now), "INFO after {}", at);
        told.hears(verdict.as_ref(), now);
    }
    Ok(())
}

fn as_answer(verdict: &Verdict) -> Answer {
    let Verdict { reply, act_us, change, notes } = *verdict;
    Answer { reply, act_us, fate: fate(change), notes }
}

fn fate(change: Change) -> Fate {
    match change {
        Change::Keep => Fate::Kept,
        Change::Write | Change::WriteTimes => Fate::Written,
        Change::Delete => Fate::Deleted,
    }
}
