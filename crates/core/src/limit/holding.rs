//! Holding a key, and asking whether a turn still stands.

use super::bounds::Bounds;
use super::call::Change;
use super::places;
use super::state::State;
use crate::time::{Millis, NS_PER_MS, Nanos};

/// What came of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// For how long the key is held now, in ms rounded up.
    pub held_ms: i64,
    /// What is to become of the state.
    pub change: Change,
    /// See [`super::call::Notes::repaired`].
    pub repaired: bool,
    /// See [`super::call::Notes::forgotten`].
    pub forgotten: u32,
}

/// Holds the key for this long from now, or for longer if it is held for longer already. Turns that
/// were given move behind the end, and so does all that is used.
pub fn hold(state: &mut State, now: Nanos, time: Millis, bounds: &Bounds) -> Held {
    let repaired = state.cut(now, bounds);
    let before = state.hold.key_time(now);
    let later_ms = state.hold.extend(now, time);
    if later_ms > 0 {
        for meter in state.meters.iter_mut() {
            meter.shift(before, later_ms as i64);
        }
    }
    write(state, now, bounds, repaired, later_ms > 0)
}

/// Ends a hold. Turns that had moved behind it move forward by what was left of it.
pub fn release(state: &mut State, now: Nanos, bounds: &Bounds) -> Held {
    let repaired = state.cut(now, bounds);
    let before = state.hold.key_time(now);
    let held = state.hold.holds(now);
    let sooner_ms = state.hold.end(now);
    if sooner_ms > 0 {
        for meter in state.meters.iter_mut() {
            meter.shift(before, -(sooner_ms as i64));
        }
    }
    write(state, now, bounds, repaired, held)
}

/// How much longer somebody has to sleep whose turn is due now, as it was told `told` ago; in ms.
pub fn turn_ms(state: &State, now: Nanos, told: Millis) -> i64 {
    let mut hold = state.hold.clone();
    hold.cut(now);
    hold.turn_ms(now, told)
}

fn write(state: &mut State, now: Nanos, bounds: &Bounds, repaired: bool, changed: bool) -> Held {
    let key_time = state.hold.key_time(now);
    let held_ms = (key_time.0 - now.0).div_ceil(NS_PER_MS) as i64;
    let mut forgotten = 0;
    let change = if !(changed || repaired) {
        Change::Keep
    } else if state.is_idle(now) {
        Change::Delete
    } else {
        state.meters.iter_mut().for_each(|meter| meter.clause = None);
        forgotten = places::tidy(state, key_time);
        state.settle(now, bounds);
        state.to_be_stored(now)
    };
    Held { held_ms, change, repaired, forgotten }
}
