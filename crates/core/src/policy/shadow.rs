//! Shadow mode: a policy that is only tried out refuses nobody.
//!
//! It is decided and charged as ever. What would have been refused is answered as granted, charges nothing and is noted
//! in [`Notes::shadow`](crate::limit::call::Notes::shadow). The rest of such a reply stays that of the refusal, so that
//! a caller can tell: nothing remains, and yet it was granted.

use crate::limit::bounds::Bounds;
use crate::limit::call::{Acquire, Mode, Verdict};
use crate::limit::gcra;
use crate::limit::state::State;
use crate::policy::definition::Found;
use crate::time::{Millis, Nanos};

/// The decision on a call, whose limits are spelled out or a policy's.
#[inline(always)]
pub fn decide(
    policy: Option<Found>,
    call: &mut Acquire,
    state: &mut State,
    now: Nanos,
    bounds: &Bounds,
) -> Verdict {
    match policy {
        Some(Found { shadow: true, .. }) => acquire(call, state, now, bounds),
        _ => gcra::acquire(call, state, now, bounds),
    }
}

/// As [`gcra::acquire`], for a policy in shadow. `MAXWAIT` acts as 0: nobody is told to sleep.
#[cold]
#[inline(never)]
pub fn acquire(call: &mut Acquire, state: &mut State, now: Nanos, bounds: &Bounds) -> Verdict {
    if matches!(call.mode, Mode::Wait(_)) {
        call.mode = Mode::Wait(Millis::ZERO);
    }
    let mut verdict = gcra::acquire(call, state, now, bounds);
    if verdict.reply.granted > 0 {
        return verdict;
    }
    verdict.reply.granted = match call.mode {
        // All that is not 0 is equal, and below 2^63.
        Mode::Partial => call.clauses.iter().map(|clause| clause.cost).max().unwrap_or(1) as i64,
        _ => 1,
    };
    verdict.reply.wait_ms = 0;
    if matches!(call.mode, Mode::Wait(_)) {
        verdict.act_us = i64::try_from(now.0.div_ceil(1_000)).unwrap_or(i64::MAX);
    }
    verdict.notes.shadow = true;
    verdict.notes.held = false; // of those that are refused
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::ratelimit::parse_acquire;
    use crate::limit::call::Change;

    const NOW: Nanos = Nanos(1_900_000_000_000_000_001);

    fn answer(words: &str, state: &mut State) -> Verdict {
        let mut call = parse_acquire(words.split(' ').map(str::as_bytes)).unwrap();
        let ms = |ms| Millis::new(ms).unwrap();
        acquire(&mut call, state, NOW, &Bounds { max_wait: ms(60_000), max_debt: ms(3_600_000) })
    }

    #[test]
    fn what_would_be_refused_is_granted_at_once_and_charges_nothing() {
        for (words, granted, act_us) in [
            ("LIMIT 1 EX 10", 1, 0),
            ("LIMIT 1 EX 10 COST 5", 1, 0),
            ("LIMIT 1 EX 10 PARTIAL", 1, 0),
            ("LIMIT 1 EX 10 COST 7 PARTIAL", 7, 0),
            ("LIMIT 1 EX 10 MAXWAIT 60000", 1, 1_900_000_000_000_001),
        ] {
            let mut state = State::new();
            assert!(!answer("LIMIT 1 EX 10", &mut state).notes.shadow);
            let before = state.clone();
            let verdict = answer(words, &mut state);
            assert_eq!(
                (verdict.reply.granted, verdict.reply.wait_ms, verdict.act_us),
                (granted, 0, act_us),
                "{words}"
            );
            assert!(verdict.notes.shadow && verdict.change == Change::Keep, "{words}");
            assert_eq!(state, before, "{words}");
        }
    }

    #[test]
    fn what_is_granted_anyway_is_as_ever() {
        let mut state = State::new();
        assert_eq!(answer("LIMIT 9 EX 10 COST 5 PARTIAL", &mut state).reply.granted, 5);
        let rest = answer("LIMIT 9 EX 10 COST 5 PARTIAL", &mut state);
        assert_eq!((rest.reply.granted, rest.notes.shadow), (4, false), "a part is no refusal");
        let forced = answer("LIMIT 9 EX 10 COST 5 FORCE", &mut state);
        assert_eq!((forced.reply.granted, forced.notes.shadow), (1, false));
        assert!(forced.reply.wait_ms > 0);
    }
}
