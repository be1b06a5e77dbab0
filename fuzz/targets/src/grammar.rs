//! Every parser, on the same words.

use std::fmt::Debug;

use arbitrary::Unstructured;
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::lock::Load;
use sluice_core::grammar::names::{self, CommandName};
use sluice_core::grammar::{lock, policy, ratelimit, throttle, top};
use sluice_core::limit::call::{Acquire, GiveBack};
use sluice_core::lock::Change;
use sluice_core::policy::table::Table;

use crate::words::{slices, words};

/// No words stop a parser. What one understands is encoded to words that mean the same; what none does is told by a
/// text that repeats nothing of them.
pub fn grammar(bytes: &[u8]) {
    let words = words(&mut Unstructured::new(bytes), 40);
    let words = || slices(&words);
    back(names::RATELIMIT_PEEK, ratelimit::parse_peek(words()), |call| {
        let encoded = spell(|word| ratelimit::encode_acquire(call, word));
        (ratelimit::parse_peek(slices(&encoded)), encoded)
    });
    back(names::RATELIMIT_ACQUIRE, ratelimit::parse_acquire(words()), |call| {
        let encoded = spell(|word| ratelimit::encode_acquire(call, word));
        (ratelimit::parse_acquire(slices(&encoded)), encoded)
    });
    back(names::RATELIMIT_RETURN, ratelimit::parse_return(words()), |call| {
        let encoded = spell(|word| ratelimit::encode_return(call, word));
        (ratelimit::parse_return(slices(&encoded)), encoded)
    });
    back(names::RATELIMIT_HOLD, ratelimit::parse_hold(words()), |hold| {
        let encoded = spell(|word| ratelimit::encode_hold(*hold, word));
        (ratelimit::parse_hold(slices(&encoded)), encoded)
    });
    back(names::RATELIMIT_TURN, ratelimit::parse_turn(words()), |told| {
        let encoded = spell(|word| ratelimit::encode_turn(*told, word));
        (ratelimit::parse_turn(slices(&encoded)), encoded)
    });
    back(names::CL_THROTTLE, throttle::parse(words()), |call| {
        let encoded = spell(|word| throttle::encode(call, word));
        (throttle::parse(slices(&encoded)), encoded)
    });
    back(names::RATELIMIT_TOP, top::parse(words()), |ask| {
        let encoded = spell(|word| top::encode(*ask, word));
        (top::parse(slices(&encoded)), encoded)
    });
    by_policies(words);
    locks(words);
}

/// What a call by a policy means is what the call with the policy's limits means. One policy and one text have one
/// spelling.
fn by_policies<'a, W: Iterator<Item = &'a [u8]>>(words: impl Fn() -> W) {
    let mut table = Table::default();
    table.replace(POLICIES).expect("right policies");
    let mut call = Acquire::new();
    back(names::RATELIMIT_PEEK, ratelimit::read_peek(words(), &table, &mut call).map(|_| call), |call| {
        let encoded = spell(|word| ratelimit::encode_acquire(call, word));
        (ratelimit::parse_peek(slices(&encoded)), encoded)
    });
    let mut call = GiveBack::new();
    back(names::RATELIMIT_RETURN, ratelimit::read_return(words(), &table, &mut call).map(|_| call), |call| {
        let encoded = spell(|word| ratelimit::encode_return(call, word));
        (ratelimit::parse_return(slices(&encoded)), encoded)
    });
    back(names::RATELIMIT_POLICY_SET, policy::parse_policy(words()), |made| {
        let encoded = spell(|word| policy::encode_policy(made, word));
        (policy::parse_policy(slices(&encoded)), encoded)
    });
    if let Err(error) = policy::parse_set(words()) {
        is_told(error, names::RATELIMIT_POLICY_SET);
    }
    let spaced = words().collect::<Vec<_>>().join(&b' ');
    let before = table.text();
    match table.replace(&spaced) {
        Ok(count) => {
            let text = table.text();
            assert_eq!(table.replace(text.as_bytes()), Ok(count), "{text}");
            assert_eq!(table.text(), text);
        }
        Err(error) => {
            assert_eq!(table.text(), before);
            let text = error.text(names::RATELIMIT_POLICY_REPLACE);
            assert!(text.to_bytes().starts_with(b"ERR ") && text.to_bytes().is_ascii());
        }
    }
}

const POLICIES: &[u8] =
    b"a LIMIT 5 EX 1; b LIMIT 3 PX 300 STRICT COST 2 LIMIT 9 EX 9; c LIMIT 7 EX 1 COST 0 SHADOW";

fn locks<'a, W: Iterator<Item = &'a [u8]>>(words: impl Fn() -> W) {
    // What borrows from the words is compared by its spelling.
    again(
        names::LOCK_TRY,
        lock::parse_try(words()),
        |claim| spell(|word| lock::encode_try(claim, word)),
        |encoded| lock::parse_try(slices(encoded)).map(|claim| spell(|word| lock::encode_try(&claim, word))),
    );
    again(
        names::LOCK_ACQUIRE,
        lock::parse_acquire(words()),
        |(claim, block)| spell(|word| lock::encode_acquire(claim, *block, word)),
        |encoded| {
            let parsed = lock::parse_acquire(slices(encoded));
            parsed.map(|(claim, block)| spell(|word| lock::encode_acquire(&claim, block, word)))
        },
    );
    again(
        names::LOCK_EXTEND,
        lock::parse_extend(words()),
        |(owner, lease)| spell(|word| lock::encode_extend(owner, *lease, word)),
        |encoded| {
            let parsed = lock::parse_extend(slices(encoded));
            parsed.map(|(owner, lease)| spell(|word| lock::encode_extend(owner, lease, word)))
        },
    );
    again(
        names::LOCK_RELEASE,
        lock::parse_release(words()),
        |owner| vec![owner.to_vec()],
        |encoded| lock::parse_release(slices(encoded)).map(|owner| vec![owner.to_vec()]),
    );
    back(names::LOCK_LOAD, lock::parse_load(words()), |load| {
        let encoded = spell(|word| encode_load(load, word));
        (lock::parse_load(slices(&encoded)), encoded)
    });
}

/// As effects are sent: whole, or change by change.
pub(crate) fn encode_load(load: &Load, word: &mut dyn FnMut(&[u8])) {
    match load {
        Load::Whole(whole) => lock::encode_load(whole, word),
        Load::Changes(changes) => {
            for change in changes {
                let change = match change {
                    Change::Out(owner) => Change::Out(&owner[..]),
                    Change::Put(holder) => Change::Put(holder),
                };
                lock::encode_change(&change, &mut *word);
            }
        }
    }
}

fn spell(encode: impl FnOnce(&mut dyn FnMut(&[u8]))) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    encode(&mut |word: &[u8]| words.push(word.to_vec()));
    words
}

/// What was understood, encoded and read again, is the same.
fn back<T: PartialEq + Debug>(
    command: CommandName,
    parsed: Result<T, CommandError>,
    encode: impl FnOnce(&T) -> (Result<T, CommandError>, Vec<Vec<u8>>),
) {
    match parsed {
        Ok(call) => {
            let (again, words) = encode(&call);
            assert_eq!(again, Ok(call), "{} {words:?}", command.as_str());
        }
        Err(error) => is_told(error, command),
    }
}

/// What was understood is encoded to words, which are encoded to themselves.
fn again<T>(
    command: CommandName,
    parsed: Result<T, CommandError>,
    encode: impl FnOnce(&T) -> Vec<Vec<u8>>,
    encode_again: impl FnOnce(&[Vec<u8>]) -> Result<Vec<Vec<u8>>, CommandError>,
) {
    match parsed {
        Ok(call) => {
            let words = encode(&call);
            assert_eq!(encode_again(&words).as_ref(), Ok(&words), "{}", command.as_str());
        }
        Err(error) => is_told(error, command),
    }
}

/// An error has Redis's prefix, is one line, and the client knows it again.
fn is_told(error: CommandError, command: CommandName) {
    let text = error.text(command);
    let text = text.to_str().expect("an error in plain text");
    let of_redis_cell = text.starts_with("Cell error: ") && command == names::CL_THROTTLE;
    assert!(text.starts_with("ERR ") || of_redis_cell || error == CommandError::NoPolicy, "{text}");
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text}");
    assert_eq!(CommandError::recognise(text), Some(error), "{text}");
}
