//! A quota and how far it is used.
//!
//! GCRA keeps one number a limit, the *theoretical arrival time* (tat): the instant at which the
//! bucket is full again. What is used up is the distance from now to the tat, here called the
//! **debt**. A token takes `period_ns / count` ns, which is seldom a whole number, so debts are
//! counted in units of `1/count` ns: a token is then exactly `period_ns` units and nothing is ever
//! rounded. All products stay below 2^127 by the bounds of [`Quota`] and [`Millis`].

use super::quota::{Quota, units};
use crate::time::{Millis, NS_PER_MS, Nanos};

/// The last instant a stored tat can name: 19 digits of ns, in the year 2262.
pub const MAX_TAT: u64 = i64::MAX as u64;

/// One limit with its state. `tat_ns + remainder / count` is the exact theoretical arrival time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    quota: Quota,
    tat_ns: u64,
    remainder: u64,
}

/// Where a bucket stands at one instant, as `RATELIMIT.INFO` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whole tokens that could be taken now.
    pub remaining: u64,
    /// Until there is one token more, in ms rounded up; 0 when full.
    pub next_ms: i64,
    /// Until the bucket is full again, in ms rounded up; 0 when full.
    pub reset_ms: i64,
}

impl Bucket {
    /// A full bucket: nothing used.
    pub const fn idle(quota: Quota) -> Self {
        Self { quota, tat_ns: 0, remainder: 0 }
    }

    /// A bucket from its stored parts; `None` unless `tat_ns <= MAX_TAT` and `remainder < count`.
    pub const fn from_parts(quota: Quota, tat_ns: u64, remainder: u64) -> Option<Self> {
        if tat_ns <= MAX_TAT && remainder < quota.count() {
            Some(Self { quota, tat_ns, remainder })
        } else {
            None
        }
    }

    /// The limit.
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The whole nanoseconds of the theoretical arrival time; 0 when idle.
    pub const fn tat_ns(&self) -> u64 {
        self.tat_ns
    }

    /// What comes on top of [`Self::tat_ns`], in `1/count` ns; below `count`.
    pub const fn remainder(&self) -> u64 {
        self.remainder
    }

    /// `max(0, tat + r/count - now)`, in units of `1/count` ns.
    pub(crate) fn debt(&self, now: Nanos) -> u128 {
        match self.tat_ns.checked_sub(now.0) {
            Some(ahead) => u128::from(ahead) * u128::from(self.quota.count()) + u128::from(self.remainder),
            None => 0,
        }
    }

    /// Sets the tat to `now + debt`; a debt of 0 makes the bucket idle.
    pub(crate) fn set_debt(&mut self, now: Nanos, debt: u128) {
        if debt == 0 {
            *self = Self::idle(self.quota);
            return;
        }
        let (ahead, remainder) = div_rem(debt, u128::from(self.quota.count()));
        let tat = u128::from(now.0) + ahead;
        match u64::try_from(tat) {
            Ok(tat_ns @ ..=MAX_TAT) => {
                self.tat_ns = tat_ns;
                self.remainder = remainder as u64; // below count
            }
            _ => {
                self.tat_ns = MAX_TAT;
                self.remainder = 0;
            }
        }
    }

    /// Whether nothing is used at `now`.
    pub fn is_full(&self, now: Nanos) -> bool {
        self.debt(now) == 0
    }

    /// The first ms at which the bucket is full again: `ceil(tat)`, in unix ms.
    pub fn full_at_ms(&self) -> u64 {
        (self.tat_ns + u64::from(self.remainder > 0)).div_ceil(NS_PER_MS)
    }

    /// The most debt that is believed: a full bucket and the longest queue that can stand on it,
    /// `full + max(full, max_wait)`. Anything beyond it comes from a clock that was set back.
    pub(crate) fn debt_cap(&self, max_wait: Millis) -> u128 {
        let full = self.quota.full();
        full + full.max(units(max_wait, self.quota.count()))
    }

    /// Carries the bucket over to another limit, keeping the used *share*: a bucket 30 % used stays
    /// 30 % used, and time owed beyond a full bucket (the queue) stays time.
    ///
    /// `used = min(d, full_old)`; `d_new = ceil(used * full_new / full_old) + (d - used)`, rounded
    /// up to what the new limit can store, `1/count` ns or a whole ns; never in the caller's favour.
    pub(crate) fn requote(&self, quota: Quota, now: Nanos) -> Self {
        let debt = self.debt(now);
        let full_old = self.quota.full();
        let used = debt.min(full_old);
        let share = mul_div_ceil(used, quota.full(), full_old);
        let queue = rescale_ceil(debt - used, self.quota.count(), quota.count());
        let mut debt = share + queue;
        if !quota.has_remainder() {
            debt = debt.next_multiple_of(u128::from(quota.count())); // whole ns: no `r` is stored
        }
        let mut bucket = Self::idle(quota);
        bucket.set_debt(now, debt);
        bucket
    }

    /// Where a bucket with this debt stands.
    pub(crate) fn standing(&self, debt: u128) -> Standing {
        let remaining = self.remaining(debt);
        let missing = u128::from(self.quota.burst() - remaining);
        let until_next = match missing.checked_sub(1) {
            Some(rest) => debt - rest * self.quota.token(),
            None => 0,
        };
        Standing { remaining, next_ms: self.ms(until_next), reset_ms: self.ms(debt) }
    }

    /// Whole tokens left of a bucket with this debt.
    pub(crate) fn remaining(&self, debt: u128) -> u64 {
        let left = self.quota.full().saturating_sub(debt);
        div_rem(left, self.quota.token()).0 as u64 // at most burst
    }

    /// Units of `1/count` ns as ms, rounded up; `i64::MAX` where a forced cost goes beyond that.
    pub(crate) fn ms(&self, units: u128) -> i64 {
        ceil_ms(units, self.quota.count())
    }
}

/// Units of `1/count` ns as ms, rounded up; `i64::MAX` where a forced cost goes beyond that.
pub(crate) fn ceil_ms(units: u128, count: u64) -> i64 {
    if units == 0 {
        return 0;
    }
    let a_ms = u128::from(count) * u128::from(NS_PER_MS);
    let (ms, rest) = div_rem(units, a_ms);
    i64::try_from(ms + u128::from(rest > 0)).unwrap_or(i64::MAX)
}

/// `(a / b, a % b)`. Nearly all operands fit 64 bits, where the division is several times cheaper.
pub(crate) fn div_rem(a: u128, b: u128) -> (u128, u128) {
    match (u64::try_from(a), u64::try_from(b)) {
        (Ok(a), Ok(b)) => (u128::from(a / b), u128::from(a % b)),
        _ => (a / b, a % b),
    }
}

/// `ceil(a * b / c)` for `a <= c < 2^126`, exact although `a * b` may take 256 bits: long
/// multiplication and division in one, bit by bit of `b`, keeping quotient and remainder.
fn mul_div_ceil(a: u128, b: u128, c: u128) -> u128 {
    let (mut quotient, mut remainder) = (0u128, 0u128);
    for bit in (0..128 - b.leading_zeros()).rev() {
        quotient *= 2;
        remainder *= 2;
        if (b >> bit) & 1 == 1 {
            remainder += a;
        }
        // remainder < 3c < 2^128 here: a <= c, and it was below c before it was doubled
        while remainder >= c {
            remainder -= c;
            quotient += 1;
        }
    }
    quotient + u128::from(remainder > 0)
}

/// `ceil(units * to / from)`: units of `1/from` ns in units of `1/to` ns.
fn rescale_ceil(units: u128, from: u64, to: u64) -> u128 {
    let (from, to) = (u128::from(from), u128::from(to));
    let (whole, rest) = div_rem(units, from);
    whole * to + (rest * to).div_ceil(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn quota(count: u64, period_ms: u64, burst: u64) -> Quota {
        Quota::new(count, Millis::new(period_ms).unwrap(), burst).unwrap()
    }

    fn used(quota: Quota, now: Nanos, tokens: u64) -> Bucket {
        let mut bucket = Bucket::idle(quota);
        bucket.set_debt(now, u128::from(tokens) * quota.token());
        bucket
    }

    #[test]
    fn a_third_of_a_second_is_exact() {
        let now = Nanos(1_000_000_000);
        let bucket = used(quota(3, 1000, 3), now, 1);
        assert_eq!((bucket.tat_ns(), bucket.remainder()), (1_333_333_333, 1));
        assert_eq!(bucket.full_at_ms(), 1_334);
        assert_eq!(bucket.standing(bucket.debt(now)), Standing { remaining: 2, next_ms: 334, reset_ms: 334 });
    }

    #[test]
    fn another_limit_keeps_the_used_share() {
        let now = Nanos(1_000_000_000_000);
        for (name, old, tokens, new, remaining) in [
            ("30 % of 10 is 30 % of 100", quota(10, 10_000, 10), 3, quota(100, 10_000, 100), 70),
            ("a third stays a third", quota(3, 1000, 3), 1, quota(30, 1000, 30), 20),
            ("slower by ten", quota(100, 60_000, 100), 25, quota(10, 60_000, 10), 7),
            ("the same pace in other words", quota(60, 60_000, 60), 20, quota(1, 1000, 60), 40),
            ("empty stays empty", quota(5, 1000, 5), 5, quota(7, 3000, 9), 0),
        ] {
            let bucket = used(old, now, tokens).requote(new, now);
            assert_eq!(bucket.remaining(bucket.debt(now)), remaining, "{name}");
        }
    }

    #[test]
    fn what_the_new_limit_cannot_store_is_rounded_up() {
        let now = Nanos(1_000_000_000_000);
        let third = used(quota(3, 1000, 3), now, 1);
        assert_eq!(third.requote(quota(30, 1000, 30), now).tat_ns() - now.0, 333_333_333);
        assert_eq!(third.requote(quota(10, 1000, 10), now).tat_ns() - now.0, 333_333_334);
    }

    #[test]
    fn time_owed_beyond_full_stays_time() {
        let now = Nanos(1_000_000_000_000);
        // 10 of 10 a second used, and five more promised: the queue is half a second
        let bucket = used(quota(10, 1000, 10), now, 15).requote(quota(1, 7000, 1), now);
        assert_eq!(bucket.ms(bucket.debt(now)), 7_000 + 500);
    }

    proptest! {
        #[test]
        fn long_multiplication_agrees_where_it_fits(a in 0..1u128 << 60, b in 0..1u128 << 60, c in 1..1u128 << 60) {
            let a = a.min(c);
            prop_assert_eq!(mul_div_ceil(a, b, c), (a * b).div_ceil(c));
        }
    }

    #[test]
    fn long_multiplication_holds_at_the_bounds() {
        let big = (1u128 << 126) - 1;
        assert_eq!(mul_div_ceil(big, big, big), big);
        assert_eq!(mul_div_ceil(0, big, 1), 0);
        assert_eq!(mul_div_ceil(1, big, big), 1);
        assert_eq!(mul_div_ceil(big - 1, 2, big), 2);
    }
}
