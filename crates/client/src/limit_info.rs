//! What RATELIMIT.INFO tells.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value};

use crate::limit::Limit;
use crate::wire::Fields;

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

impl FromRedisValue for LimitInfo {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut fields = Fields::of(value)?;
        let (count, period) = (fields.take("count")?, fields.take_ms("period-ms")?);
        let limit = Limit::try_per(count, period)
            .and_then(|limit| limit.try_burst(fields.take("burst").unwrap_or(0)))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            limit,
            remaining: fields.take("remaining")?,
            next: fields.take_ms("next-ms")?,
            reset: fields.take_ms("reset-ms")?,
        })
    }
}
