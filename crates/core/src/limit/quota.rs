//! One limit: so many tokens a period, at most so many at once, and how they come back.

use crate::time::{MAX_MS, MAX_NS, Millis, NS_PER_MS};

/// `count` tokens in `period_ms`, at most `burst` at once from idle, given back as [`Kind`] says.
///
/// A quota that exists is in bounds, so no arithmetic on it can overflow 128 bits:
/// - `count` and `burst` are 1 to 2^63-1, `period_ms` 1 ms to 100 years;
/// - one token takes at least 1 ns (`count <= period_ns`);
/// - a full bucket refills within 100 years (`burst * period_ns <= count * 100 years`).
///
/// Two limits are the same limit if they are equal in all four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    count: u64,
    period_ms: u64,
    burst: u64,
    kind: Kind,
}

/// How used tokens come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One after the other, evenly: a bucket that refills.
    Rate,
    /// Each a whole period after its act: never more than `count` in any window of the period.
    Strict,
    /// All when the calendar window ends in which they were used. One such window begins at this
    /// instant, in unix ms below the period.
    Align(u64),
}

/// Which bound a quota breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaError {
    /// `count` is 0 or above 2^63-1.
    Count,
    /// `period_ms` is 0.
    Period,
    /// `burst` is 0 or above 2^63-1.
    Burst,
    /// More than one token a nanosecond.
    TooFast,
    /// A full bucket would take more than 100 years to refill.
    TooSlow,
    /// The calendar's offset is beyond 100 years.
    Align,
}

/// The furthest that `ALIGN` may point into the future, in unix seconds.
pub const MAX_OFFSET_S: u64 = MAX_MS / 1_000;

const MAX_TOKENS: u64 = i64::MAX as u64;

impl Quota {
    /// A quota within the bounds above, or the first bound that it breaks.
    pub const fn new(count: u64, period: Millis, burst: u64) -> Result<Self, QuotaError> {
        Self::checked(count, period, burst, Kind::Rate)
    }

    /// A window of the period for which `count` tokens are there, all of them at once from idle.
    pub const fn strict(count: u64, period: Millis) -> Result<Self, QuotaError> {
        Self::checked(count, period, count, Kind::Strict)
    }

    /// The same in calendar windows, one of which begins at unix second `offset_s`.
    pub const fn aligned(count: u64, period: Millis, offset_s: u64) -> Result<Self, QuotaError> {
        if offset_s > MAX_OFFSET_S {
            return Err(QuotaError::Align);
        }
        match period.get() {
            0 => Err(QuotaError::Period),
            period_ms => Self::checked(count, period, count, Kind::Align(offset_s * 1_000 % period_ms)),
        }
    }

    /// A calendar window from its stored offset, in ms; `None` unless that is below the period.
    pub(super) const fn aligned_at_ms(count: u64, period: Millis, offset_ms: u64) -> Option<Self> {
        match Self::checked(count, period, count, Kind::Align(offset_ms)) {
            Ok(quota) if offset_ms < quota.period_ms => Some(quota),
            _ => None,
        }
    }

    const fn checked(count: u64, period: Millis, burst: u64, kind: Kind) -> Result<Self, QuotaError> {
        let period_ns = period.as_nanos();
        if count == 0 || count > MAX_TOKENS {
            return Err(QuotaError::Count);
        }
        if period_ns == 0 {
            return Err(QuotaError::Period);
        }
        if burst == 0 || burst > MAX_TOKENS {
            return Err(QuotaError::Burst);
        }
        if count > period_ns {
            return Err(QuotaError::TooFast);
        }
        // Both products are below 2^63 * 2^62.
        if burst as u128 * period_ns as u128 > count as u128 * MAX_NS as u128 {
            return Err(QuotaError::TooSlow);
        }
        Ok(Self { count, period_ms: period.get(), burst, kind })
    }

    /// Tokens a period.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The period in ms.
    pub const fn period_ms(&self) -> u64 {
        self.period_ms
    }

    /// The period in ns.
    pub const fn period_ns(&self) -> u64 {
        self.period_ms * NS_PER_MS
    }

    /// The true capacity: how many tokens can go at once from idle.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// How used tokens come back.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What one token costs, in units of `1/count` ns: the period in ns, as `period_ns / count`
    /// ns are `period_ns` such units. That is why nothing here ever needs rounding.
    pub(crate) const fn token(&self) -> u128 {
        self.period_ns() as u128
    }

    /// A bucket's worth of time, in units of `1/count` ns; at most `count * 100 years`.
    pub(crate) const fn full(&self) -> u128 {
        self.burst as u128 * self.period_ns() as u128
    }

    /// Whether an arrival time of this quota can fall between two nanoseconds.
    pub(crate) const fn has_remainder(&self) -> bool {
        !self.period_ns().is_multiple_of(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(count: u64, period_ms: u64, burst: u64) -> Result<Quota, QuotaError> {
        Quota::new(count, Millis::new(period_ms).unwrap(), burst)
    }

    #[test]
    fn every_bound_is_where_the_contract_puts_it() {
        let max = i64::MAX as u64;
        assert_eq!(quota(0, 1000, 1), Err(QuotaError::Count));
        assert_eq!(quota(max + 1, MAX_MS, 1), Err(QuotaError::Count));
        assert_eq!(quota(1, 0, 1), Err(QuotaError::Period));
        assert_eq!(quota(1, 1000, 0), Err(QuotaError::Burst));
        assert_eq!(quota(1, 1000, max + 1), Err(QuotaError::Burst));
        // one token a ns, and not one more
        assert!(quota(1_000_000, 1, 1).is_ok());
        assert_eq!(quota(1_000_001, 1, 1), Err(QuotaError::TooFast));
        assert_eq!(quota(max, MAX_MS, 1), Err(QuotaError::TooFast));
        // 100 years to refill, and not one token more
        assert!(quota(1, MAX_MS, 1).is_ok());
        assert_eq!(quota(1, MAX_MS, 2), Err(QuotaError::TooSlow));
        assert!(quota(1_000_000, 1, MAX_NS).is_ok());
        assert_eq!(quota(1_000_000, 1, MAX_NS + 1), Err(QuotaError::TooSlow));
        assert!(Millis::new(MAX_MS + 1).is_none());
    }

    #[test]
    fn a_calendar_repeats_with_its_period() {
        let day = Millis::new(86_400_000).unwrap();
        assert_eq!(Quota::aligned(3, day, 54_000).unwrap().kind(), Kind::Align(54_000_000));
        assert_eq!(Quota::aligned(3, day, 54_000 + 86_400), Quota::aligned(3, day, 54_000));
        assert!(Quota::aligned(3, day, MAX_OFFSET_S).is_ok());
        assert_eq!(Quota::aligned(3, day, MAX_OFFSET_S + 1), Err(QuotaError::Align));
        assert_ne!(Quota::aligned(3, day, 0), Quota::strict(3, day));
        assert_ne!(Quota::strict(3, day), Quota::new(3, day, 3));
    }
}
