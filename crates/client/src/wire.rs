//! Times and replies as they go over the wire: ms and unix us both ways, arrays of integers, maps with named fields.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{FromRedisValue, ParsingError, Value, from_redis_value};
use sluice_core::time::{MAX_MS, Millis};

/// What a time is sent as: ms, rounded up. One longer than the protocol allows becomes the longest that
/// it allows.
pub(crate) fn millis(time: Duration) -> Millis {
    let ms = time.as_nanos().div_ceil(1_000_000);
    u64::try_from(ms).ok().and_then(Millis::new).or(Millis::new(MAX_MS)).unwrap_or_default()
}

/// The same time where it is counted here: an instant can lie that far ahead, and not any time.
#[cfg(feature = "tokio")]
pub(crate) fn bounded(time: Duration) -> Duration {
    time.min(Duration::from_millis(MAX_MS))
}

/// What an instant of the server's clock is sent as: unix us. One that has a fraction of a us never came
/// from a server.
pub(crate) fn unix_us(instant: SystemTime) -> u64 {
    let since = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// What a number of unix us in a reply means; 0 and less is no instant.
pub(crate) fn instant(unix_us: i64) -> Option<SystemTime> {
    let since = u64::try_from(unix_us).ok().filter(|us| *us > 0).map(Duration::from_micros)?;
    UNIX_EPOCH.checked_add(since)
}

/// What a number of ms in a reply means; a negative one is no time.
pub(crate) fn duration(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// An array of `N` integers.
pub(crate) fn integers<const N: usize>(value: &Value) -> Result<[i64; N], ParsingError> {
    match integers_and_more(value)? {
        (numbers, []) => Ok(numbers),
        _ => Err(unexpected::<N>(value)),
    }
}

/// An array that begins with `N` integers, and what stands behind them.
pub(crate) fn integers_and_more<const N: usize>(value: &Value) -> Result<([i64; N], &[Value]), ParsingError> {
    let Value::Array(items) = value else { return Err(unexpected::<N>(value)) };
    let Some((first, rest)) = items.split_first_chunk::<N>() else { return Err(unexpected::<N>(value)) };
    let mut numbers = [0; N];
    for (number, item) in numbers.iter_mut().zip(first) {
        let Value::Int(n) = item else { return Err(unexpected::<N>(value)) };
        *number = *n;
    }
    Ok((numbers, rest))
}

fn unexpected<const N: usize>(value: &Value) -> ParsingError {
    format!("expected {N} integers, got {value:?}").into()
}

/// The fields of a reply that is a map: a map in RESP3 and flat pairs in RESP2, alike here.
pub(crate) struct Fields(HashMap<String, Value>);

impl Fields {
    pub(crate) fn of(value: Value) -> Result<Self, ParsingError> {
        from_redis_value(value).map(Self)
    }

    /// Takes the value of one field out.
    pub(crate) fn take<T: FromRedisValue>(&mut self, name: &str) -> Result<T, ParsingError> {
        from_redis_value(self.0.remove(name).ok_or_else(|| format!("the field {name} is missing"))?)
    }

    /// Takes the value of a field out that is not always there.
    pub(crate) fn take_if_there<T: FromRedisValue>(&mut self, name: &str) -> Result<Option<T>, ParsingError> {
        self.0.remove(name).map(from_redis_value).transpose()
    }

    /// Takes a field out that is a number of ms.
    pub(crate) fn take_ms(&mut self, name: &str) -> Result<Duration, ParsingError> {
        self.take(name).map(duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_up_and_stay_in_bounds() {
        assert_eq!(millis(Duration::from_nanos(1)).get(), 1);
        assert_eq!(millis(Duration::from_millis(1)).get(), 1);
        assert_eq!(millis(Duration::MAX).get(), MAX_MS);
        assert_eq!(duration(-1), Duration::ZERO);
        assert_eq!(instant(1_900_000_000_000_001).map(unix_us), Some(1_900_000_000_000_001));
        assert_eq!((instant(0), instant(-1)), (None, None));
        assert_eq!(unix_us(UNIX_EPOCH - Duration::from_secs(1)), 0);
    }

    #[test]
    fn fields_are_read_by_name_from_pairs_and_from_maps() {
        let text = |text: &str| Value::BulkString(text.into());
        let pairs = Value::Array(vec![text("ttl-ms"), Value::Int(1500), text("waiters"), Value::Int(2)]);
        let map = Value::Map(vec![(text("waiters"), Value::Int(2)), (text("ttl-ms"), Value::Int(1500))]);
        for value in [pairs, map] {
            let mut fields = Fields::of(value).unwrap();
            assert_eq!(fields.take::<u64>("waiters"), Ok(2));
            assert_eq!(fields.take_ms("ttl-ms"), Ok(Duration::from_millis(1500)));
            assert!(fields.take::<u64>("waiters").unwrap_err().to_string().contains("waiters is missing"));
        }
    }
}
