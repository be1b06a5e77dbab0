//! A caller with one set of limits is answered as by 0.1.0, and its key holds the same bytes, while
//! no debt is let stand that 0.1.0 forgave.

use proptest::prelude::*;
use sluice_core::limit::call::{Change, Reply};
use sluice_core::time::Millis;

use crate::cases::{self, config};
use crate::key::Key;
use crate::limits::{natural_rate, rate_at_the_bounds};
use crate::one_caller_model::Model;
use crate::story::{Deed, Reason, Story, Told, alone};

proptest! {
    #![proptest_config(config(cases::AS_BEFORE))]

    #[test]
    fn one_set_of_limits_is_answered_and_stored_as_by_0_1_0(story in alone(natural_rate, 16)) {
        compare(story)?;
    }

    #[test]
    fn one_set_of_limits_at_the_bounds_is_answered_and_stored_as_by_0_1_0(story in alone(rate_at_the_bounds, 12)) {
        compare(story)?;
    }
}

fn compare(mut story: Story) -> Result<(), TestCaseError> {
    story.bounds.max_debt = Millis::ZERO;
    let story = story.with_all_clauses();
    let mut key = Key::new(story.bounds);
    let mut model = Model::new(story.bounds.max_wait);
    let mut told = Told::nothing();
    for (n, step) in story.steps.iter().enumerate() {
        let now = story.instant(step, &told);
        key.state(now);
        if key.stored().is_none() {
            model.held.clear(); // keys live a little longer now, but mean nothing when they do
        }
        let (verdict, mut answer) = match step.deed {
            Deed::Acquire(terms) => {
                let call = story.acquire(step, terms);
                (key.acquire(&call, now), model.acquire(&call, now))
            }
            Deed::GiveBack(reason) => {
                let reason = if let Reason::At(_) = reason { Reason::DueTold(0) } else { reason };
                let call = story.give_back(step, reason, &told, now);
                (key.give_back(&call, now), model.give_back(&call, now))
            }
            Deed::Peek(_) | Deed::Hold(_) | Deed::Release | Deed::Turn(_) => continue,
        };
        if verdict.notes.debt_cut {
            // what is owed is told now, not what was forgiven
            answer.reply = Reply { ..verdict.reply };
        }
        let change = if verdict.change == Change::WriteTimes { Change::Write } else { verdict.change };
        prop_assert_eq!((verdict.reply, change), (answer.reply, answer.change), "step {} at {:?}", n, now);
        prop_assert_eq!(key.stored().map(|(text, _)| text), model.stored(), "stored after step {}", n);
        told.hears(Some(&verdict), now);
    }
    Ok(())
}
