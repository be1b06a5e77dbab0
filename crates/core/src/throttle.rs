//! `CL.THROTTLE`, answered as the module redis-cell (0.5.0) answers it, for those who come from there.
//!
//! It is the same algorithm as [`limit`](crate::limit)'s, with that module's rounding: the time between two tokens is cut
//! to whole ns, so that `3 tokens in 7 s` are a little more; what is left is counted in whole µs; waits are rounded up from
//! whole ms to seconds. Where it computes in doubles or lets 64 bits wrap, so does this: whoever switches is to see the
//! same numbers. What stops that module's server (see [`ThrottleError`], [`decode`]) is an error here.
//!
//! What is stored is a bare integer, the theoretical arrival time in unix ns. Both modules read what the other wrote.

use crate::time::{NS_PER_MS, Nanos};

/// What a call asks for. Any 64-bit integers will do; few of them make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// How many tokens can go at once beyond the first.
    pub max_burst: i64,
    /// How many tokens come back in a period.
    pub count: i64,
    /// The period, in s.
    pub period_s: i64,
    /// How many tokens to take. 0 looks and takes nothing; a negative number gives tokens back.
    pub quantity: i64,
}

/// The five integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Whether the call was refused.
    pub limited: bool,
    /// The capacity, `max_burst + 1`.
    pub limit: i64,
    /// Tokens left.
    pub remaining: i64,
    /// In so many s it can be asked again; -1 if it was granted, or never can be.
    pub retry_after_s: i64,
    /// In so many s the bucket is full again.
    pub reset_after_s: i64,
}

impl Reply {
    /// As they are sent.
    pub fn integers(&self) -> [i64; 5] {
        [self.limited.into(), self.limit, self.remaining, self.retry_after_s, self.reset_after_s]
    }
}

/// What becomes of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// It holds this from now on.
    Write {
        /// The theoretical arrival time, in unix ns.
        tat: u64,
        /// When the key expires, in unix ms.
        expires_at_ms: u64,
    },
}

/// Why there is no answer. Nothing is to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThrottleError {
    /// The count or the period is 0, or more than one token comes in a ns.
    ZeroRate,
    /// More was given back than had been taken. (redis-cell says so too, but has then left a key without an expiry.)
    Expiry,
}

/// Decides on a call, at this time and with this stored.
///
/// # Errors
/// See [`ThrottleError`].
pub fn throttle(call: &Call, stored: Option<u64>, now: Nanos) -> Result<(Reply, Change), ThrottleError> {
    let interval = interval(call);
    if interval == 0 {
        return Err(ThrottleError::ZeroRate);
    }
    let limit = call.max_burst.wrapping_add(1);
    let full = i128::from(interval.wrapping_mul(limit));
    let increment = i128::from(interval.wrapping_mul(call.quantity));
    let (interval, now_ns) = (i128::from(interval), i128::from(now.0));
    let tat = stored.map_or(now_ns, i128::from);

    let new_tat = tat.max(now_ns) + increment;
    let room = now_ns + full - new_tat;
    let limited = room < 0;
    let debt = if limited { tat - now_ns } else { new_tat - now_ns };
    let left = full - debt;
    let reply = Reply {
        limited,
        limit,
        remaining: if left > -interval { whole_tokens(left, interval) } else { 0 },
        retry_after_s: if limited && increment <= full { seconds(-room) } else { -1 },
        reset_after_s: seconds(debt),
    };
    if limited || call.quantity == 0 {
        return Ok((reply, Change::Keep));
    }
    // What is cut off here lets the key go up to two ms early. So it is there.
    let ttl_ms = u64::try_from(debt / i128::from(NS_PER_MS)).map_err(|_| ThrottleError::Expiry)?;
    // Beyond the year 2554 it wraps: as it is there.
    Ok((reply, Change::Write { tat: new_tat as u64, expires_at_ms: now.as_millis() + ttl_ms }))
}

/// The ns between two tokens; 0 where there is no such time.
fn interval(call: &Call) -> i64 {
    let period_ns = i128::from(call.period_s) * 1_000_000_000;
    if call.count == 0 || period_ns == 0 {
        return 0;
    }
    (period_ns as f64 / call.count as f64) as i64
}

/// What is left, in tokens. Of more than a token a µs it has no idea.
fn whole_tokens(left: i128, interval: i128) -> i64 {
    ((left / 1_000) as f64 / (interval / 1_000) as f64) as i64
}

/// In s, rounded up from whole ms.
fn seconds(ns: i128) -> i64 {
    let (whole, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
    let whole = (whole as f64 + rest as f64 / 1e9) as i64;
    whole + i64::from(rest >= i128::from(NS_PER_MS))
}

/// The least that a time stored since 2001 can be. What is smaller is somebody's counter.
const LEAST: u64 = 1_000_000_000_000_000_000;

/// The shortest string that is a stored time.
pub const MIN_LEN: usize = 19;

/// The longest one.
pub const MAX_LEN: usize = 20;

/// The time that is stored; `None` for bytes that neither module has written.
pub fn decode(bytes: &[u8]) -> Option<u64> {
    crate::digits::parse_u64(bytes).filter(|tat| *tat >= LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Nanos = Nanos(1_900_000_000_000_000_000);

    fn call(max_burst: i64, count: i64, period_s: i64, quantity: i64) -> Call {
        Call { max_burst, count, period_s, quantity }
    }

    #[test]
    fn a_refused_call_and_a_look_change_nothing() {
        let (reply, change) = throttle(&call(0, 1, 1, 0), None, NOON).unwrap();
        assert_eq!((reply.integers(), change), ([0, 1, 1, -1, 0], Change::Keep));
        let (reply, change) = throttle(&call(0, 1, 1, 1), Some(NOON.0 + 1_000_000), NOON).unwrap();
        assert_eq!((reply.integers(), change), ([1, 1, 0, 1, 1], Change::Keep));
    }

    #[test]
    fn what_is_given_back_beyond_the_full_bucket_is_an_error() {
        let stored = Some(NOON.0 + 5_000_000_000);
        let (reply, change) = throttle(&call(9, 1, 1, -5), stored, NOON).unwrap();
        assert_eq!(reply.integers(), [0, 10, 10, -1, 0]);
        assert_eq!(change, Change::Write { tat: NOON.0, expires_at_ms: NOON.as_millis() });
        assert_eq!(throttle(&call(9, 1, 1, -6), stored, NOON), Err(ThrottleError::Expiry));
        assert_eq!(throttle(&call(9, 1, 1, -1), None, NOON), Err(ThrottleError::Expiry));
    }

    #[test]
    fn no_numbers_overflow() {
        let extremes =
            [i64::MIN, i64::MIN + 1, -1_000_000_007, -1, 0, 1, 1_000_000_007, i64::MAX - 1, i64::MAX];
        let times = [0, 1, NOON.0, u64::MAX];
        for max_burst in extremes {
            for count in extremes {
                for period_s in extremes {
                    for quantity in extremes {
                        for stored in times.map(Some).into_iter().chain([None]) {
                            for now in times {
                                let _ =
                                    throttle(&call(max_burst, count, period_s, quantity), stored, Nanos(now));
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn only_what_a_throttle_has_stored_is_read() {
        assert_eq!(decode(b"1900000012500000000"), Some(1_900_000_012_500_000_000));
        assert_eq!(decode(b"18446744073709551615"), Some(u64::MAX));
        let others: [&[u8]; 9] = [
            b"",
            b"5",
            b"999999999999999999",
            b"01900000012500000000",
            b"+1900000012500000000",
            b"18446744073709551616",
            b"1900000012500000000:1/1000:1",
            b"190000001250000000 ",
            b"-1900000012500000000",
        ];
        for other in others {
            assert_eq!(decode(other), None, "{}", other.escape_ascii());
        }
    }
}
