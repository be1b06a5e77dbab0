//! A refused call leaves no trace, but for the repair of what no queue can have, and for a limit
//! that joins and counts something as used; and PEEK tells what ACQUIRE does.

use proptest::prelude::*;
use sluice_core::limit::call::{Change, Mode};

use crate::cases::{self, config};
use crate::key::Key;
use crate::limits::any_limit;
use crate::story::{Story, alone, is_in_range, names_one_twice, together};

proptest! {
    #![proptest_config(config(cases::REFUSALS))]

    #[test]
    fn a_refused_call_of_one_caller_leaves_no_trace(story in alone(any_limit, 8)) {
        leaves_no_trace(&story)?;
    }

    #[test]
    fn a_refused_call_of_many_leaves_no_trace(story in together(any_limit, 8)) {
        leaves_no_trace(&story)?;
    }

    #[test]
    fn a_peek_tells_what_acquire_does(story in together(any_limit, 8)) {
        let mut key = Key::new(story.bounds);
        let (call, now) = story.up_to_a_question(&mut key);
        let before = key.clone();
        let peeked = key.peek(&call, now);
        prop_assert_eq!(&key, &before);
        prop_assert_eq!(key.acquire(&call, now), peeked);
        prop_assert!(is_in_range(&peeked.reply, &call.clauses), "{:?}", peeked);
        if let Mode::Wait(limit) = call.mode {
            prop_assert!(peeked.reply.granted == 0 || peeked.reply.wait_ms <= limit.get() as i64);
        }
    }
}

fn leaves_no_trace(story: &Story) -> Result<(), TestCaseError> {
    let mut key = Key::new(story.bounds);
    let (call, now) = story.up_to_a_question(&mut key);
    for _ in 0..6 {
        let before = key.clone();
        let verdict = key.acquire(&call, now);
        if verdict.reply.granted > 0 {
            continue;
        }
        if !verdict.notes.repaired && verdict.notes.mixed == 0 {
            prop_assert_eq!(verdict.change, Change::Keep);
            prop_assert_eq!(&key, &before);
        }
        // Which of two equal limits a clause means depends on their places, which close up.
        if names_one_twice(&call.clauses) {
            return Ok(());
        }
        // a repair is done once, a limit joins once, and neither shows
        let again = key.clone().acquire(&call, now);
        prop_assert_eq!(again.reply, verdict.reply);
        prop_assert_eq!((again.change, again.notes.repaired, again.notes.mixed), (Change::Keep, false, 0));
    }
    Ok(())
}
