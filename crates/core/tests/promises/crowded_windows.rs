//! Windows with more different times than are stored: times are joined, so a token may be back up to
//! `period / 32` and 2 ms late, and is never back early.

use proptest::prelude::*;
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Acquire, Clause, GiveBack, Mode, Why};
use sluice_core::limit::quota::{Kind, Quota};
use sluice_core::time::{Millis, NS_PER_MS, Nanos};

use crate::cases::{self, config};
use crate::key::Key;
use crate::limits::window;
use crate::model::Model;
use crate::town::beyond;

#[derive(Debug, Clone)]
struct Crowd {
    limit: Quota,
    /// The pause before each call in us, its cost, and whether it may wait.
    calls: Vec<(u64, u64, bool)>,
}

proptest! {
    #![proptest_config(config(cases::CROWDED))]

    #[test]
    fn a_crowded_window_is_what_the_model_says(crowd in crowd(90), back in any::<prop::sample::Index>()) {
        let (mut key, mut model) = (Key::new(bounds()), Model::new(bounds()));
        let mut now = start();
        let back = back.index(crowd.calls.len());
        for (n, (pause_us, cost, waits)) in crowd.calls.iter().enumerate() {
            now.0 += pause_us * 1000;
            key.state(now);
            model.expire(now);
            let clauses = [Clause { quota: crowd.limit, cost: *cost }].into_iter().collect();
            if n == back {
                let call = GiveBack { clauses, why: Why::Refund };
                prop_assert_eq!(key.give_back(&call, now).reply, model.give_back(&call, now).reply);
            } else {
                let call = Acquire { clauses, mode: mode(*waits) };
                prop_assert_eq!(key.acquire(&call, now).reply, model.acquire(&call, now).reply);
            }
            prop_assert_eq!(key.stored(), model.stored());
        }
    }

    #[test]
    fn a_crowded_window_never_lets_too_many_through_and_few_too_late(crowd in crowd(300)) {
        let mut key = Key::new(bounds());
        let mut now = start();
        let mut acts: Vec<(u64, u64)> = Vec::new();
        for (pause_us, cost, waits) in &crowd.calls {
            now.0 += pause_us * 1000;
            let clauses = [Clause { quota: crowd.limit, cost: *cost }].into_iter().collect();
            let verdict = key.acquire(&Acquire { clauses, mode: mode(*waits) }, now);
            if verdict.reply.granted == 1 {
                acts.push((if *waits { verdict.act_us as u64 } else { now.0 / 1000 }, *cost));
            } else if crowd.limit.kind() == Kind::Strict && !waits {
                // what is back for sure, were every token as late as it may be
                let period_us = crowd.limit.period_ms() * 1000;
                let late_us = period_us / 32 + 3_000;
                let out: u64 = acts
                    .iter()
                    .filter(|(at, _)| at + period_us + late_us > now.0 / 1000)
                    .map(|(_, cost)| cost)
                    .sum();
                prop_assert!(out + cost > crowd.limit.count(), "refused with only {} tokens out", out);
            }
        }
        prop_assert_eq!(beyond(crowd.limit, acts, 0), None);
    }
}

fn mode(waits: bool) -> Mode {
    if waits { Mode::Wait(bounds().max_wait) } else { Mode::Plain }
}

fn bounds() -> Bounds {
    let ms = |ms| Millis::new(ms).unwrap();
    Bounds { max_wait: ms(60_000), max_debt: ms(3_600_000) }
}

fn start() -> Nanos {
    Nanos(1_795_640_112_345 * NS_PER_MS + 678_000)
}

fn crowd(most: usize) -> impl Strategy<Value = Crowd> {
    let limit = (60..300u64, prop::sample::select(vec![130u64, 1000, 3200, 60_000]));
    (limit, any::<bool>()).prop_flat_map(move |((count, period_ms), queues)| {
        let limit = window(count, period_ms, None);
        // calls come a little faster than they may
        let pace_us = period_ms * 1000 / count;
        let pause = prop_oneof![4 => 1_000.min(pace_us)..=2 * pace_us, 1 => Just(0), 1 => 0..20 * pace_us];
        let cost = prop_oneof![6 => Just(1u64), 1 => 2..4u64];
        let call = (pause, cost, any::<bool>().prop_map(move |waits| waits && queues));
        prop::collection::vec(call, 70..=most).prop_map(move |calls| Crowd { limit, calls })
    })
}
