//! What the client encodes, the module parses, to the same call; and no words whatever stop the
//! parser.

use proptest::prelude::*;
use sluice_core::grammar::ratelimit::{
    encode_acquire, encode_return, parse_acquire, parse_peek, parse_return,
};
use sluice_core::limit::call::{Acquire, Clause, Clauses, GiveBack, MAX_CLAUSES, Mode};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{MAX_MS, Millis};

use crate::cases::{self, config};
use crate::story::{any_quota, cost, same_cost};

type Words = Vec<Vec<u8>>;

proptest! {
    #![proptest_config(config(cases::GRAMMAR))]

    #[test]
    fn a_call_parses_back_to_itself(call in acquire()) {
        let words = words_of(&call);
        prop_assert_eq!(parse_peek(slices(&words)), Ok(call.clone()));
        let costs = call.clauses.iter().any(|clause| clause.cost > 0);
        prop_assert_eq!(parse_acquire(slices(&words)).is_ok(), costs);
    }

    #[test]
    fn a_return_parses_back_to_itself(call in acquire(), due in prop::option::of(0..=MAX_MS)) {
        let mut call = GiveBack { clauses: call.clauses, due: due.and_then(Millis::new) };
        call.clauses[0].cost = call.clauses[0].cost.max(1);
        let mut words = Words::new();
        encode_return(&call, |word| words.push(word.to_vec()));
        prop_assert_eq!(parse_return(slices(&words)), Ok(call));
    }

    #[test]
    fn keywords_are_read_in_any_case(call in acquire(), upper in any::<u64>()) {
        let mut words = words_of(&call);
        for (i, byte) in words.iter_mut().flatten().enumerate() {
            if upper >> (i % 64) & 1 == 0 {
                byte.make_ascii_lowercase();
            }
        }
        prop_assert_eq!(parse_peek(slices(&words)), Ok(call));
    }

    #[test]
    fn random_bytes_stop_nothing(words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..24)) {
        let read = parse_peek(slices(&words)).is_ok() || parse_return(slices(&words)).is_ok();
        prop_assert!(!read, "random bytes have no meaning");
    }

    #[test]
    fn whatever_is_understood_parses_back_to_itself(words in prop::collection::vec(word(), 0..28)) {
        let words: Words = words.into_iter().flatten().collect();
        if let Ok(call) = parse_peek(slices(&words)) {
            prop_assert_eq!(parse_peek(slices(&words_of(&call))), Ok(call.clone()));
            let acquire = parse_acquire(slices(&words));
            prop_assert_eq!(acquire.is_ok(), call.clauses.iter().any(|clause| clause.cost > 0));
        }
        if let Ok(call) = parse_return(slices(&words)) {
            let mut again = Words::new();
            encode_return(&call, |word| again.push(word.to_vec()));
            prop_assert_eq!(parse_return(slices(&again)), Ok(call));
        }
    }
}

fn slices(words: &Words) -> impl Iterator<Item = &[u8]> {
    words.iter().map(Vec::as_slice)
}

fn words_of(call: &Acquire) -> Words {
    let mut words = Words::new();
    encode_acquire(call, |word| words.push(word.to_vec()));
    words
}

fn acquire() -> impl Strategy<Value = Acquire> {
    let clause =
        (any_quota(), cost()).prop_map(|(quota, cost): (Quota, _)| Clause { quota, cost: cost.of(quota) });
    let limit =
        prop_oneof![Just(0), Just(MAX_MS), 0..=MAX_MS].prop_map(|ms| Mode::Wait(Millis::new(ms).unwrap()));
    let mode = prop_oneof![Just(Mode::Partial), Just(Mode::Force), limit];
    (prop::collection::vec(clause, 1..=MAX_CLAUSES), mode).prop_map(|(clauses, mode)| {
        let mut clauses: Clauses = clauses.into_iter().collect();
        if mode == Mode::Partial {
            same_cost(&mut clauses, 7);
        }
        Acquire { clauses, mode }
    })
}

/// A piece of a sentence: one that often fits, a lone keyword, or a number at an edge.
fn word() -> impl Strategy<Value = Words> {
    let number = || {
        prop_oneof![
            6 => (0..70u64).prop_map(|n| n.to_string()),
            1 => any::<i64>().prop_map(|n| n.to_string()),
            1 => prop::sample::select(vec!["9223372036854775807", "9223372036854775808", "-1", "-0", "01", "+1", ""])
                .prop_map(str::to_owned),
        ]
    };
    let limit = (number(), number()).prop_map(|(count, time)| format!("LIMIT {count} EX {time}"));
    let option = (prop::sample::select(vec!["BURST", "COST", "MAXWAIT", "DUE", "PX"]), number());
    prop_oneof![
        6 => limit,
        4 => option.prop_map(|(name, value)| format!("{name} {value}")),
        1 => prop::sample::select(vec!["PARTIAL", "FORCE", "LIMIT", "EX", "PX", "BURST", "COST", "MAXWAIT", "DUE"])
            .prop_map(str::to_owned),
        1 => number(),
    ]
    .prop_map(|piece| piece.split(' ').map(|word| word.as_bytes().to_vec()).collect())
}
