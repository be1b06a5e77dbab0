//! The promises of a key that several callers share, with different limits:
//!
//! 1. The acts of the calls that name a limit keep to it in any window, whatever others do.
//! 2. A call is granted only if everybody's earlier calls, since the limit is known, and its own
//!    keep to the limit in every window up to a bucket's worth that ends at its act.
//! 3. Where there are rates only, all together never do more than the largest BURST and the
//!    fastest pace allow.
//!
//! Acts are told in us, rounded up, so a rate is allowed 1 us more. That is nothing to a window:
//! its tokens are back at whole ms.

use proptest::prelude::*;
use sluice_core::limit::quota::{Kind, Quota};

use crate::cases::{self, config};
use crate::town::{Act, Rules, Town, beyond, town};

const NOTHING_ELSE: Rules = Rules {
    windows: true,
    one_place: false,
    liberties: false,
    reserves: true,
    give_ups: false,
    holds: false,
};

proptest! {
    #![proptest_config(config(cases::TOGETHER))]

    #[test]
    fn whoever_names_a_limit_keeps_to_it(town in town(NOTHING_ELSE)) {
        named_acts_keep_to(&town)?;
    }

    #[test]
    fn whoever_names_a_limit_keeps_to_it_whatever_others_force_and_refund(
        town in town(Rules { liberties: true, ..NOTHING_ELSE }),
    ) {
        keeps(town.known[0], &town.acts())?;
    }

    #[test]
    fn whoever_names_a_limit_keeps_to_it_whatever_is_given_up(
        town in town(Rules { give_ups: true, one_place: true, ..NOTHING_ELSE }),
    ) {
        named_acts_keep_to(&town)?;
    }

    #[test]
    fn nobody_is_granted_what_everybody_has_used(town in town(Rules { one_place: true, ..NOTHING_ELSE })) {
        let (limit, acts) = (town.known[0], town.acts());
        let bucket_us = match limit.kind() {
            Kind::Rate => limit.burst() * limit.period_ms() * 1000 / limit.count(),
            _ => limit.period_ms() * 1000,
        };
        for act in acts.iter().filter(|act| act.of(limit).is_some()) {
            let since = act.known_since.unwrap_or(act.order);
            let earlier = acts.iter().filter(|other| (since..=act.order).contains(&other.order));
            let in_sight = |other: &&Act| other.at_us <= act.at_us && act.at_us - other.at_us < bucket_us;
            let used = earlier.filter(in_sight).map(|other| (other.at_us, other.largest())).collect();
            prop_assert_eq!(ending_beyond(limit, used, act.at_us), None, "{:?}", act);
        }
    }

    #[test]
    fn all_together_keep_to_the_largest_burst_and_the_fastest_pace(
        town in town(Rules { one_place: true, windows: false, reserves: false, ..NOTHING_ELSE }),
    ) {
        let burst = town.known.iter().map(Quota::burst).max().unwrap();
        // in tokens a minute, of which every period here is a part or a multiple
        let pace = town.known.iter().map(|limit| limit.count() * 60_000 / limit.period_ms()).max().unwrap();
        let largest = crate::limits::rate(pace, 60_000, burst);
        let acts = town.acts().iter().map(|act| (act.at_us, act.largest())).collect();
        prop_assert_eq!(beyond(largest, acts, 1), None);
    }
}

fn named_acts_keep_to(town: &Town) -> Result<(), TestCaseError> {
    let acts = town.acts();
    for limit in &town.known {
        keeps(*limit, &acts)?;
    }
    Ok(())
}

fn keeps(limit: Quota, acts: &[Act]) -> Result<(), TestCaseError> {
    let edge = |act: &&Act| {
        // told rounded up, an act in the last us of a calendar window reads as the next one's
        let Kind::Align(_) = limit.kind() else { return false };
        act.reserved && act.at_us.is_multiple_of(1000)
    };
    let named = acts.iter().filter(|act| !edge(act));
    let named = named.filter_map(|act| Some((act.at_us, act.of(limit)?))).collect();
    prop_assert_eq!(beyond(limit, named, 1), None, "{:?}", limit);
    Ok(())
}

/// The first window that ends at this act and holds more than the limit allows.
fn ending_beyond(limit: Quota, used: Vec<(u64, u64)>, end_us: u64) -> Option<u64> {
    let starts: Vec<u64> = used.iter().map(|(at, _)| *at).collect();
    starts.into_iter().find(|start| {
        let inside: Vec<(u64, u64)> = used.iter().copied().filter(|(at, _)| at >= start).collect();
        let cost: u128 = inside.iter().map(|(_, cost)| u128::from(*cost)).sum();
        let [count, burst, period_us] =
            [limit.count(), limit.burst(), limit.period_ms() * 1000].map(u128::from);
        let time = u128::from(end_us - start) + 1;
        match limit.kind() {
            Kind::Rate => cost * period_us > burst * period_us + count * time,
            Kind::Strict => cost > count,
            Kind::Align(_) => false,
        }
    })
}
