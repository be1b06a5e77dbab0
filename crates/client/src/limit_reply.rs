//! What RATELIMIT.ACQUIRE, RATELIMIT.PEEK and RATELIMIT.RETURN answer.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value};
use sluice_core::limit::call::{NEVER, Reply};

use crate::decision::Decision;
use crate::wire::{duration, integers};

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
            (1.., _) => Decision::Granted { wait: duration(wait_ms), remaining, burst, reset, index },
            (_, NEVER) => Decision::Never { remaining, burst, reset, index },
            _ => Decision::Denied { retry_after: duration(wait_ms), remaining, burst, reset, index },
        }
    }

    /// The answer to a call with force.
    pub fn forced(&self) -> Decision {
        let (remaining, burst, reset, index) = self.standing();
        Decision::Forced { over: duration(self.0.wait_ms), remaining, burst, reset, index }
    }

    /// How many tokens were taken by a call for a part; for others 1 or 0. After giving tokens back:
    /// 1 if any were.
    pub fn granted(&self) -> u64 {
        u64::try_from(self.0.granted).unwrap_or(0)
    }

    fn standing(&self) -> (u64, u64, Duration, usize) {
        let Reply { remaining, burst, reset_ms, index, .. } = self.0;
        let natural = |n: i64| u64::try_from(n).unwrap_or(0);
        (natural(remaining), natural(burst), duration(reset_ms), usize::try_from(index).unwrap_or(0))
    }
}

impl FromRedisValue for LimitReply {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let [granted, wait_ms, remaining, burst, reset_ms, index] = integers(&value)?;
        Ok(Self(Reply { granted, wait_ms, remaining, burst, reset_ms, index }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
