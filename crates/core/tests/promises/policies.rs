//! A call by a policy is the call with the policy's limits spelled out, and a table of policies is its text.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::ratelimit::{
    encode_acquire, encode_acquire_by, encode_return_by, parse_peek, read_acquire, read_peek, read_return,
};
use sluice_core::limit::call::{Acquire, GiveBack, MAX_CLAUSES};
use sluice_core::policy::definition::{Name, NoPolicies, Policy};
use sluice_core::policy::table::Table;
use sluice_core::policy::text;

use crate::cases::{self, config};
use crate::grammar::{Words, acquire, slices, why};

proptest! {
    #![proptest_config(config(cases::POLICIES))]

    /// The first costs are the call's, the others the policy's; what is left over is ignored.
    #[test]
    fn a_call_by_a_policy_is_the_call_spelled_out(
        call in acquire(),
        costs in prop::collection::vec(cost(), 0..=MAX_CLAUSES),
        why in why(),
        shadow: bool,
    ) {
        let policy = Policy { clauses: call.clauses.clone(), shadow };
        let mut table = Table::default();
        table.set(name("other"), policy.clone()).unwrap();
        table.set(name("p.1"), policy).unwrap();
        let mut expected = call.clone();
        expected.clauses.iter_mut().zip(&costs).for_each(|(clause, cost)| clause.cost = *cost);
        let spelled = words(|word| encode_acquire(&expected, word));

        let named = words(|word| encode_acquire_by("p.1", &costs, call.mode, word));
        let mut read = Acquire::new();
        let found = read_peek(slices(&named), &table, &mut read);
        match parse_peek(slices(&spelled)) {
            Ok(expected) => {
                prop_assert!(matches!(found, Ok(Some(found)) if found.shadow == shadow));
                prop_assert_eq!(read, expected);
            }
            Err(error) => prop_assert_eq!(found, Err(error)), // PARTIAL of different costs
        }

        let by = words(|word| encode_return_by("p.1", &costs, why, word));
        let mut read = GiveBack::new();
        match read_return(slices(&by), &table, &mut read) {
            Ok(found) => {
                prop_assert!(found.is_some());
                prop_assert_eq!(read, GiveBack { clauses: expected.clauses, why });
            }
            Err(error) => {
                prop_assert_eq!(error, CommandError::NoCost);
                prop_assert!(expected.clauses.iter().all(|clause| clause.cost == 0));
            }
        }
    }

    /// Whatever is wrong with the words goes before that there is no such policy; nothing comes after it.
    #[test]
    fn an_unknown_policy_is_told_last(costs in prop::collection::vec(cost(), 0..12), call in acquire()) {
        let some = &costs[..costs.len().min(MAX_CLAUSES)];
        let mut words = words(|word| encode_acquire_by("none", some, call.mode, word));
        let read = |words: &Words| read_acquire(slices(words), &NoPolicies, &mut Acquire::new());
        prop_assert_eq!(read(&words), Err(CommandError::NoPolicy));
        words.push(b"nonsense".to_vec());
        prop_assert_eq!(read(&words), Err(CommandError::Syntax));
        words.pop();
        words.extend([b"AT".to_vec(), b"5".to_vec()]);
        prop_assert!(matches!(read(&words), Err(CommandError::Foreign(_))));
    }

    #[test]
    fn a_table_is_its_text(policies in policies(), newlines: bool, lower: bool) {
        let mut table = Table::default();
        for (name, policy) in &policies {
            prop_assert_eq!(table.set(name.clone(), policy.clone()), Ok(true));
        }
        prop_assert_eq!(text::len(policies.iter()), table.text().len());
        let mut again = Table::default();
        prop_assert_eq!(again.replace(table.text().as_bytes()), Ok(policies.len()));
        prop_assert_eq!(again.text(), table.text());
        prop_assert_eq!(text::parse(table.text().as_bytes()), Ok(policies.clone()));

        // In another order, with other spaces and letters.
        let mut parts: Vec<_> = policies.iter().rev().map(|(name, policy)| {
            let limits = text::limits(policy);
            format!("\t{}  {} ", name.as_str(), if lower { limits.to_lowercase() } else { limits })
        }).collect();
        parts.push(String::new());
        let other = parts.join(if newlines { "\r\n" } else { ";" });
        prop_assert_eq!(again.replace(other.as_bytes()), Ok(policies.len()));
        prop_assert_eq!(again.text(), table.text());
        prop_assert_eq!(text::sum(&again.text()), text::sum(&table.text()));
    }

    /// Pieces that often fit, and bytes that do not.
    #[test]
    fn no_text_stops_the_reader_and_what_it_reads_has_one_spelling(pieces in prop::collection::vec(piece(), 0..40)) {
        let bytes = pieces.concat();
        let mut table = Table::default();
        table.replace(b"before LIMIT 1 EX 1").unwrap();
        match table.replace(&bytes) {
            Ok(count) => {
                prop_assert_eq!(table.len(), count);
                let written = table.text();
                prop_assert_eq!(table.replace(written.as_bytes()), Ok(count));
                prop_assert_eq!(table.text(), written);
            }
            Err(_) => prop_assert_eq!(table.text(), "before LIMIT 1 EX 1"),
        }
    }
}

fn words(encode: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Words {
    let mut words = Words::new();
    encode(&mut |word: &[u8]| words.push(word.to_vec()));
    words
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

fn cost() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..10u64, 1 => 0..=i64::MAX as u64]
}

fn policies() -> impl Strategy<Value = BTreeMap<Name, Policy>> {
    let name = "[A-Za-z0-9._-]{1,64}".prop_map(|text| name(&text));
    let policy =
        (acquire(), any::<bool>()).prop_map(|(call, shadow)| Policy { clauses: call.clauses, shadow });
    prop::collection::btree_map(name, policy, 0..12)
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "(a|b|c) LIMIT [1-9]{1,3} (EX|PX) [1-9]{1,4}( BURST [1-9]| STRICT| ALIGN [0-9]|)( COST [0-9]|)( SHADOW|)( |;|\n)"
            .prop_map(String::into_bytes),
        1 => prop::sample::select(vec![&b";"[..], b"\n", b" ", b"@a", b"LIMIT", b"0", b"-1", b"a:b ", b"SHADOW "])
            .prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..5),
    ]
}
