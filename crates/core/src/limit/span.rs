//! A stretch of time, exact where a nanosecond is too coarse.

use crate::time::NS_PER_MS;

/// `units / count` ns. A limit of `count` tokens counts time in units of `1/count` ns, in which a token takes
/// `period_ns` units, so that nothing is ever rounded; windows count in whole ns, a `count` of 1.
///
/// All spans of this crate stay below 2^127 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) units: u128,
    pub(super) count: u64,
}

impl Span {
    pub(super) const NOTHING: Self = Self { units: 0, count: 1 };

    pub(super) const fn ns(ns: u64) -> Self {
        Self { units: ns as u128, count: 1 }
    }

    #[inline(always)]
    pub(super) const fn is_nothing(self) -> bool {
        self.units == 0
    }

    #[inline(always)]
    pub(super) fn is_longer_than(self, other: Self) -> bool {
        if self.count == other.count || self.units == 0 {
            return self.units > other.units;
        }
        // whole ns first, then the fractions, cross-multiplied
        let (count, other_count) = (u128::from(self.count), u128::from(other.count));
        let (ns, rest) = div_rem(self.units, count);
        let (other_ns, other_rest) = div_rem(other.units, other_count);
        (ns, rest * other_count) > (other_ns, other_rest * count)
    }

    /// Longer by `ns` nanoseconds.
    #[inline(always)]
    pub(super) const fn plus_ns(self, ns: u64) -> Self {
        Self { units: self.units + ns as u128 * self.count as u128, count: self.count }
    }

    /// In ns, rounded up.
    #[inline(always)]
    pub(super) fn ceil_ns(self) -> u128 {
        if self.units == 0 {
            return 0;
        }
        let (ns, rest) = div_rem(self.units, u128::from(self.count));
        ns + u128::from(rest > 0)
    }

    /// In ms, rounded up; `i64::MAX` where a forced cost goes beyond that.
    #[inline(always)]
    pub(super) fn ceil_ms(self) -> i64 {
        if self.units == 0 {
            return 0;
        }
        let a_ms = u128::from(self.count) * u128::from(NS_PER_MS);
        let (ms, rest) = div_rem(self.units, a_ms);
        i64::try_from(ms + u128::from(rest > 0)).unwrap_or(i64::MAX)
    }

    /// The same time in units of `1/count` ns, rounded up.
    pub(super) fn in_units_of(self, count: u64) -> u128 {
        let (from, to) = (u128::from(self.count), u128::from(count));
        let (whole, rest) = div_rem(self.units, from);
        whole * to + (rest * to).div_ceil(from)
    }
}

/// `(a / b, a % b)`. Nearly all operands fit 64 bits, where the division is several times cheaper.
#[inline(always)]
pub(super) fn div_rem(a: u128, b: u128) -> (u128, u128) {
    match (u64::try_from(a), u64::try_from(b)) {
        (Ok(a), Ok(b)) => (u128::from(a / b), u128::from(a % b)),
        _ => (a / b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_different_units_compare_exactly() {
        let third = Span { units: 1, count: 3 };
        let more = Span { units: 334, count: 1_000 };
        assert!(more.is_longer_than(third) && !third.is_longer_than(more));
        assert!(!third.is_longer_than(Span { units: 2, count: 6 }));
        assert!(!Span::NOTHING.is_longer_than(Span { units: 0, count: 7 }));
    }

    #[test]
    fn spans_round_up_and_only_in_the_end() {
        let third = Span { units: 1_000_000_001, count: 3 };
        assert_eq!((third.ceil_ns(), third.ceil_ms()), (333_333_334, 334));
        assert_eq!(third.plus_ns(1).units, 1_000_000_004);
        assert_eq!(third.in_units_of(3), 1_000_000_001);
        assert_eq!(third.in_units_of(7), 2_333_333_336); // 2333333335.67
        assert_eq!(Span { units: u128::MAX >> 1, count: 1 }.ceil_ms(), i64::MAX);
    }
}
