//! What the server decided about a call.

use std::time::Duration;

use crate::limits::Limits;

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

    /// The same decision when a granted wait is over, `time` after the answer.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limit;

    /// Granted at once.
    fn granted(remaining: u64, burst: u64, reset_ms: u64) -> Decision {
        Decision::Granted {
            wait: Duration::ZERO,
            remaining,
            burst,
            reset: Duration::from_millis(reset_ms),
            index: 0,
        }
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
            let decision = granted(remaining, 4, reset_ms);
            assert_eq!(decision.seconds_to_next_token(&limits), Some(t), "{remaining} of 4");
        }
        let thirds = Limits::one(Limit::per_second(3));
        let decision = granted(0, 3, 1000);
        assert_eq!(decision.seconds_to_next_token(&thirds), Some(1));
        assert_eq!(Decision::Unchecked.seconds_to_next_token(&thirds), None);
    }
}
