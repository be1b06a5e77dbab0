//! No input whatever overflows, panics, or makes a reply leave its range: any state that can be
//! stored, at any instant, under any limits and costs that the grammar lets through.

use proptest::prelude::*;
use sluice_core::limit::bucket::{Bucket, MAX_TAT};
use sluice_core::limit::call::{Acquire, Buckets, Change, Clause, Clauses, GiveBack, MAX_CLAUSES, Mode};
use sluice_core::limit::codec;
use sluice_core::limit::gcra;
use sluice_core::limit::quota::Quota;
use sluice_core::time::{MAX_MS, Millis, NS_PER_MS, Nanos};

use crate::cases::{self, config};
use crate::codec::{buckets, text};
use crate::story::{any_quota, cost, is_in_range};

proptest! {
    #![proptest_config(config(cases::BOUNDS))]

    #[test]
    fn no_acquire_overflows(
        stored in buckets(),
        clauses in clauses(),
        mode in mode(),
        now in instant(),
        max_wait in millis(),
    ) {
        let call = Acquire { clauses: in_part(&stored, clauses), mode };
        let mut after = stored.clone();
        let verdict = gcra::acquire(&call, &mut after, now, max_wait);
        let reply = verdict.reply;
        prop_assert!(is_in_range(&reply, &call.clauses), "{:?}", reply);
        match mode {
            Mode::Wait(limit) if reply.granted > 0 => prop_assert!(reply.wait_ms <= limit.get() as i64),
            Mode::Partial => prop_assert!(reply.granted <= call.clauses[reply.index as usize].cost.max(1) as i64),
            Mode::Force => prop_assert_eq!(reply.granted, 1),
            Mode::Wait(_) => {}
        }
        if verdict.change == Change::Write {
            prop_assert_eq!(codec::decode(text(&after).as_bytes()), Some(after.clone()));
            if !matches!(mode, Mode::Wait(limit) if limit > max_wait) {
                for bucket in &after {
                    prop_assert!(is_believed(bucket, now, max_wait), "{:?}", bucket);
                }
            }
        }
    }

    #[test]
    fn no_return_overflows(
        stored in buckets(),
        clauses in clauses(),
        due in prop::option::of(millis()),
        now in instant(),
        max_wait in millis(),
    ) {
        let call = GiveBack { clauses: in_part(&stored, clauses), due };
        let mut after = stored.clone();
        let verdict = gcra::give_back(&call, &mut after, now, max_wait);
        prop_assert!(is_in_range(&verdict.reply, &call.clauses), "{:?}", verdict.reply);
        prop_assert_eq!(verdict.reply.granted == 0, verdict.change == Change::Keep);
        if verdict.change == Change::Write {
            prop_assert_eq!(codec::decode(text(&after).as_bytes()), Some(after.clone()));
        }
    }

    #[test]
    fn no_look_overflows(stored in buckets(), now in instant(), max_wait in millis()) {
        let full = stored.iter().all(|bucket| bucket.is_full(now));
        let seen = gcra::look(&stored, now, max_wait);
        prop_assert_eq!(seen.is_none(), full);
        for (quota, standing) in seen.into_iter().flatten() {
            prop_assert!(standing.remaining <= quota.burst());
            prop_assert!((0..=standing.reset_ms).contains(&standing.next_ms));
            prop_assert_eq!(standing.next_ms == 0, standing.reset_ms == 0);
        }
        prop_assert!(gcra::expires_at_ms(&stored) <= MAX_TAT / NS_PER_MS + 1);
    }
}

/// No further ahead than `full + max(full, max-wait)`.
fn is_believed(bucket: &Bucket, now: Nanos, max_wait: Millis) -> bool {
    let quota = bucket.quota();
    let (count, full) =
        (u128::from(quota.count()), u128::from(quota.burst()) * u128::from(quota.period_ns()));
    let ahead = u128::from(bucket.tat_ns().saturating_sub(now.0)) * count + u128::from(bucket.remainder());
    bucket.is_full(now) || ahead <= full + full.max(u128::from(max_wait.as_nanos()) * count)
}

/// Some of the clauses have the limits that are stored.
fn in_part(stored: &Buckets, clauses: Vec<(Clause, bool)>) -> Clauses {
    let mut call: Clauses = clauses.iter().map(|(clause, _)| *clause).collect();
    for (i, bucket) in stored.iter().enumerate().take(call.len()) {
        if clauses[i].1 {
            call[i].quota = *bucket.quota();
        }
    }
    call
}

fn clauses() -> impl Strategy<Value = Vec<(Clause, bool)>> {
    let clause =
        (any_quota(), cost()).prop_map(|(quota, cost): (Quota, _)| Clause { quota, cost: cost.of(quota) });
    prop::collection::vec((clause, any::<bool>()), 1..=MAX_CLAUSES)
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::PLAIN), Just(Mode::Partial), Just(Mode::Force), millis().prop_map(Mode::Wait)]
}

fn millis() -> impl Strategy<Value = Millis> {
    prop_oneof![Just(0), Just(MAX_MS), Just(60_000), 0..=MAX_MS].prop_map(|ms| Millis::new(ms).unwrap())
}

fn instant() -> impl Strategy<Value = Nanos> {
    let year_2026 = 1_795_640_112_345_678_900..1_795_640_112_545_678_900u64;
    prop_oneof![4 => year_2026, 1 => any::<u64>(), 1 => Just(0), 1 => Just(u64::MAX), 1 => Just(MAX_TAT)]
        .prop_map(Nanos)
}
