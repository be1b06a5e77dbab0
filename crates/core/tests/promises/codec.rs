//! A stored state reads back as it was, in a width that only its limits decide; whatever else a
//! key may hold is refused or is one of our states, to the last byte.

use proptest::prelude::*;
use sluice_core::limit::bucket::{Bucket, MAX_TAT};
use sluice_core::limit::call::{Buckets, MAX_CLAUSES};
use sluice_core::limit::codec::{MAX_LEN, decode, encode, encoded_len};
use sluice_core::limit::quota::Quota;

use crate::cases::{self, config};
use crate::story::any_quota;

proptest! {
    #![proptest_config(config(cases::CODEC))]

    #[test]
    fn a_state_reads_back_as_it_was(state in buckets()) {
        prop_assert_eq!(decode(text(&state).as_bytes()), Some(state));
    }

    #[test]
    fn limits_alone_decide_the_width(state in buckets()) {
        let idle: Buckets = state.iter().map(|bucket| Bucket::idle(*bucket.quota())).collect();
        prop_assert_eq!(text(&state).len(), text(&idle).len());
    }

    #[test]
    fn foreign_bytes_are_refused_or_are_a_state(bytes in prop::collection::vec(any::<u8>(), 0..=80)) {
        prop_assert!(is_foreign_or_a_state(&bytes));
    }

    #[test]
    fn scribbles_are_refused_or_are_a_state(bytes in "[0-9+:/;. -]{0,90}") {
        prop_assert!(is_foreign_or_a_state(bytes.as_bytes()));
    }

    #[test]
    fn damaged_states_are_refused_or_are_a_state(state in buckets(), damage in prop::collection::vec(damage(), 1..4)) {
        let mut bytes = text(&state).into_bytes();
        for damage in damage {
            damage.befalls(&mut bytes);
        }
        prop_assert!(is_foreign_or_a_state(&bytes));
    }
}

#[test]
fn endless_digits_are_refused() {
    for length in [MAX_LEN, MAX_LEN + 1, 1 << 20] {
        assert_eq!(decode(&vec![b'9'; length]), None);
    }
}

fn is_foreign_or_a_state(bytes: &[u8]) -> bool {
    let in_bounds =
        |bucket: &Bucket| bucket.tat_ns() <= MAX_TAT && bucket.remainder() < bucket.quota().count();
    decode(bytes).is_none_or(|state| state.iter().all(in_bounds) && text(&state).as_bytes() == bytes)
}

#[derive(Debug, Clone)]
enum Damage {
    Replace(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    CutOff(prop::sample::Index),
}

impl Damage {
    fn befalls(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Replace(at, with) => *at.get_mut(bytes) = *with,
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Self::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Self::CutOff(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    let byte =
        || prop_oneof![4 => b'0'..=b'9', 2 => prop::sample::select(b"+:/;-".to_vec()), 1 => any::<u8>()];
    prop_oneof![
        3 => (at(), byte()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        1 => (at(), byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => at().prop_map(Damage::Remove),
        1 => at().prop_map(Damage::CutOff),
    ]
}

/// Any state that can be stored.
pub(crate) fn buckets() -> impl Strategy<Value = Buckets> {
    prop::collection::vec(bucket(), 1..=MAX_CLAUSES).prop_map(|buckets| buckets.into_iter().collect())
}

fn bucket() -> impl Strategy<Value = Bucket> {
    let year_2026 = 1_795_640_112_345_678_900..1_795_640_112_545_678_900u64;
    let tat = prop_oneof![4 => year_2026, 1 => Just(0), 1 => Just(MAX_TAT), 1 => 0..=MAX_TAT];
    let last = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
    (any_quota(), tat, last).prop_map(|(quota, tat, r): (Quota, _, _)| {
        let whole = quota.period_ns().is_multiple_of(quota.count());
        Bucket::from_parts(quota, tat, if whole { 0 } else { r % quota.count() }).unwrap()
    })
}

pub(crate) fn text(state: &Buckets) -> String {
    let mut bytes = vec![b'?'; encoded_len(state)];
    encode(state, &mut bytes);
    String::from_utf8(bytes).unwrap()
}
