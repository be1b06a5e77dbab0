//! What the server decided about a call.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value};
use sluice_core::limit::call::{NEVER, Reply};

use crate::Limits;

/// What became of a call. Being limited is a value, not an error.
///
/// `remaining`, `burst`, `reset` and `index` are those of the limit that decided: the whole tokens
/// left in it after the call, its capacity, the time until it is full again, and its place in the
/// [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a decision that nobody looks at limits nothing"]
#[non_exhaustive]
pub enum Decision {
    /// Go ahead, after `wait`. The tokens are taken already.
    #[allow(missing_docs, reason = "see the type")]
    Granted { wait: Duration, remaining: u64, burst: u64, reset: Duration, index: usize },
    /// Charged by force. Without force it would have had to wait for `over`.
    #[allow(missing_docs, reason = "see the type")]
    Forced { over: Duration, remaining: u64, burst: u64, reset: Duration, index: usize },
    /// Refused; nothing was taken. `retry_after` is the earliest time at which it can be granted.
    #[allow(missing_docs, reason = "see the type")]
    Denied { retry_after: Duration, remaining: u64, burst: u64, reset: Duration, index: usize },
    /// Refused for good: the cost is above the burst of the limit at `index`.
    #[allow(missing_docs, reason = "see the type")]
    Never { remaining: u64, burst: u64, reset: Duration, index: usize },
    /// Nobody decided: the server could not be reached, and the caller chose
    /// [`Outage::Open`](crate::Outage::Open).
    Unchecked,
}

impl Decision {
    /// Whether the caller may go ahead (after the wait, if there is one).
    pub const fn is_granted(&self) -> bool {
        matches!(self, Self::Granted { .. } | Self::Forced { .. } | Self::Unchecked)
    }

    /// How long to sleep before going ahead; zero unless it was a reservation.
    pub const fn wait(&self) -> Duration {
        match self {
            Self::Granted { wait, .. } => *wait,
            _ => Duration::ZERO,
        }
    }

    /// When to try again, if it was refused but not for good. HTTP's `Retry-After` is this in
    /// seconds, rounded up: [`Self::retry_after_seconds`].
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Denied { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    /// The value of HTTP's `Retry-After`; `None` where that header has to be left out.
    pub const fn retry_after_seconds(&self) -> Option<u64> {
        match self.retry_after() {
            Some(time) => Some(time.as_millis().div_ceil(1000) as u64),
            None => None,
        }
    }

    /// Whole tokens left in the limit that decided.
    pub const fn remaining(&self) -> Option<u64> {
        match self.standing() {
            Some((remaining, ..)) => Some(remaining),
            None => None,
        }
    }

    /// The place of the limit that decided in the [`Limits`] of the call.
    pub const fn index(&self) -> Option<usize> {
        match self.standing() {
            Some((_, _, _, index)) => Some(index),
            None => None,
        }
    }

    /// The `t` of the IETF draft's `RateLimit` header: seconds until there is one token more in the
    /// limit that decided, rounded up; 0 when it is full. `limits` are those of the call.
    ///
    /// `ceil((reset_ms - (burst - remaining - 1) * period_ms / count) / 1000)`
    pub fn seconds_to_next_token(&self, limits: &Limits) -> Option<u64> {
        let (remaining, burst, reset, index) = self.standing()?;
        let limit = limits.as_slice().get(index)?;
        let Some(others) = burst.checked_sub(remaining).and_then(|missing| missing.checked_sub(1)) else {
            return Some(0);
        };
        // times count, so that nothing is rounded before the end; below 2^127 by the bounds of a limit
        let count = u128::from(limit.count());
        let until_full = reset.as_millis().saturating_mul(count);
        let until_next = until_full.saturating_sub(u128::from(others) * limit.period().as_millis());
        u64::try_from(until_next.div_ceil(count * 1000)).ok()
    }

    const fn standing(&self) -> Option<(u64, u64, Duration, usize)> {
        match *self {
            Self::Granted { remaining, burst, reset, index, .. }
            | Self::Forced { remaining, burst, reset, index, .. }
            | Self::Denied { remaining, burst, reset, index, .. }
            | Self::Never { remaining, burst, reset, index } => Some((remaining, burst, reset, index)),
            Self::Unchecked => None,
        }
    }

    /// A granted wait that is over, `time` after the answer.
    #[cfg(feature = "tokio")]
    pub(crate) fn acted(self, time: Duration) -> Self {
        let mut decision = self.later(time);
        if let Self::Granted { wait, .. } = &mut decision {
            *wait = Duration::ZERO;
        }
        decision
    }

    /// The same decision seen `time` later, when as much of every time in it has passed.
    #[cfg(feature = "tokio")]
    pub(crate) fn later(mut self, time: Duration) -> Self {
        match &mut self {
            Self::Granted { wait: left, reset, .. } | Self::Denied { retry_after: left, reset, .. } => {
                *left = left.saturating_sub(time);
                *reset = reset.saturating_sub(time);
            }
            Self::Forced { reset, .. } | Self::Never { reset, .. } => *reset = reset.saturating_sub(time),
            Self::Unchecked => {}
        }
        self
    }
}

/// The six integers that a RATELIMIT command answers, as they come out of a pipeline.
///
/// What `wait_ms` means depends on what was asked, so the caller says: [`Self::decision`] for all
/// but [`Self::forced`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a reply that nobody looks at limits nothing"]
pub struct LimitReply(pub(crate) Reply);

impl LimitReply {
    /// The answer to a plain call, a reservation, a peek or a part.
    pub fn decision(&self) -> Decision {
        let Reply { granted, wait_ms, .. } = self.0;
        let (remaining, burst, reset, index) = self.standing();
        match (granted, wait_ms) {
            (1.., _) => Decision::Granted { wait: ms(wait_ms), remaining, burst, reset, index },
            (_, NEVER) => Decision::Never { remaining, burst, reset, index },
            _ => Decision::Denied { retry_after: ms(wait_ms), remaining, burst, reset, index },
        }
    }

    /// The answer to a call with force.
    pub fn forced(&self) -> Decision {
        let (remaining, burst, reset, index) = self.standing();
        Decision::Forced { over: ms(self.0.wait_ms), remaining, burst, reset, index }
    }

    /// How many tokens were taken by a call for a part; for others 1 or 0. After giving tokens back:
    /// 1 if any were.
    pub fn granted(&self) -> u64 {
        u64::try_from(self.0.granted).unwrap_or(0)
    }

    fn standing(&self) -> (u64, u64, Duration, usize) {
        let Reply { remaining, burst, reset_ms, index, .. } = self.0;
        let natural = |n: i64| u64::try_from(n).unwrap_or(0);
        (natural(remaining), natural(burst), ms(reset_ms), usize::try_from(index).unwrap_or(0))
    }
}

impl FromRedisValue for LimitReply {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let [granted, wait_ms, remaining, burst, reset_ms, index] = integers(&value)?;
        Ok(Self(Reply { granted, wait_ms, remaining, burst, reset_ms, index }))
    }
}

/// An array of exactly `N` integers.
pub(crate) fn integers<const N: usize>(value: &Value) -> Result<[i64; N], ParsingError> {
    let wrong = || ParsingError::from(format!("expected {N} integers, got {value:?}"));
    let Value::Array(items) = value else { return Err(wrong()) };
    let numbers: Option<Vec<i64>> =
        items.iter().map(|item| if let Value::Int(n) = item { Some(*n) } else { None }).collect();
    numbers.and_then(|numbers| numbers.try_into().ok()).ok_or_else(wrong)
}

pub(crate) fn ms(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limit;

    fn reply(numbers: [i64; 6]) -> LimitReply {
        let array = Value::Array(numbers.into_iter().map(Value::Int).collect());
        LimitReply::from_redis_value(array).unwrap()
    }

    #[test]
    fn a_reply_becomes_the_decision_that_it_states() {
        let second = Duration::from_secs(1);
        assert_eq!(
            reply([1, 0, 3, 5, 1000, 1]).decision(),
            Decision::Granted { wait: Duration::ZERO, remaining: 3, burst: 5, reset: second, index: 1 }
        );
        let denied = reply([0, 1001, 0, 5, 1000, 0]).decision();
        assert_eq!(denied.retry_after_seconds(), Some(2));
        let never = reply([0, -1, 5, 5, 0, 0]).decision();
        assert_eq!(never, Decision::Never { remaining: 5, burst: 5, reset: Duration::ZERO, index: 0 });
        assert_eq!(never.retry_after_seconds(), None);
        assert!(
            matches!(reply([1, 1000, 0, 5, 0, 0]).forced(), Decision::Forced { over, .. } if over == second)
        );
        assert!(LimitReply::from_redis_value(Value::Array(vec![Value::Int(1)])).is_err());
        assert!(LimitReply::from_redis_value(Value::Okay).is_err());
    }

    #[test]
    fn the_header_counts_to_the_next_token_and_not_to_the_last() {
        let limits = Limits::one(Limit::per_minute(4));
        for (remaining, reset_ms, t) in [
            (4, 0, 0),       // full
            (3, 15_000, 15), // one is missing
            (3, 1, 1),
            (1, 45_000, 15), // three are missing, the next comes as soon
            (0, 60_000, 15),
            (0, 90_000, 45), // in debt
        ] {
            let decision = reply([1, 0, remaining, 4, reset_ms, 0]).decision();
            assert_eq!(decision.seconds_to_next_token(&limits), Some(t), "{remaining} of 4");
        }
        let thirds = Limits::one(Limit::per_second(3));
        let decision = reply([1, 0, 0, 3, 1000, 0]).decision();
        assert_eq!(decision.seconds_to_next_token(&thirds), Some(1));
        assert_eq!(Decision::Unchecked.seconds_to_next_token(&thirds), None);
    }
}
