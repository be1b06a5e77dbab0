//! What the server decided about a call.

use std::time::{Duration, SystemTime};

use crate::limit::LimitKind;
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
    /// Go ahead, after `wait`. The tokens are taken already. Of a reservation, `act_at` is when that is
    /// by the server's clock: it names the turn to whoever gives it up.
    #[allow(missing_docs, reason = "see the type")]
    Granted {
        wait: Duration,
        act_at: Option<SystemTime>,
        remaining: u64,
        burst: u64,
        reset: Duration,
        index: usize,
    },
    /// Charged by force. What is `owed` afterwards is the time until there is no debt any more.
    #[allow(missing_docs, reason = "see the type")]
    Forced { owed: Duration, remaining: u64, burst: u64, reset: Duration, index: usize },
    /// Refused; nothing was taken. `retry_after` is the earliest time at which the same call can be granted:
    /// from [`Limiter::acquire`](crate::Limiter::acquire), when there is room in the queue. The reply to a
    /// bare reservation (`RATELIMIT.ACQUIRE ... MAXWAIT`) tells instead when a call would pass at once: there
    /// subtract the longest wait that was asked for.
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

    /// When the turn of a reservation comes, by the server's clock: what
    /// [`ratelimit_give_up_at`](crate::command::ratelimit_give_up_at) wants to know. `None` for whatever
    /// is no reservation, and of a server that does not tell.
    pub const fn act_at(&self) -> Option<SystemTime> {
        match self {
            Self::Granted { act_at, .. } => *act_at,
            _ => None,
        }
    }

    /// After a call with force: how long until what it took beyond the limit has come back, and the
    /// limit is empty but owes nothing. Zero if it took no more than there was, or was no such call.
    pub const fn owed(&self) -> Duration {
        match self {
            Self::Forced { owed, .. } => *owed,
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
    /// Of a rate it is `ceil((reset_ms - (burst - remaining - 1) * period_ms / count) / 1000)`, but not
    /// before a refused call of cost 1 can be granted (a held key has no tokens, however full it is). Of
    /// a window, strict or aligned, it is until all tokens are back: an upper bound, because a reply does
    /// not tell of each.
    pub fn seconds_to_next_token(&self, limits: &Limits) -> Option<u64> {
        let (remaining, burst, reset, index) = self.standing()?;
        let limit = limits.as_slice().get(index)?;
        let Some(others) = burst.checked_sub(remaining).and_then(|missing| missing.checked_sub(1)) else {
            return Some(0);
        };
        // times count, so that nothing is rounded before the end; below 2^127 by the bounds of a limit
        let count = u128::from(limit.count());
        let until_full = reset.as_millis().saturating_mul(count);
        let until_next = match limit.kind() {
            LimitKind::Rate => until_full.saturating_sub(u128::from(others) * limit.period().as_millis()),
            LimitKind::Strict | LimitKind::Aligned { .. } => until_full,
        };
        let seconds = u64::try_from(until_next.div_ceil(count * 1000)).ok()?;
        match self.retry_after_seconds() {
            Some(retry) if remaining == 0 && limit.tokens() == 1 => Some(seconds.max(retry)),
            _ => Some(seconds),
        }
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

    /// A refusal of a reservation, to those who would wait for so long: what the server tells is when a call
    /// would pass at once, and a reservation would be granted that much sooner.
    #[cfg(feature = "tokio")]
    pub(crate) fn to_those_who_wait(mut self, max_wait: Duration) -> Self {
        if let Self::Denied { retry_after, .. } = &mut self {
            *retry_after = retry_after.saturating_sub(max_wait);
        }
        self
    }

    /// What was a refusal, now that there is a turn all the same.
    #[cfg(feature = "tokio")]
    pub(crate) fn with_a_turn(self, wait: Duration, act_at: Option<SystemTime>) -> Self {
        match self {
            Self::Denied { remaining, burst, reset, index, .. } => {
                Self::Granted { wait, act_at, remaining, burst, reset, index }
            }
            other => other,
        }
    }

    /// What was granted is used up by others: a refusal until that time.
    #[cfg(feature = "tokio")]
    pub(crate) fn denied(self, retry_after: Duration) -> Self {
        match self {
            Self::Granted { remaining, burst, reset, index, .. }
            | Self::Denied { remaining, burst, reset, index, .. } => {
                Self::Denied { retry_after, remaining, burst, reset, index }
            }
            other => other,
        }
    }

    /// The same decision when a granted wait is over, `time` after the answer. The turn that was used may be that of
    /// somebody who gave up: what was granted first is another's by now.
    #[cfg(feature = "tokio")]
    pub(crate) fn acted(self, time: Duration, used: Option<SystemTime>) -> Self {
        let mut decision = self.later(time);
        if let Self::Granted { wait, act_at, .. } = &mut decision {
            (*wait, *act_at) = (Duration::ZERO, used);
        }
        decision
    }

    /// The same decision seen `time` later, when as much of every time in it has passed.
    #[cfg(feature = "tokio")]
    pub(crate) fn later(mut self, time: Duration) -> Self {
        match &mut self {
            Self::Granted { wait: left, reset, .. }
            | Self::Denied { retry_after: left, reset, .. }
            | Self::Forced { owed: left, reset, .. } => {
                *left = left.saturating_sub(time);
                *reset = reset.saturating_sub(time);
            }
            Self::Never { reset, .. } => *reset = reset.saturating_sub(time),
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
            act_at: None,
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

    #[test]
    fn of_a_window_the_header_says_by_when_all_tokens_are_back() {
        for limit in [Limit::per_minute(4).strict(), Limit::per_minute(4).aligned(Duration::ZERO)] {
            let limits = Limits::one(limit);
            for (remaining, reset_ms, t) in [(4, 0, 0), (3, 15_001, 16), (1, 45_000, 45), (0, 60_000, 60)] {
                let decision = granted(remaining, 4, reset_ms);
                assert_eq!(decision.seconds_to_next_token(&limits), Some(t), "{remaining} of 4");
            }
        }
    }

    #[test]
    fn a_held_key_has_no_token_before_the_hold_is_over() {
        let second = Duration::from_secs(1);
        let held = |limit: Limit| {
            let (remaining, reset) = (0, 60 * second);
            let decision =
                Decision::Denied { retry_after: reset, remaining, burst: limit.capacity(), reset, index: 0 };
            decision.seconds_to_next_token(&Limits::one(limit))
        };
        assert_eq!(held(Limit::per_hour(1000)), Some(60), "although the bucket behind the hold is full");
        assert_eq!(held(Limit::per_hour(1000).strict()), Some(60));
    }
}
