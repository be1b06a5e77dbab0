//! The words of the commands: what one side writes the other reads, and nothing that anybody writes does harm.

use proptest::prelude::*;
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::lock::{
    Load, encode_acquire, encode_extend, encode_load, encode_try, parse_acquire, parse_extend, parse_load,
    parse_release, parse_try,
};
use sluice_core::lock::{Claim, FENCE_BOUND, Holder, Lock, MAX_HOLDERS, MAX_OWNER_LEN};
use sluice_core::time::{MAX_MS, Millis};

use crate::cases;

/// Any owner, also one that looks like a word of the command.
fn owner() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&str; 8] = ["PX", "EX", "HOLDERS", "BLOCK", "0", "-1", "\0", "\r\n"];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 1..20),
        prop::collection::vec(any::<u8>(), MAX_OWNER_LEN - 1..=MAX_OWNER_LEN),
        prop::sample::select(&WORDS).prop_map(|word| word.as_bytes().to_vec()),
    ]
}

fn lease() -> impl Strategy<Value = Millis> {
    prop_oneof![1..=MAX_MS, 1..100_u64, Just(MAX_MS)].prop_map(|ms| Millis::new(ms).unwrap())
}

/// A number next to which something ends.
fn any_edge() -> impl Strategy<Value = i64> {
    const EDGES: [u64; 5] = [MAX_MS, MAX_MS / 1000, MAX_HOLDERS as u64, FENCE_BOUND, i64::MAX as u64 - 1];
    (prop::sample::select(&EDGES), -1..=1_i64).prop_map(|(edge, off)| edge as i64 + off)
}

/// Something that might stand in a command.
fn word() -> impl Strategy<Value = Vec<u8>> {
    const WORDS: [&str; 15] =
        ["PX", "ex", "HOLDERS", "Block", "NX", "", "1", "2", "1024", "1025", "-1", "0", "01", "+1", "1.5"];
    prop_oneof![
        6 => prop::sample::select(&WORDS).prop_map(|word| word.as_bytes().to_vec()),
        2 => any_edge().prop_map(|number| number.to_string().into_bytes()),
        1 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        1 => owner(),
        1 => prop::collection::vec(any::<u8>(), 0..30),
    ]
}

fn lock() -> impl Strategy<Value = Lock> {
    let field = || prop_oneof![0..FENCE_BOUND, 0..100_u64, Just(FENCE_BOUND - 1)];
    let holder = (field().prop_map(|fence| fence.max(1)), field(), field());
    let holders = prop::collection::hash_map(owner(), holder, 1..20);
    holders.prop_map(|holders| {
        let holder =
            |(owner, (fence, end, start)): (Vec<u8>, _)| Holder::new(&owner, fence, end, start).unwrap();
        Lock::from_holders(holders.into_iter().map(holder).collect()).unwrap()
    })
}

/// The words of an ACQUIRE in which all is as it should be.
fn acquire() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (owner(), lease(), 1..=3_usize, lease()).prop_map(|(owner, lease, holders, block)| {
        collect(|word| encode_acquire(&Claim { owner: &owner, lease, holders }, block, word))
    })
}

fn load(lock: Lock) -> Vec<Vec<u8>> {
    collect(|word| encode_load(&lock, word))
}

/// The same words with some put in, left out, cut off or changed.
fn damaged(words: impl Strategy<Value = Vec<Vec<u8>>>) -> impl Strategy<Value = Vec<Vec<u8>>> {
    let damage = (any::<prop::sample::Index>(), word(), 0..5_u8);
    (words, prop::collection::vec(damage, 1..4)).prop_map(|(mut words, damages)| {
        for (place, word, kind) in damages {
            let place = place.index(words.len());
            match kind {
                0 => words.insert(place, word),
                1 if words.len() > 1 => drop(words.remove(place)),
                2 => words.truncate(place.max(1)),
                3 if words.len() > 2 => words.extend_from_within(words.len() - 2..),
                _ => words[place] = word,
            }
        }
        words
    })
}

/// What an encoder calls `word` with.
fn collect(encode: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    encode(&mut |word| words.push(word.to_vec()));
    words
}

fn read(words: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    words.iter().map(Vec::as_slice)
}

proptest! {
    #![proptest_config(cases(4_000))]

    #[test]
    fn what_is_encoded_reads_back_the_same(
        owner in owner(),
        lease in lease(),
        holders in 1..=MAX_HOLDERS,
        block in prop_oneof![Just(Millis::ZERO), lease()],
    ) {
        let claim = Claim { owner: &owner, lease, holders };
        let words = collect(|word| encode_try(&claim, word));
        prop_assert_eq!(parse_try(read(&words)), Ok(claim));
        let words = collect(|word| encode_acquire(&claim, block, word));
        prop_assert_eq!(parse_acquire(read(&words)), Ok((claim, block)));
        let words = collect(|word| encode_extend(&owner, lease, word));
        prop_assert_eq!(parse_extend(read(&words)), Ok((&owner[..], lease)));
        prop_assert_eq!(parse_release([&owner[..]].into_iter()), Ok(&owner[..]));
    }

    #[test]
    fn a_lock_reads_back_the_same(lock in lock()) {
        let words = load(lock.clone());
        prop_assert_eq!(words.len(), 1 + 4 * lock.len());
        prop_assert_eq!(parse_load(read(&words)), Ok(Load::Whole(lock)));
    }

    #[test]
    fn any_words_are_an_error_or_mean_something_in_bounds(
        words in prop_oneof![prop::collection::vec(word(), 0..12), damaged(acquire())],
    ) {
        let in_bounds = |claim: &Claim<'_>| {
            (1..=MAX_OWNER_LEN).contains(&claim.owner.len())
                && (1..=MAX_MS).contains(&claim.lease.get())
                && (1..=MAX_HOLDERS).contains(&claim.holders)
        };
        if let Ok(claim) = parse_try(read(&words)) {
            prop_assert!(in_bounds(&claim));
        }
        if let Ok((claim, block)) = parse_acquire(read(&words)) {
            prop_assert!(in_bounds(&claim) && block.get() <= MAX_MS);
            prop_assert!([5, 7].contains(&words.len()), "an option twice: {:?}", claim);
        }
        if let Ok((owner, lease)) = parse_extend(read(&words)) {
            let claim = Claim { owner, lease, holders: 1 };
            prop_assert!(in_bounds(&claim));
        }
        prop_assert_eq!(parse_release(read(&words)).is_ok(), words.len() == 1 && !words[0].is_empty());
        let _ = parse_load(read(&words));
    }

    #[test]
    fn numbers_out_of_bounds_are_refused(number in prop_oneof![any::<i64>(), -2..3_i64, 1023..1027_i64, any_edge()]) {
        let number_text = number.to_string();
        let try_with = |words: [&str; 5]| {
            let words = words.map(|word| if word == "*" { &number_text } else { word });
            parse_try(words.iter().map(|word| word.as_bytes())).is_ok()
        };
        let in_bounds = |max: u64| number > 0 && number.unsigned_abs() <= max;
        prop_assert_eq!(try_with(["me", "PX", "1", "HOLDERS", "*"]), in_bounds(MAX_HOLDERS as u64));
        prop_assert_eq!(try_with(["me", "PX", "*", "HOLDERS", "1"]), in_bounds(MAX_MS));
        prop_assert_eq!(try_with(["me", "EX", "*", "HOLDERS", "1"]), in_bounds(MAX_MS / 1000));
        let block = ["me", "PX", "1", "BLOCK", &number_text];
        let block = parse_acquire(block.iter().map(|word| word.as_bytes()));
        prop_assert_eq!(block.is_ok(), number == 0 || in_bounds(MAX_MS));
    }

    #[test]
    fn an_owner_twice_is_refused(lock in lock(), place in any::<prop::sample::Index>()) {
        let mut words = load(lock);
        let place = 1 + 4 * place.index(words.len() / 4);
        words.extend_from_within(place..place + 4);
        words[0] = (words.len() / 4).to_string().into_bytes();
        prop_assert!(parse_load(read(&words)).is_err());
    }

    #[test]
    fn a_damaged_load_is_an_error_or_what_it_says(words in damaged(lock().prop_map(load))) {
        if let Ok(Load::Whole(lock)) = parse_load(read(&words)) {
            prop_assert_eq!(load(lock), words);
        }
    }
}

#[test]
fn a_load_of_too_many_is_refused_whatever_it_says() {
    for count in [1024, 1025, 1026, u64::MAX] {
        let mut words = vec![count.to_string().into_bytes()];
        for n in 0..1025 {
            words.extend([n.to_string(), "5".into(), "2000".into(), "1000".into()].map(String::into_bytes));
        }
        assert!(parse_load(read(&words)).is_err(), "{count}");
    }
    assert_eq!(parse_load(std::iter::empty()), Err(CommandError::Syntax));
}
