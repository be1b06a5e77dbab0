//! One caller with one set of limits takes a short path through the core; on a key that also knows a
//! limit of somebody else, at a place of its own, the same calls take the long one. They are
//! answered the same.

use proptest::prelude::*;
use sluice_core::limit::call::{Acquire, Clause, Clauses, GiveBack, MAX_CLAUSES, Mode, Reply};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{MAX_MS, Nanos};

use crate::cases::{self, config};
use crate::key::Key;
use crate::limits::{natural_limit, rate};
use crate::story::{DAWN, Deed, Story, Told, alone};

proptest! {
    #![proptest_config(config(cases::PATHS))]

    #[test]
    fn the_short_path_and_the_long_one_agree(story in alone(natural_limit, 16)) {
        let story = story.with_all_clauses();
        prop_assume!(story.callers[0].len() < MAX_CLAUSES);
        let mut short = Key::new(story.bounds);
        let mut long = with_a_stranger(&story);
        let mut told = Told::nothing();
        for (n, step) in story.steps.iter().enumerate() {
            // a key that is deleted forgets full limits, which a clock set back would make used ones
            let now = story.instant(step, &told).max(told.at);
            let verdicts = match step.deed {
                Deed::Acquire(terms) => {
                    let call = story.acquire(step, terms);
                    let longer = Acquire { clauses: behind_the_stranger(&call.clauses), mode: call.mode };
                    (short.acquire(&call, now), long.acquire(&longer, now))
                }
                Deed::Peek(terms) => {
                    let call = story.acquire(step, terms);
                    if call.clauses.iter().all(|clause| clause.cost == 0) {
                        continue; // the stranger would be looked at as well
                    }
                    let longer = Acquire { clauses: behind_the_stranger(&call.clauses), mode: call.mode };
                    (short.peek(&call, now), long.peek(&longer, now))
                }
                Deed::GiveBack(reason) => {
                    let call = story.give_back(step, reason, &told, now);
                    let longer = GiveBack { clauses: behind_the_stranger(&call.clauses), why: call.why };
                    (short.give_back(&call, now), long.give_back(&longer, now))
                }
                Deed::Hold(_) | Deed::Release | Deed::Turn(_) => continue,
            };
            let on_the_long = Reply { index: verdicts.1.reply.index - 1, ..verdicts.1.reply };
            prop_assert_eq!(verdicts.0.reply, on_the_long, "step {} at {:?}", n, now);
            prop_assert_eq!(verdicts.0.act_us, verdicts.1.act_us);
            prop_assert_eq!(verdicts.1.notes.mixed, 0);
            told.hears(Some(&verdicts.0), now);
        }
    }
}

/// One token in 100 years.
fn stranger() -> Quota {
    rate(1, MAX_MS, 1)
}

/// A key that knows the story's limits, all full, and behind them that of a stranger, which is not
/// full for the next 100 years: no call has them in that order.
fn with_a_stranger(story: &Story) -> Key {
    let mut key = Key::new(story.bounds);
    let mut clauses: Clauses =
        story.callers[0].iter().map(|quota| Clause { quota: *quota, cost: 0 }).collect();
    clauses.push(Clause { quota: stranger(), cost: 1 });
    key.acquire(&Acquire { clauses, mode: Mode::Plain }, Nanos(DAWN.0));
    key
}

fn behind_the_stranger(clauses: &Clauses) -> Clauses {
    let mut longer: Clauses = [Clause { quota: stranger(), cost: 0 }].into_iter().collect();
    longer.extend(clauses.iter().copied());
    longer
}
