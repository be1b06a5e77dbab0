//! What the client encodes, the module parses, to the same call; and no words whatever stop the
//! parser: it understands them, or says in a text what is wrong.

use proptest::prelude::*;
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names::{self, CommandName};
use sluice_core::grammar::ratelimit::{
    encode_acquire, encode_hold, encode_return, encode_turn, parse_acquire, parse_hold, parse_peek,
    parse_return, parse_turn,
};
use sluice_core::limit::call::{Acquire, Clause, Clauses, GiveBack, MAX_CLAUSES, Mode, Why};
use sluice_core::limit::quota::{Kind, Quota};
use sluice_core::time::{MAX_MS, Millis};

use crate::cases::{self, config};
use crate::limits::any_limit;
use crate::story::{cost, same_cost};

pub(crate) type Words = Vec<Vec<u8>>;

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
    fn a_return_parses_back_to_itself(call in acquire(), why in why()) {
        let mut call = GiveBack { clauses: call.clauses, why };
        call.clauses[0].cost = call.clauses[0].cost.max(1);
        let mut words = Words::new();
        encode_return(&call, |word| words.push(word.to_vec()));
        prop_assert_eq!(parse_return(slices(&words)), Ok(call));
    }

    #[test]
    fn a_hold_and_a_turn_parse_back_to_themselves(ms in prop_oneof![Just(0), Just(MAX_MS), 0..=MAX_MS]) {
        let time = Millis::new(ms).unwrap();
        let hold = Some(time).filter(|_| ms > 0);
        let mut words = Words::new();
        encode_hold(hold, |word| words.push(word.to_vec()));
        prop_assert_eq!(parse_hold(slices(&words)), Ok(hold));
        let mut words = Words::new();
        encode_turn(time, |word| words.push(word.to_vec()));
        prop_assert_eq!(parse_turn(slices(&words)), Ok(time));
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
        let read = parse_peek(slices(&words)).is_ok()
            || parse_return(slices(&words)).is_ok()
            || parse_hold(slices(&words)).is_ok();
        prop_assert!(!read, "random bytes have no meaning");
    }

    #[test]
    fn whatever_is_understood_parses_back_to_itself_and_else_is_told_why(words in prop::collection::vec(word(), 0..28)) {
        let words: Words = words.into_iter().flatten().collect();
        match parse_peek(slices(&words)) {
            Ok(call) => {
                prop_assert_eq!(parse_peek(slices(&words_of(&call))), Ok(call.clone()));
                let acquire = parse_acquire(slices(&words));
                prop_assert_eq!(acquire.is_ok(), call.clauses.iter().any(|clause| clause.cost > 0));
            }
            Err(error) => is_told(&error, "RATELIMIT.PEEK")?,
        }
        match parse_return(slices(&words)) {
            Ok(call) => {
                let mut again = Words::new();
                encode_return(&call, |word| again.push(word.to_vec()));
                prop_assert_eq!(parse_return(slices(&again)), Ok(call));
            }
            Err(error) => is_told(&error, "RATELIMIT.RETURN")?,
        }
        match parse_hold(slices(&words)) {
            Ok(hold) => {
                let mut again = Words::new();
                encode_hold(hold, |word| again.push(word.to_vec()));
                prop_assert_eq!(parse_hold(slices(&again)), Ok(hold));
            }
            Err(error) => is_told(&error, "RATELIMIT.HOLD")?,
        }
        if let Err(error) = parse_turn(slices(&words)) {
            is_told(&error, "RATELIMIT.TURN")?;
        }
    }
}

/// An error has Redis's prefix, names something, and does not repeat what the user wrote.
fn is_told(error: &CommandError, command: &str) -> Result<(), TestCaseError> {
    let name: CommandName = *names::ALL.iter().find(|name| name.as_str() == command).unwrap();
    let text = error.text(name);
    let text = text.to_str().unwrap();
    prop_assert!(text.starts_with("ERR ") && text.len() > "ERR ".len() + 8, "{}", text);
    prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", text);
    Ok(())
}

pub(crate) fn slices(words: &Words) -> impl Iterator<Item = &[u8]> {
    words.iter().map(Vec::as_slice)
}

fn words_of(call: &Acquire) -> Words {
    let mut words = Words::new();
    encode_acquire(call, |word| words.push(word.to_vec()));
    words
}

pub(crate) fn acquire() -> impl Strategy<Value = Acquire> {
    let clause =
        (any_limit(), cost()).prop_map(|(quota, cost): (Quota, _)| Clause { quota, cost: cost.of(quota) });
    let limit =
        prop_oneof![Just(0), Just(MAX_MS), 0..=MAX_MS].prop_map(|ms| Mode::Wait(Millis::new(ms).unwrap()));
    let mode = prop_oneof![Just(Mode::Plain), Just(Mode::Partial), Just(Mode::Force), limit];
    (prop::collection::vec(clause, 1..=MAX_CLAUSES), mode).prop_map(|(clauses, mode)| {
        // an offset of whole seconds is what ALIGN can say
        let whole = |clause: &Clause| !matches!(clause.quota.kind(), Kind::Align(ms) if ms % 1000 != 0);
        let mut clauses: Clauses = clauses.into_iter().collect();
        for clause in clauses.iter_mut().filter(|clause| !whole(clause)) {
            let period = Millis::new(clause.quota.period_ms()).unwrap();
            clause.quota = Quota::aligned(clause.quota.count(), period, 0).unwrap();
        }
        if mode == Mode::Partial {
            same_cost(&mut clauses, 7);
        }
        Acquire { clauses, mode }
    })
}

pub(crate) fn why() -> impl Strategy<Value = Why> {
    prop_oneof![
        Just(Why::Refund),
        (0..=MAX_MS).prop_map(|ms| Why::DueIn(Millis::new(ms).unwrap())),
        (0..=i64::MAX as u64).prop_map(Why::ActAt),
    ]
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
    let kind = prop::sample::select(vec!["", "", " STRICT", " ALIGN 0", " BURST 3"]);
    let limit =
        (number(), number(), kind).prop_map(|(count, time, kind)| format!("LIMIT {count} EX {time}{kind}"));
    let options = vec!["BURST", "COST", "MAXWAIT", "DUE", "AT", "PX", "ALIGN"];
    let option = (prop::sample::select(options), number());
    let words = vec![
        "PARTIAL", "FORCE", "LIMIT", "EX", "PX", "BURST", "COST", "MAXWAIT", "DUE", "AT", "STRICT", "ALIGN",
        "OFF", "SHADOW",
    ];
    prop_oneof![
        6 => limit,
        4 => option.prop_map(|(name, value)| format!("{name} {value}")),
        1 => prop::sample::select(words).prop_map(str::to_owned),
        1 => number(),
    ]
    .prop_map(|piece| piece.split(' ').map(|word| word.as_bytes().to_vec()).collect())
}
