//! No input whatever overflows, panics, or makes a reply leave its range: any state that can be
//! stored, at any instant, under any limits and costs that the grammar lets through.

use proptest::prelude::*;
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::bucket::MAX_TAT;
use sluice_core::limit::call::{Acquire, Change, Clause, Clauses, GiveBack, MAX_CLAUSES, Mode, Why};
use sluice_core::limit::codec;
use sluice_core::limit::expiry::{Expiry, expiry};
use sluice_core::limit::gcra::acquire;
use sluice_core::limit::give_back::give_back;
use sluice_core::limit::holding::{hold, release, turn_ms};
use sluice_core::limit::look::look;
use sluice_core::limit::quota::Quota;
use sluice_core::limit::state::State;
use sluice_core::time::{MAX_MS, Millis, Nanos};

use crate::cases::{self, config};
use crate::key::text;
use crate::limits::any_limit;
use crate::states::states;
use crate::story::{cost, is_in_range, same_cost};

proptest! {
    #![proptest_config(config(cases::BOUNDS))]

    #[test]
    fn no_acquire_overflows(
        stored in states(),
        clauses in clauses(),
        mode in mode(),
        now in instant(),
        bounds in bounds(),
    ) {
        let mut call = Acquire { clauses: in_part(&stored, clauses), mode };
        if let (Mode::Partial, Some(cost)) = (mode, call.clauses.iter().map(|clause| clause.cost).max()) {
            same_cost(&mut call.clauses, cost);
        }
        let mut after = stored.clone();
        let verdict = acquire(&call, &mut after, now, &bounds);
        let reply = verdict.reply;
        prop_assert!(is_in_range(&reply, &call.clauses), "{:?}", reply);
        let costs = call.clauses.iter().any(|clause| clause.cost > 0);
        match mode {
            Mode::Wait(limit) if reply.granted > 0 && costs => {
                prop_assert!(reply.wait_ms <= limit.get() as i64);
                prop_assert!(verdict.act_us >= now.0.div_ceil(1000) as i64);
            }
            Mode::Partial => prop_assert!(reply.granted <= call.clauses[reply.index as usize].cost.max(1) as i64),
            Mode::Force if costs => prop_assert_eq!(reply.granted, 1),
            _ => {}
        }
        is_storable(verdict.change, &after)?;
        // Where only a limit that nobody has named for long was used, a refusal may leave nothing; and so may anything
        // beyond the year 2262, after which no state can say that it is used.
        let at_the_end_of_time = now.0 >= i64::MAX as u64;
        let took_something = reply.granted > 0 && costs;
        let leaves_nothing = after.is_idle(now) && (!took_something || at_the_end_of_time);
        prop_assert!(verdict.change != Change::Delete || leaves_nothing);
        expires_later(&after, now)?;
    }

    #[test]
    fn no_return_overflows(
        stored in states(),
        clauses in clauses(),
        why in why(),
        now in instant(),
        bounds in bounds(),
    ) {
        let mut call = GiveBack { clauses: in_part(&stored, clauses), why };
        call.clauses[0].cost = call.clauses[0].cost.max(1);
        let mut after = stored.clone();
        let verdict = give_back(&call, &mut after, now, &bounds);
        prop_assert!(is_in_range(&verdict.reply, &call.clauses), "{:?}", verdict.reply);
        prop_assert_eq!(verdict.reply.granted == 0, verdict.change == Change::Keep);
        is_storable(verdict.change, &after)?;
    }

    #[test]
    fn no_look_overflows(stored in states(), now in instant(), told in millis(), bounds in bounds()) {
        let seen = look(stored.clone(), now, &bounds);
        prop_assert_eq!(seen.is_none(), stored.is_idle(now));
        for standing in seen.iter().flat_map(|look| &look.standings) {
            prop_assert!(standing.remaining <= standing.quota.burst());
            prop_assert!((0..=standing.reset_ms).contains(&standing.next_ms));
            prop_assert_eq!(standing.next_ms == 0, standing.reset_ms == 0);
        }
        prop_assert!(seen.is_none_or(|look| look.held_ms >= 0));
        prop_assert!(turn_ms(&stored, now, told) >= 0);
        expires_later(&stored, now)?;
    }

    #[test]
    fn no_hold_overflows(stored in states(), now in instant(), time in 1..=MAX_MS, bounds in bounds()) {
        let mut after = stored.clone();
        let held = hold(&mut after, now, Millis::new(time).unwrap(), &bounds);
        prop_assert!(held.held_ms >= 0);
        is_storable(held.change, &after)?;
        let mut off = after.clone();
        let released = release(&mut off, now, &bounds);
        prop_assert_eq!(released.held_ms, 0);
        is_storable(released.change, &off)?;
        let mut off = stored;
        is_storable(release(&mut off, now, &bounds).change, &off)?;
    }
}

/// Whatever is to be stored reads back as it is.
fn is_storable(change: Change, after: &State) -> Result<(), TestCaseError> {
    if matches!(change, Change::Write | Change::WriteTimes) {
        let stored = text(after);
        let read = codec::decode(stored.as_bytes());
        prop_assert_eq!(read.map(|read| text(&read)), Some(stored));
    }
    Ok(())
}

fn expires_later(state: &State, now: Nanos) -> Result<(), TestCaseError> {
    for expires_ms in [None, Some(0), Some(now.as_millis() + 1500), Some(u64::MAX)] {
        if let Expiry::At(ms) = expiry(state, now, expires_ms) {
            prop_assert!(ms >= now.as_millis() + 2000);
        }
    }
    Ok(())
}

/// Some of the clauses have the limits that are stored.
fn in_part(stored: &State, clauses: Vec<(Clause, bool)>) -> Clauses {
    let mut call: Clauses = clauses.iter().map(|(clause, _)| *clause).collect();
    for (i, meter) in stored.meters.iter().enumerate().take(call.len()) {
        if clauses[i].1 {
            call[i].quota = *meter.quota();
        }
    }
    call
}

fn clauses() -> impl Strategy<Value = Vec<(Clause, bool)>> {
    let clause =
        (any_limit(), cost()).prop_map(|(quota, cost): (Quota, _)| Clause { quota, cost: cost.of(quota) });
    prop::collection::vec((clause, any::<bool>()), 1..=MAX_CLAUSES)
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::Plain), Just(Mode::Partial), Just(Mode::Force), millis().prop_map(Mode::Wait)]
}

fn why() -> impl Strategy<Value = Why> {
    let act = prop_oneof![Just(0), Just(i64::MAX as u64), 1_795_640_000_000_000..1_795_640_300_000_000u64];
    prop_oneof![Just(Why::Refund), millis().prop_map(Why::DueIn), act.prop_map(Why::ActAt)]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (millis(), millis()).prop_map(|(max_wait, max_debt)| Bounds { max_wait, max_debt })
}

fn millis() -> impl Strategy<Value = Millis> {
    prop_oneof![Just(0), Just(MAX_MS), Just(60_000), 0..=MAX_MS].prop_map(|ms| Millis::new(ms).unwrap())
}

/// The server's clock is in us since 1970; nothing says that it is right.
fn instant() -> impl Strategy<Value = Nanos> {
    let year_2026 = 1_795_640_112_345_678_900..1_795_640_112_545_678_900u64;
    prop_oneof![4 => year_2026, 1 => any::<u64>(), 1 => Just(0), 1 => Just(u64::MAX), 1 => Just(MAX_TAT)]
        .prop_map(Nanos)
}
