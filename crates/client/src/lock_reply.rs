//! What LOCK.TRY, LOCK.ACQUIRE and LOCK.EXTEND answer.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value};
use sluice_core::lock::NOBODY;

use crate::wire::{duration, integers};

/// Whether the caller holds the lock by this call. That somebody else holds it is a value, not an
/// error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "whoever does not look may believe to hold a lock"]
pub enum LockReply {
    /// The caller holds it.
    Held {
        /// The fencing token: larger than that of every grant before, for whatever key.
        fence: u64,
        /// What is left of the lease, as of the server's answer.
        left: Duration,
    },
    /// It does not.
    NotHeld {
        /// The fence of the newest holder; `None` if nobody holds the lock.
        fence: Option<u64>,
        /// When to try again: until the lock could be free for this call, or until the earliest
        /// lease ends after an extension that failed. `None` if nobody holds it.
        retry_after: Option<Duration>,
    },
}

impl LockReply {
    /// Whether the caller holds the lock by this call.
    pub const fn is_held(&self) -> bool {
        matches!(self, Self::Held { .. })
    }
}

impl FromRedisValue for LockReply {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let [held, fence, time] = integers(&value)?;
        let fence = u64::try_from(fence).map_err(|_| format!("a fence of {fence}"))?;
        Ok(match (held, time) {
            (1, _) => Self::Held { fence, left: duration(time) },
            (_, NOBODY) => Self::NotHeld { fence: None, retry_after: None },
            _ => Self::NotHeld { fence: Some(fence), retry_after: Some(duration(time)) },
        })
    }
}
