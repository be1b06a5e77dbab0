//! What the INFO commands tell.

use std::collections::HashMap;
use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value, from_redis_value};

use crate::Limit;
use crate::decision::ms;

/// One stored limit and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitInfo {
    /// The limit; its cost is 1.
    pub limit: Limit,
    /// Whole tokens that could be taken now.
    pub remaining: u64,
    /// Until there is one token more.
    pub next: Duration,
    /// Until it is full again.
    pub reset: Duration,
}

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

/// The value of one field; maps come as maps in RESP3 and as flat pairs in RESP2, alike here.
fn field<T: FromRedisValue>(map: &mut HashMap<String, Value>, name: &str) -> Result<T, ParsingError> {
    from_redis_value(map.remove(name).ok_or_else(|| format!("the field {name} is missing"))?)
}

impl FromRedisValue for LimitInfo {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let map = &mut from_redis_value::<HashMap<String, Value>>(value)?;
        let (count, period) = (field(map, "count")?, ms(field(map, "period-ms")?));
        let limit = Limit::try_per(count, period)
            .and_then(|limit| limit.try_burst(field(map, "burst").unwrap_or(0)))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            limit,
            remaining: field(map, "remaining")?,
            next: ms(field(map, "next-ms")?),
            reset: ms(field(map, "reset-ms")?),
        })
    }
}

impl FromRedisValue for LockInfo {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let map = &mut from_redis_value::<HashMap<String, Value>>(value)?;
        Ok(Self { holders: field(map, "holders")?, waiters: field(map, "waiters")? })
    }
}

impl FromRedisValue for Holder {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let map = &mut from_redis_value::<HashMap<String, Value>>(value)?;
        Ok(Self {
            owner: field(map, "owner")?,
            fence: field(map, "fence")?,
            left: ms(field(map, "ttl-ms")?),
            held: ms(field(map, "held-ms")?),
        })
    }
}
