//! When a key may go.
//!
//! Not as soon as it means nothing: a well-behaved caller's limit is full again at nearly every
//! call, and its key would be deleted and made anew each time. So a key lives a little longer than
//! it must, and its expiry is left alone as long as it fits.

use super::state::State;
use crate::time::Nanos;

/// The expiry of a key that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// The one that it has.
    Kept,
    /// This one, in unix ms.
    At(u64),
}

/// The least time that a key lives after a write, and the least slack, in ms.
const LEAST_MS: u64 = 1_000;

/// The most slack, in ms.
const MOST_MS: u64 = 60_000;

/// The expiry of a state that is to be written, in a key that expires at `expires_ms`, if it is
/// there and does.
///
/// ```text
/// need  = max(latest full time, hold end, now + 1 s)
/// slack = clamp((need - now) / 4, 1 s, 60 s)
/// it stays if need <= it <= need + slack; else it becomes need + slack
/// ```
#[inline(always)]
pub fn expiry(state: &State, now: Nanos, expires_ms: Option<u64>) -> Expiry {
    let now_ms = now.as_millis();
    let latest_ms = state.meters.iter().map(|meter| meter.end_ms()).fold(state.hold.until_ms(), u64::max);
    let need_ms = latest_ms.max(now_ms + LEAST_MS);
    let slack_ms = ((need_ms - now_ms) / 4).clamp(LEAST_MS, MOST_MS);
    match expires_ms {
        Some(it) if (need_ms..=need_ms + slack_ms).contains(&it) => Expiry::Kept,
        _ => Expiry::At(need_ms + slack_ms),
    }
}
