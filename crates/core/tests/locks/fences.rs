//! Every fence is larger than all that were given or believed before it, and stays exact in every client.

use proptest::prelude::*;
use sluice_core::lock::{FENCE_BOUND, FOREIGN_LEAD, Fences, Source};
use sluice_core::time::Nanos;

use crate::cases;

/// Up to here the clock counts.
const LAST_US: u64 = FENCE_BOUND - 2 * FOREIGN_LEAD;

#[derive(Debug, Clone)]
enum Deed {
    Grant,
    /// A fence from elsewhere: anything at all, or so far from the clock, or from what a client may bring in.
    Believe(u64, bool),
    BelieveNear(i64, bool),
    BelieveFar(i64),
    /// Stopped and started with what was saved.
    Restart,
}

fn deeds() -> impl Strategy<Value = Vec<(u64, Deed)>> {
    let near_noon = 1_800_000_000_000_000..1_800_000_000_001_000_u64;
    let now_us = prop_oneof![6 => near_noon, 1 => 0..LAST_US, 1 => Just(LAST_US), 1 => Just(0)];
    let near = prop_oneof![-1000..1000_i64, Just(i64::MIN)];
    let any_fence = prop_oneof![any::<u64>(), 0..FENCE_BOUND, Just(0), FENCE_BOUND - 2..FENCE_BOUND + 2];
    let deed = prop_oneof![
        6 => Just(Deed::Grant),
        2 => (near, any::<bool>()).prop_map(|(us, client)| Deed::BelieveNear(us, client)),
        1 => (any_fence, any::<bool>()).prop_map(|(fence, client)| Deed::Believe(fence, client)),
        1 => (-2..2_i64).prop_map(Deed::BelieveFar),
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
                    let next = now_us.max(last + 1);
                    let fence = fences.next(now);
                    prop_assert_eq!(fence, Some(next).filter(|next| *next < FENCE_BOUND));
                    let Some(fence) = fence else { return Ok(()) };
                    // Whatever is granted can be brought in again: by a file or the primary, and by a client here
                    // at once, and elsewhere as soon as as many µs have gone by as grants were made on top.
                    prop_assert!(Fences::new().raise(fence, Source::Server, now));
                    prop_assert!(fences.clone().raise(fence, Source::Client, now));
                    last = fence;
                }
                Deed::Believe(..) | Deed::BelieveNear(..) | Deed::BelieveFar(_) => {
                    let (fence, client) = match deed {
                        Deed::Believe(fence, client) => (fence, client),
                        Deed::BelieveNear(us, client) => (now_us.saturating_add_signed(us), client),
                        Deed::BelieveFar(us) => ((now_us + FOREIGN_LEAD).saturating_add_signed(us), true),
                        Deed::Grant | Deed::Restart => unreachable!(),
                    };
                    let source = if client { Source::Client } else { Source::Server };
                    let before = fences;
                    let believed = fences.raise(fence, source, now);
                    let near = fence < now_us + FOREIGN_LEAD || fence <= last;
                    let in_bounds = fence > 0 && fence < FENCE_BOUND && (near || !client);
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
                    if let Some(saved) = saved {
                        prop_assert!(fences.raise(saved, Source::Server, now), "all that was given can be loaded");
                    }
                    // Until it has given one, it knows of those that the clock has passed only by the clock.
                    let Some(next) = fences.next(now) else { return Ok(()) };
                    last = next;
                    prop_assert!(last >= now_us && saved.is_none_or(|saved| last > saved));
                }
            }
        }
    }
}
