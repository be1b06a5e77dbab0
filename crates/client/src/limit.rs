//! One limit of a call: so many tokens a period, at most so many at once, and what this call takes.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use sluice_core::limit::call::Clause;
use sluice_core::limit::quota::{Quota, QuotaError};
use sluice_core::time::Millis;

/// So many tokens a period, at most `burst` at once, of which a call takes `cost`.
///
/// ```
/// use std::time::Duration;
/// use sluice_client::Limit;
///
/// // In a constant, a limit out of bounds does not compile.
/// const API: Limit = Limit::per_second(10).burst(20);
/// const EVENLY: Limit = Limit::per(2, Duration::from_secs(1)).burst(1);
///
/// // What comes from a configuration is tried.
/// let rate = 0;
/// assert!(Limit::try_per(rate, Duration::from_secs(1)).is_err());
/// assert_eq!(API.cost(3).tokens(), 3);
/// ```
///
/// `burst` is the true capacity, how many can pass at once from idle, and is `count` unless said
/// otherwise; 1 spaces calls evenly. A rate is exact: 3 a second is never rounded to 334 ms.
///
/// Bounds: count and burst from 1, the period a whole number of ms up to 100 years, at most one
/// token a nanosecond, and a full bucket refills within 100 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    quota: Quota,
    cost: u64,
}

/// Which bound a limit breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// The count is 0 or above 2^63-1.
    Count,
    /// The period is not a whole number of ms from 1 ms to 100 years.
    Period,
    /// The burst is 0 or above 2^63-1.
    Burst,
    /// More than one token a nanosecond.
    TooFast,
    /// A full bucket would take more than 100 years to refill.
    TooSlow,
    /// The cost is above 2^63-1.
    Cost,
    /// No limit at all, or more than [`Limits::MAX`](crate::Limits::MAX).
    Clauses,
}

impl LimitError {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Count => "the count of a limit is from 1 to 2^63-1",
            Self::Period => "the period of a limit is a whole number of milliseconds, from 1 ms to 100 years",
            Self::Burst => "the burst of a limit is from 1 to 2^63-1",
            Self::TooFast => "a limit is at most one token a nanosecond",
            Self::TooSlow => "the burst of a limit must refill within 100 years: lower it, or raise the rate",
            Self::Cost => "the cost of a call is from 0 to 2^63-1",
            Self::Clauses => "a call has from 1 to 8 limits",
        }
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Error for LimitError {}

impl Limit {
    /// `count` tokens a second, up to `count` at once, one for this call.
    ///
    /// # Panics
    /// If `count` is out of bounds; a compile error in a constant. See [`Self::try_per`].
    pub const fn per_second(count: u64) -> Self {
        Self::per(count, Duration::from_secs(1))
    }

    /// `count` tokens a minute. Panics as [`Self::per_second`].
    pub const fn per_minute(count: u64) -> Self {
        Self::per(count, Duration::from_secs(60))
    }

    /// `count` tokens an hour. Panics as [`Self::per_second`].
    pub const fn per_hour(count: u64) -> Self {
        Self::per(count, Duration::from_secs(3600))
    }

    /// `count` tokens in each `period`. Panics as [`Self::per_second`].
    pub const fn per(count: u64, period: Duration) -> Self {
        sound(Self::try_per(count, period))
    }

    /// As [`Self::per`], for numbers that are not known when the program is written.
    pub const fn try_per(count: u64, period: Duration) -> Result<Self, LimitError> {
        let ms = period.as_millis();
        if ms > u64::MAX as u128 || !period.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(LimitError::Period);
        }
        let Some(period) = Millis::new(ms as u64) else {
            return Err(LimitError::Period);
        };
        Self::of(count, period, count, 1)
    }

    /// The same limit with room for `burst` tokens at once. Panics as [`Self::per_second`].
    #[must_use]
    pub const fn burst(self, burst: u64) -> Self {
        sound(self.try_burst(burst))
    }

    /// As [`Self::burst`], for numbers that are not known when the program is written.
    pub const fn try_burst(self, burst: u64) -> Result<Self, LimitError> {
        match Millis::new(self.quota.period_ms()) {
            Some(period) => Self::of(self.quota.count(), period, burst, self.cost),
            None => Err(LimitError::Period),
        }
    }

    /// The same limit, of which this call takes `cost` tokens. With 0 the limit takes no part in the
    /// call. More than the burst can never be had, except by force. Panics as [`Self::per_second`].
    #[must_use]
    pub const fn cost(self, cost: u64) -> Self {
        sound(self.try_cost(cost))
    }

    /// As [`Self::cost`], for numbers that are not known when the program is written.
    pub const fn try_cost(self, cost: u64) -> Result<Self, LimitError> {
        if cost > i64::MAX as u64 {
            return Err(LimitError::Cost);
        }
        Ok(Self { quota: self.quota, cost })
    }

    /// Tokens a period.
    pub const fn count(&self) -> u64 {
        self.quota.count()
    }

    /// The period.
    pub const fn period(&self) -> Duration {
        Duration::from_millis(self.quota.period_ms())
    }

    /// How many tokens can go at once from idle.
    pub const fn capacity(&self) -> u64 {
        self.quota.burst()
    }

    /// How many tokens a call takes.
    pub const fn tokens(&self) -> u64 {
        self.cost
    }

    pub(crate) const fn clause(&self) -> Clause {
        Clause { quota: self.quota, cost: self.cost }
    }

    pub(crate) const fn of(count: u64, period: Millis, burst: u64, cost: u64) -> Result<Self, LimitError> {
        match Quota::new(count, period, burst) {
            Ok(quota) => Ok(Self { quota, cost }),
            Err(QuotaError::Count) => Err(LimitError::Count),
            Err(QuotaError::Period) => Err(LimitError::Period),
            Err(QuotaError::Burst) => Err(LimitError::Burst),
            Err(QuotaError::TooFast) => Err(LimitError::TooFast),
            Err(QuotaError::TooSlow) => Err(LimitError::TooSlow),
        }
    }
}

impl Hash for Limit {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.quota.count(), self.quota.period_ms(), self.quota.burst(), self.cost).hash(state);
    }
}

/// The value, or a panic that says what is wrong with it: for constants, where it stops the compiler.
#[allow(clippy::panic, reason = "the try_ form of each caller is there for what is not a constant")]
const fn sound(limit: Result<Limit, LimitError>) -> Limit {
    match limit {
        Ok(limit) => limit,
        Err(error) => panic!("{}", error.text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_bounds_is_an_error_that_names_it() {
        let second = Duration::from_secs(1);
        let max = i64::MAX as u64;
        for (limit, error) in [
            (Limit::try_per(0, second), LimitError::Count),
            (Limit::try_per(max + 1, second), LimitError::Count),
            (Limit::try_per(1, Duration::ZERO), LimitError::Period),
            (Limit::try_per(1, Duration::from_micros(1500)), LimitError::Period),
            (Limit::try_per(1, Duration::MAX), LimitError::Period),
            (Limit::try_per(1_000_001, Duration::from_millis(1)), LimitError::TooFast),
            (Limit::per_hour(1).try_burst(0), LimitError::Burst),
            (Limit::per_hour(1).try_burst(max), LimitError::TooSlow),
            (Limit::per_hour(1).try_cost(max + 1), LimitError::Cost),
        ] {
            assert_eq!(limit, Err(error), "{error}");
        }
    }

    #[test]
    #[should_panic(expected = "the count of a limit is from 1 to 2^63-1")]
    fn the_short_forms_panic_with_the_same_words() {
        let _ = Limit::per_second(0);
    }

    #[test]
    fn per_second_means_per_second() {
        const LIMIT: Limit = Limit::per_second(10).burst(20).cost(3);
        assert_eq!((LIMIT.count(), LIMIT.period()), (10, Duration::from_secs(1)));
        assert_eq!((LIMIT.capacity(), LIMIT.tokens()), (20, 3));
        assert_eq!(Limit::per_minute(7).period(), Duration::from_secs(60));
        assert_eq!(Limit::per_hour(7).period(), Duration::from_secs(3600));
    }
}
