//! Looking at what a key stores.

use arrayvec::ArrayVec;

use super::bounds::Bounds;
use super::call::MAX_CLAUSES;
use super::quota::Quota;
use super::state::State;
use crate::time::{NS_PER_MS, Nanos};

/// Where a limit stands at one instant, as `RATELIMIT.INFO` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub quota: Quota,
    /// Whole tokens that could be taken now.
    pub remaining: u64,
    /// Until there is one token more, in ms rounded up; 0 when full.
    pub next_ms: i64,
    /// Until the limit is full again, in ms rounded up; 0 when full.
    pub reset_ms: i64,
    /// Its place, from 0, if some place of the key holds several limits.
    pub place: Option<u8>,
}

/// Where every limit of a key stands, and its hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The limits, by place.
    pub standings: ArrayVec<Standing, MAX_CLAUSES>,
    /// For how long the key is held, in ms rounded up; 0: not held.
    pub held_ms: i64,
}

/// Where a key stands; `None` when all is full and nothing held, as if the key were not there.
pub fn look(mut state: State, now: Nanos, bounds: &Bounds) -> Option<Look> {
    if state.is_idle(now) {
        return None;
    }
    state.cut(now, bounds);
    let key_time = state.hold.key_time(now);
    let held_ns = key_time.0 - now.0;
    let shared = (0..state.meters.len()).any(|place| state.count_at(place as u8) > 1);
    let standings = state.meters.iter().take(MAX_CLAUSES).map(|meter| {
        let remaining = if held_ns > 0 { 0 } else { meter.remaining(key_time) };
        let is_full = remaining == meter.quota().burst();
        let next = meter.wait(key_time, if is_full { 0 } else { remaining + 1 });
        Standing {
            quota: *meter.quota(),
            remaining,
            next_ms: next.plus_ns(held_ns).ceil_ms(),
            reset_ms: meter.reset(key_time).plus_ns(held_ns).ceil_ms(),
            place: shared.then_some(meter.place),
        }
    });
    Some(Look { standings: standings.collect(), held_ms: held_ns.div_ceil(NS_PER_MS) as i64 })
}
