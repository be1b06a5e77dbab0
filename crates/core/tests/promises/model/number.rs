//! Rational numbers, and times as such.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::ToPrimitive;
use sluice_core::time::{Millis, NS_PER_MS};

pub(crate) type Rational = BigRational;

pub(crate) fn int(n: u64) -> Rational {
    Rational::from_integer(BigInt::from(n))
}

/// So many ms, in ns.
pub(crate) fn ms(ms: i128) -> Rational {
    Rational::from_integer(BigInt::from(ms) * BigInt::from(NS_PER_MS))
}

pub(crate) fn ns(time: Millis) -> Rational {
    ms(i128::from(time.get()))
}

/// A time in ns, in ms rounded up.
pub(crate) fn ceil_ms(time: &Rational) -> i128 {
    (time / ms(1)).ceil().to_integer().to_i128().unwrap()
}

pub(crate) fn floor_ms(time: &Rational) -> i128 {
    (time / ms(1)).floor().to_integer().to_i128().unwrap()
}

/// As a reply has it.
pub(crate) fn told_ms(time: &Rational) -> i64 {
    i64::try_from(ceil_ms(time)).unwrap_or(i64::MAX)
}
