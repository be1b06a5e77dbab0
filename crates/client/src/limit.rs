//! One limit of a call: so many tokens a period, how they come back, and what this call takes.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use sluice_core::limit::call::Clause;
use sluice_core::limit::quota::{Kind, MAX_OFFSET_S, Quota, QuotaError};
use sluice_core::time::Millis;

/// So many tokens a period, of which a call takes `cost`.
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
/// How the tokens come back is one of three, and what it promises differs:
///
/// | | tokens come back | never more than |
/// |---|---|---|
/// | a rate, with [`burst`](Self::burst) | one after the other, evenly | `burst + count * t / period` in any time t: `per_second(10)` lets up to 19 through in the second after idling |
/// | [`strict`](Self::strict) | each a period after its act | `count` in any window of the period: never more than 10 in a second |
/// | [`aligned`](Self::aligned) | all when the calendar window ends | `count` in each calendar window; twice that around its end |
///
/// `burst` is the true capacity of a rate, how many can pass at once from idle, and is `count` unless
/// said otherwise; 1 spaces calls evenly. A rate is exact: 3 a second is never rounded to 334 ms. Its
/// state is the smallest; of a window, each act is kept until its tokens are back, up to 64 at once
/// (beyond that, tokens are back up to a 32nd of the period late).
///
/// A limit reads and prints as `100/1m`, `2/1s:5` (burst 5), `100/1m:strict`, `1000/1d:align=15h`: see
/// its `FromStr`.
///
/// Bounds: count and burst from 1, the period a whole number of ms up to 100 years, at most one
/// token a nanosecond, and a full bucket refills within 100 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    quota: Quota,
    cost: u64,
}

/// How the tokens of a [`Limit`] come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// One after the other, evenly: a bucket that refills.
    Rate,
    /// Each a period after its act.
    Strict,
    /// All when the calendar window ends in which they were used.
    Aligned {
        /// When one such window begins, from the Unix epoch; below the period.
        offset: Duration,
    },
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
    /// No window of the calendar begins at a whole second within 100 years of the offset.
    Align,
    /// More than one of a burst, strict and aligned: a limit is of one kind.
    Kind,
    /// The cost is above 2^63-1.
    Cost,
    /// No limit at all, or more than [`Limits::MAX`](crate::Limits::MAX).
    Clauses,
    /// A bill that does not name a cost for each limit.
    Costs,
}

impl LimitError {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Count => "the count of a limit is from 1 to 2^63-1",
            Self::Period => "the period of a limit is a whole number of milliseconds, from 1 ms to 100 years",
            Self::Burst => "the burst of a limit is from 1 to 2^63-1",
            Self::TooFast => "a limit is at most one token a nanosecond",
            Self::TooSlow => "the burst of a limit must refill within 100 years: lower it, or raise the rate",
            Self::Align => "the offset of a calendar is in whole seconds, up to 100 years",
            Self::Kind => "a burst, strict and aligned exclude each other: a limit has one of them",
            Self::Cost => "the cost of a call is from 0 to 2^63-1",
            Self::Clauses => "a call has from 1 to 8 limits",
            Self::Costs => "a call is settled with one cost for each of its limits",
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
        Self::of(Quota::new(count, period, count), 1)
    }

    /// The same limit with room for `burst` tokens at once. Panics as [`Self::per_second`].
    #[must_use]
    pub const fn burst(self, burst: u64) -> Self {
        sound(self.try_burst(burst))
    }

    /// As [`Self::burst`], for numbers that are not known when the program is written.
    pub const fn try_burst(self, burst: u64) -> Result<Self, LimitError> {
        match self.quota.kind() {
            Kind::Rate => Self::of(Quota::new(self.quota.count(), self.millis(), burst), self.cost),
            _ => Err(LimitError::Kind),
        }
    }

    /// The same limit, of which never more than the count pass in *any* window of the period, and all
    /// of it at once from idle.
    ///
    /// ```
    /// use sluice_client::{Limit, LimitError};
    /// // A contract that says "no more than 100 in any minute".
    /// const CONTRACT: Limit = Limit::per_minute(100).strict();
    /// assert_eq!(CONTRACT.try_burst(20), Err(LimitError::Kind));
    /// ```
    ///
    /// # Panics
    /// If the limit has a burst of its own or is aligned: it is of one kind. See [`Self::try_strict`].
    #[must_use]
    pub const fn strict(self) -> Self {
        sound(self.try_strict())
    }

    /// As [`Self::strict`], for what is not known when the program is written.
    pub const fn try_strict(self) -> Result<Self, LimitError> {
        if matches!(self.quota.kind(), Kind::Align(_)) || self.has_own_burst() {
            return Err(LimitError::Kind);
        }
        Self::of(Quota::strict(self.quota.count(), self.millis()), self.cost)
    }

    /// The same limit in calendar windows: the whole count is there at the beginning of each. `offset`
    /// says when one of them begins, from the Unix epoch, which was a Thursday at midnight UTC: of days,
    /// zero is midnight UTC and 15 hours are midnight in Tokyo (UTC+9); of weeks, 4 days are Monday.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sluice_client::Limit;
    /// const DAY: Duration = Duration::from_secs(86_400);
    /// // 1000 a day, all of them back at midnight in Tokyo.
    /// const QUOTA: Limit = Limit::per(1000, DAY).aligned(Duration::from_secs(15 * 3600));
    /// ```
    ///
    /// # Panics
    /// If the limit has a burst of its own or is strict, or the offset is not in whole seconds, up to 100
    /// years. See [`Self::try_aligned`].
    #[must_use]
    pub const fn aligned(self, offset: Duration) -> Self {
        sound(self.try_aligned(offset))
    }

    /// As [`Self::aligned`], for what is not known when the program is written.
    pub const fn try_aligned(self, offset: Duration) -> Result<Self, LimitError> {
        if matches!(self.quota.kind(), Kind::Strict) || self.has_own_burst() {
            return Err(LimitError::Kind);
        }
        match self.whole_second_from(offset) {
            Some(second) => Self::of(Quota::aligned(self.quota.count(), self.millis(), second), self.cost),
            None => Err(LimitError::Align),
        }
    }

    /// When the first window begins at a whole second, from an instant on at which one begins: calendars
    /// are asked for by such a second. `None` if there is none.
    const fn whole_second_from(&self, offset: Duration) -> Option<u64> {
        if !offset.subsec_nanos().is_multiple_of(1_000_000) {
            return None;
        }
        let (mut ms, mut windows) = (offset.as_millis(), 0);
        while !ms.is_multiple_of(1000) {
            if windows == 1000 {
                return None;
            }
            ms += self.quota.period_ms() as u128;
            windows += 1;
        }
        let second = ms / 1000;
        if second > MAX_OFFSET_S as u128 { None } else { Some(second as u64) }
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

    /// How its tokens come back.
    pub const fn kind(&self) -> LimitKind {
        match self.quota.kind() {
            Kind::Rate => LimitKind::Rate,
            Kind::Strict => LimitKind::Strict,
            Kind::Align(offset_ms) => LimitKind::Aligned { offset: Duration::from_millis(offset_ms) },
        }
    }

    /// How many tokens a call takes.
    pub const fn tokens(&self) -> u64 {
        self.cost
    }

    pub(crate) const fn clause(&self) -> Clause {
        Clause { quota: self.quota, cost: self.cost }
    }

    const fn of(quota: Result<Quota, QuotaError>, cost: u64) -> Result<Self, LimitError> {
        match quota {
            Ok(quota) => Ok(Self { quota, cost }),
            Err(QuotaError::Count) => Err(LimitError::Count),
            Err(QuotaError::Period) => Err(LimitError::Period),
            Err(QuotaError::Burst) => Err(LimitError::Burst),
            Err(QuotaError::TooFast) => Err(LimitError::TooFast),
            Err(QuotaError::TooSlow) => Err(LimitError::TooSlow),
            Err(QuotaError::Align) => Err(LimitError::Align),
        }
    }

    /// The period, which is in bounds: it comes from a quota.
    const fn millis(&self) -> Millis {
        match Millis::new(self.quota.period_ms()) {
            Some(period) => period,
            None => Millis::ZERO,
        }
    }

    const fn has_own_burst(&self) -> bool {
        self.quota.burst() != self.quota.count()
    }
}

impl Hash for Limit {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.count(), self.quota.period_ms(), self.capacity(), self.kind(), self.cost).hash(state);
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
            (Limit::per_hour(1).try_aligned(Duration::from_millis(1500)), LimitError::Align),
            (Limit::per_hour(1).try_aligned(Duration::from_secs(3_155_760_001)), LimitError::Align),
            (Limit::per_hour(1).try_aligned(Duration::MAX), LimitError::Align),
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
    fn a_limit_is_of_one_kind() {
        let limit = Limit::per_hour(9);
        for both in [
            limit.strict().try_burst(9),
            limit.strict().try_aligned(Duration::ZERO),
            limit.aligned(Duration::ZERO).try_burst(1),
            limit.aligned(Duration::ZERO).try_strict(),
            limit.burst(8).try_strict(),
            limit.burst(8).try_aligned(Duration::ZERO),
        ] {
            assert_eq!(both, Err(LimitError::Kind));
        }
        assert_eq!(limit.strict().strict().cost(3), limit.cost(3).strict());
    }

    #[test]
    fn kinds_are_other_limits_and_a_calendar_repeats() {
        let hour = Duration::from_secs(3600);
        let limit = Limit::per_hour(9);
        assert_ne!(limit, limit.strict());
        assert_ne!(limit.strict(), limit.aligned(Duration::ZERO));
        assert_ne!(limit.aligned(Duration::ZERO), limit.aligned(hour / 2));
        assert_eq!(limit.aligned(Duration::ZERO), limit.aligned(hour));
        assert_eq!(limit.aligned(hour / 2).kind(), LimitKind::Aligned { offset: hour / 2 });
        assert_eq!((limit.strict().capacity(), limit.strict().kind()), (9, LimitKind::Strict));
    }

    #[test]
    fn what_the_server_tells_of_a_calendar_is_the_limit_that_was_asked_for() {
        let odd = Limit::per(9, Duration::from_millis(1500));
        for (limit, offset) in [(Limit::per_hour(9), 1234), (odd, 0), (odd, 1), (odd, 2)] {
            let limit = limit.aligned(Duration::from_secs(offset));
            let LimitKind::Aligned { offset } = limit.kind() else { panic!("a calendar") };
            assert_eq!(Limit::per(9, limit.period()).try_aligned(offset), Ok(limit));
        }
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
