//! What LOCK.INFO tells.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value};

use crate::wire::Fields;

/// Who holds a lock, and how many wait for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockInfo {
    /// In the order of their grants.
    pub holders: Vec<Holder>,
    /// How many wait in the server.
    pub waiters: u64,
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

impl FromRedisValue for LockInfo {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut fields = Fields::of(value)?;
        Ok(Self { holders: fields.take("holders")?, waiters: fields.take("waiters")? })
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
