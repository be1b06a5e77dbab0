//! What RATELIMIT.INFO tells.

use std::time::Duration;

use redis::{FromRedisValue, ParsingError, Value, from_redis_value};

use crate::limit::{Limit, LimitError};
use crate::wire::{Fields, duration};

/// Where a key stands. Nothing of it when nothing is used or held: a key that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KeyInfo {
    /// The limits that the key knows, by place.
    pub limits: Vec<LimitInfo>,
    /// For how long the key is held; zero when it is not.
    pub held: Duration,
}

/// One stored limit and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitInfo {
    /// The limit, of whatever kind; its cost is 1.
    pub limit: Limit,
    /// Whole tokens that could be taken now; 0 while the key is held.
    pub remaining: u64,
    /// Until there is one token more.
    pub next: Duration,
    /// Until it is full again.
    pub reset: Duration,
    /// Its place, from 0, where some place of the key holds several limits: those of callers that
    /// differ count together there.
    pub place: Option<usize>,
}

impl FromRedisValue for KeyInfo {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut info = Self::default();
        for entry in from_redis_value::<Option<Vec<Value>>>(value)?.unwrap_or_default() {
            let mut fields = Fields::of(entry)?;
            match fields.take_if_there("held-ms")? {
                Some(held_ms) => info.held = duration(held_ms),
                None => info.limits.push(limit_info(fields)?),
            }
        }
        Ok(info)
    }
}

impl FromRedisValue for LimitInfo {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        limit_info(Fields::of(value)?)
    }
}

fn limit_info(mut fields: Fields) -> Result<LimitInfo, ParsingError> {
    let limit = Limit::try_per(fields.take("count")?, fields.take_ms("period-ms")?);
    let kind: Option<String> = fields.take_if_there("kind")?;
    let limit = match kind.as_deref() {
        None => {
            let burst = fields.take("burst")?;
            limit.and_then(|limit| limit.try_burst(burst))
        }
        Some("strict") => limit.and_then(Limit::try_strict),
        Some("align") => {
            let offset = fields.take_ms("align-ms")?;
            limit.and_then(|limit| limit.try_aligned(offset))
        }
        Some(other) => return Err(format!("a limit of an unknown kind: {other}").into()),
    };
    Ok(LimitInfo {
        limit: limit.map_err(|error: LimitError| error.to_string())?,
        remaining: fields.take("remaining")?,
        next: fields.take_ms("next-ms")?,
        reset: fields.take_ms("reset-ms")?,
        place: fields.take_if_there("place")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, i64)], kind: Option<&str>) -> Value {
        let text = |text: &str| Value::BulkString(text.into());
        let mut pairs: Vec<_> = fields.iter().map(|(name, n)| (text(name), Value::Int(*n))).collect();
        pairs.extend(kind.map(|kind| (text("kind"), text(kind))));
        Value::Map(pairs)
    }

    #[test]
    fn limits_of_each_kind_places_and_holds_are_read() {
        let common =
            [("count", 3), ("period-ms", 86_400_000), ("burst", 3), ("remaining", 0), ("next-ms", 5)];
        let with = |more: &[(&'static str, i64)]| [&common[..], &[("reset-ms", 7)], more].concat();
        let info = KeyInfo::from_redis_value(Value::Array(vec![
            map(&with(&[("place", 0)]), None),
            map(&with(&[("place", 0)]), Some("strict")),
            map(&with(&[("align-ms", 54_000_000), ("place", 1)]), Some("align")),
            map(&[("held-ms", 1500)], None),
        ]))
        .unwrap();
        let day = Limit::per(3, Duration::from_secs(86_400));
        let limits: Vec<_> = info.limits.iter().map(|info| (info.limit, info.place)).collect();
        let tokyo = day.aligned(Duration::from_secs(54_000));
        assert_eq!(limits, [(day, Some(0)), (day.strict(), Some(0)), (tokyo, Some(1))]);
        assert_eq!(info.held, Duration::from_millis(1500));
        assert_eq!(info.limits.first().map(|info| info.reset), Some(Duration::from_millis(7)));

        assert_eq!(KeyInfo::from_redis_value(Value::Nil).unwrap(), KeyInfo::default());
        let unknown = Value::Array(vec![map(&with(&[]), Some("lunar"))]);
        assert!(KeyInfo::from_redis_value(unknown).unwrap_err().to_string().contains("lunar"));
    }
}
