//! What RATELIMIT.ACQUIRE, RATELIMIT.PEEK and RATELIMIT.RETURN answer.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value};
#[cfg(feature = "tokio")]
use sluice_core::limit::call::Verdict;
use sluice_core::limit::call::{NEVER, Reply};

use crate::decision::Decision;
use crate::wire::{duration, instant, integers_and_more};

/// The integers that a RATELIMIT command answers, as they come out of a pipeline: six, and for a
/// reservation a seventh, the instant of the act.
///
/// What `wait_ms` means depends on what was asked, so the caller says: [`Self::decision`] for all
/// but [`Self::forced`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a reply that nobody looks at limits nothing"]
pub struct LimitReply {
    reply: Reply,
    /// In unix us; 0 where there is none.
    act_us: i64,
}

impl LimitReply {
    /// What the module's own code answers in this process.
    #[cfg(feature = "tokio")]
    pub(crate) const fn of(verdict: &Verdict) -> Self {
        Self { reply: verdict.reply, act_us: verdict.act_us }
    }

    /// The answer to a plain call, a reservation, a peek or a part.
    pub fn decision(&self) -> Decision {
        let Reply { granted, wait_ms, .. } = self.reply;
        let (remaining, burst, reset, index) = self.standing();
        match (granted, wait_ms) {
            (1.., _) => {
                let (wait, act_at) = (duration(wait_ms), instant(self.act_us));
                Decision::Granted { wait, act_at, remaining, burst, reset, index }
            }
            (_, NEVER) => Decision::Never { remaining, burst, reset, index },
            _ => Decision::Denied { retry_after: duration(wait_ms), remaining, burst, reset, index },
        }
    }

    /// The answer to a call with force.
    pub fn forced(&self) -> Decision {
        let (remaining, burst, reset, index) = self.standing();
        Decision::Forced { owed: duration(self.reply.wait_ms), remaining, burst, reset, index }
    }

    /// How many tokens were taken by a call for a part; for others 1 or 0. After giving tokens back:
    /// 1 if any were.
    pub fn granted(&self) -> u64 {
        u64::try_from(self.reply.granted).unwrap_or(0)
    }

    fn standing(&self) -> (u64, u64, Duration, usize) {
        let Reply { remaining, burst, reset_ms, index, .. } = self.reply;
        let natural = |n: i64| u64::try_from(n).unwrap_or(0);
        (natural(remaining), natural(burst), duration(reset_ms), usize::try_from(index).unwrap_or(0))
    }
}

impl FromRedisValue for LimitReply {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let ([granted, wait_ms, remaining, burst, reset_ms, index], more) = integers_and_more(&value)?;
        let act_us = match more {
            [] => 0,
            [Value::Int(act_us)] => *act_us,
            _ => return Err(format!("expected six or seven integers, got {value:?}").into()),
        };
        Ok(Self { reply: Reply { granted, wait_ms, remaining, burst, reset_ms, index }, act_us })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn read(numbers: &[i64]) -> Result<LimitReply, ParsingError> {
        LimitReply::from_redis_value(Value::Array(numbers.iter().copied().map(Value::Int).collect()))
    }

    fn reply(numbers: &[i64]) -> LimitReply {
        read(numbers).unwrap()
    }

    #[test]
    fn a_reply_becomes_the_decision_that_it_states() {
        let second = Duration::from_secs(1);
        let granted = |wait, act_at, remaining, index| Decision::Granted {
            wait,
            act_at,
            remaining,
            burst: 5,
            reset: second,
            index,
        };
        assert_eq!(reply(&[1, 0, 3, 5, 1000, 1]).decision(), granted(Duration::ZERO, None, 3, 1));
        let act = UNIX_EPOCH.checked_add(Duration::from_micros(1_900_000_000_250_001));
        let turn = reply(&[1, 251, 0, 5, 1000, 0, 1_900_000_000_250_001]).decision();
        assert_eq!(turn, granted(Duration::from_millis(251), act, 0, 0));
        assert_eq!(turn.act_at(), act);
        assert_eq!(reply(&[0, 251, 0, 5, 1000, 0, 0]).decision().act_at(), None);

        let denied = reply(&[0, 1001, 0, 5, 1000, 0]).decision();
        assert_eq!(denied.retry_after_seconds(), Some(2));
        let never = reply(&[0, -1, 5, 5, 0, 0]).decision();
        assert_eq!(never, Decision::Never { remaining: 5, burst: 5, reset: Duration::ZERO, index: 0 });
        assert_eq!(never.retry_after_seconds(), None);
        assert_eq!(reply(&[1, 1000, 0, 5, 2000, 0]).forced().owed(), second);
        assert!(reply(&[1, 0, 0, 5, 1000, 0]).forced().owed().is_zero());
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for numbers in [&[1][..], &[1, 0, 3, 5, 1000], &[1, 0, 3, 5, 1000, 0, 0, 0]] {
            assert!(read(numbers).is_err(), "{numbers:?}");
        }
        assert!(LimitReply::from_redis_value(Value::Okay).is_err());
    }
}
