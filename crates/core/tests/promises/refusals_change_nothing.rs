//! A refused call leaves no trace, but for the repair of a changed limit or of a tat that no queue
//! can have; and PEEK tells what ACQUIRE does.

use proptest::prelude::*;
use sluice_core::limit::call::{Change, Mode};

use crate::cases::{self, config};
use crate::key::Key;
use crate::story::{any_quota, is_in_range, story};

proptest! {
    #![proptest_config(config(cases::REFUSALS))]

    #[test]
    fn a_refused_call_leaves_no_trace(story in story(any_quota, 8)) {
        let mut key = Key::new(story.max_wait);
        let (call, now) = story.up_to_a_question(&mut key);
        key.buckets(now); // what has expired is gone already
        for _ in 0..6 {
            let before = key.clone();
            let verdict = key.acquire(&call, now);
            if verdict.reply.granted > 0 {
                continue;
            }
            if !verdict.repaired {
                prop_assert_eq!(verdict.change, Change::Keep);
                prop_assert_eq!(&key, &before);
            }
            // a repair is done once, and does not show
            let again = key.clone().acquire(&call, now);
            prop_assert_eq!(again.reply, verdict.reply);
            prop_assert_eq!((again.change, again.repaired), (Change::Keep, false));
        }
    }

    #[test]
    fn a_peek_tells_what_acquire_does(story in story(any_quota, 8)) {
        let mut key = Key::new(story.max_wait);
        let (call, now) = story.up_to_a_question(&mut key);
        key.buckets(now);
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
