//! What LOCK.INFO tells.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value};

use crate::wire::Fields;

/// Who holds a lock, and who waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockInfo {
    /// In the order of their grants.
    pub holders: Vec<Holder>,
    /// How many wait in the server.
    pub waiting: u64,
    /// The first 100 of them, in the order of their coming.
    pub waiters: Vec<Waiter>,
}

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// As the client named itself.
    pub owner: Vec<u8>,
    /// The fencing token.
    pub fence: u64,
    /// What is left of the lease.
    pub left: Duration,
    /// Since when it is held.
    pub held: Duration,
}

/// One that waits in the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiter {
    /// As the client named itself.
    pub owner: Vec<u8>,
    /// Waits until fewer than so many hold the lock.
    pub holders: u64,
    /// Since when it waits.
    pub waited: Duration,
    /// For how long still; `None` without limit.
    pub left: Option<Duration>,
}

impl FromRedisValue for LockInfo {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut fields = Fields::of(value)?;
        Ok(Self {
            holders: fields.take("holders")?,
            waiting: fields.take("waiting")?,
            waiters: fields.take("waiters")?,
        })
    }
}

impl FromRedisValue for Holder {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut fields = Fields::of(value)?;
        Ok(Self {
            owner: fields.take("owner")?,
            fence: fields.take("fence")?,
            left: fields.take_ms("ttl-ms")?,
            held: fields.take_ms("held-ms")?,
        })
    }
}

impl FromRedisValue for Waiter {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut fields = Fields::of(value)?;
        let left_ms: i64 = fields.take("left-ms")?;
        Ok(Self {
            owner: fields.take("owner")?,
            holders: fields.take("holders")?,
            waited: fields.take_ms("waited-ms")?,
            left: u64::try_from(left_ms).ok().map(Duration::from_millis),
        })
    }
}
