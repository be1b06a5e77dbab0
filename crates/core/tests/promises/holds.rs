//! Nobody acts while a key is held, and whoever was told a turn before that and asks TURN when it is
//! due keeps every promise behind the hold.

use proptest::prelude::*;
use sluice_core::limit::call::Mode;
use sluice_core::limit::quota::Kind;
use sluice_core::time::{MAX_MS, Millis, NS_PER_MS, Nanos};

use crate::cases::{self, config};
use crate::key::Key;
use crate::limits::any_limit;
use crate::story::{alone, together};
use crate::town::{Rules, beyond, town};

const HELD: Rules =
    Rules { windows: true, one_place: true, liberties: false, reserves: true, give_ups: false, holds: true };

proptest! {
    #![proptest_config(config(cases::HOLDS))]

    #[test]
    fn nobody_is_let_through_while_a_key_is_held(story in together(any_limit, 8), ms in 1..100_000u64, part in 0..100u64) {
        let mut key = Key::new(story.bounds);
        let (call, now) = story.up_to_a_question(&mut key);
        let held = key.hold(Millis::new(ms).unwrap(), now);
        prop_assert!(held.held_ms >= ms as i64);
        let at = Nanos(now.0 + ms * NS_PER_MS / 100 * part);
        let rest_ns = now.0.div_ceil(NS_PER_MS) * NS_PER_MS + ms * NS_PER_MS - at.0;
        let reply = key.acquire(&call, at).reply;
        prop_assert_eq!(reply.remaining, 0);
        match call.mode {
            Mode::Force => prop_assert_eq!(reply.granted, 1),
            Mode::Wait(_) if reply.granted == 1 => {}
            _ => prop_assert_eq!(reply.granted, 0),
        }
        prop_assert!(reply.wait_ms == -1 || reply.wait_ms as u64 >= rest_ns.div_ceil(NS_PER_MS));
        prop_assert!(key.turn(Millis::ZERO, at) as u64 >= rest_ns.div_ceil(NS_PER_MS));
    }

    /// A hold that is ended at once leaves what was used as it was, but for what is rounded up to ms.
    #[test]
    fn a_hold_that_ends_at_once_uses_nothing(story in alone(any_limit, 8), ms in 1..1_000_000u64) {
        let story = story.with_all_clauses();
        let mut key = Key::new(story.bounds);
        let (call, now) = story.up_to_a_question(&mut key);
        let now = Nanos(now.0 / NS_PER_MS * NS_PER_MS);
        key.state(now);
        if key.look(now).is_none_or(|look| look.held_ms > 0) {
            return Ok(());
        }
        let state = key.state(now);
        let is_aligned = |kind: Kind| matches!(kind, Kind::Align(_));
        if !state.hold.is_nothing() || state.meters.iter().any(|meter| is_aligned(meter.quota().kind())) {
            return Ok(());
        }
        let before = key.peek(&call, now).reply;
        key.hold(Millis::new(ms).unwrap(), now);
        prop_assert_eq!(key.release(now).held_ms, 0);
        prop_assert_eq!(key.peek(&call, now).reply, before);
        prop_assert_eq!(key.turn(Millis::new(MAX_MS).unwrap(), now), 0);
    }

    #[test]
    fn turns_move_behind_a_hold_and_keep_every_limit(town in town(HELD)) {
        let acts = town.acts();
        for limit in town.known.iter().filter(|limit| !matches!(limit.kind(), Kind::Align(_))) {
            let named = acts.iter().filter_map(|act| Some((act.at_us, act.of(*limit)?))).collect();
            prop_assert_eq!(beyond(*limit, named, 1), None, "{:?}", limit);
        }
    }
}
