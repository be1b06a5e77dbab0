//! Equality with the reference: every reply, every change of the state, the state itself, and what
//! INFO shows of it.

use num_bigint::BigInt;
use proptest::prelude::*;
use sluice_core::limit::bucket::Bucket;
use sluice_core::limit::call::Verdict;
use sluice_core::time::Nanos;

use crate::cases::{self, config};
use crate::key::Key;
use crate::model::{Answer, Held, Model, Rational, int};
use crate::story::{Deed, Story, Told, natural_quota, quota_at_the_bounds, story};

proptest! {
    #![proptest_config(config(cases::EVERYDAY_CALLS))]
    #[test]
    fn everyday_calls_are_answered_as_by_the_model(story in story(natural_quota, 16)) {
        compare(&story)?;
    }
}

proptest! {
    #![proptest_config(config(cases::CALLS_AT_THE_BOUNDS))]
    #[test]
    fn calls_at_the_bounds_are_answered_as_by_the_model(story in story(quota_at_the_bounds, 12)) {
        compare(&story)?;
    }
}

fn compare(story: &Story) -> Result<(), TestCaseError> {
    let mut key = Key::new(story.max_wait);
    let mut model = Model::new(story.max_wait);
    let mut told = Told::nothing();
    for (n, step) in story.steps.iter().enumerate() {
        let now = story.instant(step, &told);
        model.expire(now);
        let (verdict, answer) = match step.deed {
            Deed::Acquire(terms) => {
                let call = story.acquire(step, terms);
                (key.acquire(&call, now), model.acquire(&call, now))
            }
            Deed::Peek(terms) => {
                let call = story.acquire(step, terms);
                (key.peek(&call, now), model.peek(&call, now))
            }
            Deed::GiveBack(due) => {
                let call = story.give_back(step, due, &told, now);
                (key.give_back(&call, now), model.give_back(&call, now))
            }
        };
        prop_assert_eq!(verdict, as_verdict(&answer), "step {} at {:?}", n, now);
        prop_assert_eq!(stored(&mut key, now), &*model.held, "the state after step {}", n);
        prop_assert_eq!(key.look(now), model.look(now), "INFO after step {}", n);
        told = Told::by(&verdict.reply, now);
    }
    Ok(())
}

fn as_verdict(answer: &Answer) -> Verdict {
    Verdict { reply: answer.reply, change: answer.change, repaired: answer.repaired }
}

fn stored(key: &mut Key, now: Nanos) -> Vec<Held> {
    let tat = |bucket: &Bucket| {
        let fraction = Rational::new(BigInt::from(bucket.remainder()), BigInt::from(bucket.quota().count()));
        int(bucket.tat_ns()) + fraction
    };
    key.buckets(now).iter().map(|bucket| Held { quota: *bucket.quota(), tat: tat(bucket) }).collect()
}
