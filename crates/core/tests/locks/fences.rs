//! Every fence is larger than all that were given or believed before it, and stays exact in every client.

use proptest::prelude::*;
use sluice_core::lock::{FENCE_BOUND, Fences, LOADED_FENCE_BOUND};
use sluice_core::time::Nanos;

use crate::cases;

/// Up to here the clock counts.
const LAST_US: u64 = LOADED_FENCE_BOUND - (1 << 50);

#[derive(Debug, Clone)]
enum Deed {
    Grant,
    /// A fence from elsewhere: anything at all, or so far from the clock.
    Believe(u64),
    BelieveNear(i64),
    /// Stopped and started with what was saved.
    Restart,
}

fn deeds() -> impl Strategy<Value = Vec<(u64, Deed)>> {
    let near_noon = 1_800_000_000_000_000..1_800_000_000_001_000_u64;
    let now_us = prop_oneof![6 => near_noon, 1 => 0..LAST_US, 1 => Just(LAST_US), 1 => Just(0)];
    let near = prop_oneof![-1000..1000_i64, Just(i64::MIN)];
    let edge = LOADED_FENCE_BOUND;
    let any_fence =
        prop_oneof![any::<u64>(), 0..edge, Just(0), edge - 2..edge + 2, FENCE_BOUND - 2..FENCE_BOUND + 2];
    let deed = prop_oneof![
        6 => Just(Deed::Grant),
        2 => near.prop_map(Deed::BelieveNear),
        1 => any_fence.prop_map(Deed::Believe),
        1 => Just(Deed::Restart),
    ];
    prop::collection::vec((now_us, deed), 1..60)
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn every_fence_is_above_all_before_it(deeds in deeds()) {
        let (mut fences, mut last) = (Fences::new(), 0);
        for (now_us, deed) in deeds {
            let now = Nanos(now_us * 1_000 + now_us % 1_000);
            match deed {
                Deed::Grant => {
                    let fence = fences.next(now);
                    prop_assert_eq!(fence, now_us.max(last + 1));
                    prop_assert!(fence < FENCE_BOUND);
                    last = fence;
                }
                Deed::Believe(_) | Deed::BelieveNear(_) => {
                    let fence = match deed {
                        Deed::Believe(fence) => fence,
                        Deed::BelieveNear(us) => now_us.saturating_add_signed(us),
                        Deed::Grant | Deed::Restart => unreachable!(),
                    };
                    let before = fences;
                    let believed = fences.raise(fence);
                    let in_bounds = fence > 0 && fence < LOADED_FENCE_BOUND;
                    prop_assert_eq!(believed, in_bounds, "{} at {}", fence, now_us);
                    if believed {
                        last = last.max(fence);
                    } else {
                        prop_assert_eq!(fences, before);
                    }
                }
                Deed::Restart => {
                    let saved = fences.ahead_of(now);
                    prop_assert_eq!(saved, Some(last).filter(|last| *last > now_us));
                    // The clock alone is enough for whoever is not ahead of it.
                    fences = Fences::new();
                    if let Some(saved) = saved.filter(|saved| *saved < LOADED_FENCE_BOUND) {
                        prop_assert!(fences.raise(saved));
                    } else if saved.is_some() {
                        return Ok(()); // all that can be loaded are used up
                    }
                    // Until it has given one, it knows of those that the clock has passed only by the clock.
                    last = fences.next(now);
                    prop_assert!(last >= now_us && saved.is_none_or(|saved| last > saved));
                }
            }
        }
    }
}
