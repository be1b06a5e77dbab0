//! A stored state reads back as it was, to the last byte; whatever else a key may hold is refused
//! or is one of our states.

use proptest::prelude::*;
use sluice_core::limit::codec::{MAX_LEN, MIN_LEN, decode, encoded_len};
use sluice_core::limit::meter::Gauge;

use crate::cases::{self, config};
use crate::key::text;
use crate::states::texts;

proptest! {
    #![proptest_config(config(cases::CODEC))]

    #[test]
    fn a_state_reads_back_as_it_was(stored in texts()) {
        let state = decode(stored.as_bytes());
        prop_assert!(state.is_some(), "{} is a state", stored);
        let state = state.unwrap();
        prop_assert_eq!(encoded_len(&state), stored.len());
        prop_assert_eq!(text(&state), stored.clone());
        prop_assert!((MIN_LEN..=MAX_LEN).contains(&stored.len()));
    }

    #[test]
    fn foreign_bytes_are_refused_or_are_a_state(bytes in prop::collection::vec(any::<u8>(), 0..=80)) {
        prop_assert!(is_foreign_or_a_state(&bytes));
    }

    #[test]
    fn scribbles_are_refused_or_are_a_state(bytes in "[0-9+:/;|~!@,SA. -]{0,90}") {
        prop_assert!(is_foreign_or_a_state(bytes.as_bytes()));
    }

    #[test]
    fn damaged_states_are_refused_or_are_a_state(stored in texts(), damage in prop::collection::vec(damage(), 1..4)) {
        let mut bytes = stored.into_bytes();
        for damage in damage {
            damage.befalls(&mut bytes);
        }
        prop_assert!(is_foreign_or_a_state(&bytes), "{}", bytes.escape_ascii());
    }

    #[test]
    fn two_states_in_one_string_are_refused_or_are_a_state(first in texts(), second in texts(), between in "[;|!,]?") {
        let both = format!("{first}{between}{second}");
        prop_assert!(is_foreign_or_a_state(both.as_bytes()), "{}", both);
    }
}

#[test]
fn endless_digits_are_refused() {
    for length in [MAX_LEN, MAX_LEN + 1, 1 << 20] {
        assert_eq!(decode(&vec![b'9'; length]), None);
    }
}

fn is_foreign_or_a_state(bytes: &[u8]) -> bool {
    decode(bytes).is_none_or(|state| {
        let in_bounds = state.meters.iter().all(|meter| match &meter.gauge {
            Gauge::Bucket(bucket) => bucket.remainder() < bucket.quota().count(),
            Gauge::Window(window) => {
                window.entries().iter().map(|entry| u128::from(entry.tokens)).sum::<u128>()
                    <= u128::from(window.quota().count())
            }
        });
        in_bounds && text(&state).as_bytes() == bytes
    })
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
    let byte = || {
        prop_oneof![
            4 => b'0'..=b'9',
            2 => prop::sample::select(b"+:/;-|~!@,SA".to_vec()),
            1 => any::<u8>()
        ]
    };
    prop_oneof![
        3 => (at(), byte()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        1 => (at(), byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => at().prop_map(Damage::Remove),
        1 => at().prop_map(Damage::CutOff),
    ]
}
