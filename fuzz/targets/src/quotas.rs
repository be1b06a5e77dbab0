//! Limits made of bytes: natural ones, and ones at the bounds.

use arbitrary::{Result, Unstructured};
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::quota::{MAX_OFFSET_S, Quota};
use sluice_core::time::{MAX_MS, MAX_NS, Millis};

const COUNTS: &[u64] = &[1, 2, 3, 7, 10, 60, 100, 300, 1000, 90_000];
const PERIODS_MS: &[u64] = &[1, 7, 100, 1000, 3000, 60_000, 3_600_000];

/// A limit that is legal: where the bytes say one that is not, the nearest that is.
pub(crate) fn quota(bytes: &mut Unstructured<'_>) -> Result<Quota> {
    let natural = bytes.ratio(3u8, 4u8)?;
    let (count, period_ms) = match natural {
        true => (*bytes.choose(COUNTS)?, *bytes.choose(PERIODS_MS)?),
        false => (bytes.arbitrary()?, bytes.int_in_range(1..=MAX_MS)?),
    };
    let period = Millis::new(period_ms).expect("at most 100 years");
    let count = count.clamp(1, period.as_nanos());
    Ok(match bytes.int_in_range(0..=5u8)? {
        0 => Quota::strict(count, period),
        1 => Quota::aligned(count, period, bytes.arbitrary::<u64>()?.min(MAX_OFFSET_S)),
        form => {
            let burst = match form {
                2 | 3 => count,
                4 => u64::from(bytes.arbitrary::<u8>()?),
                _ => bytes.arbitrary()?,
            };
            let most = u128::from(count) * u128::from(MAX_NS) / u128::from(period.as_nanos());
            let burst = u128::from(burst).clamp(1, most.min(i64::MAX as u128)) as u64;
            Quota::new(count, period, burst)
        }
    }
    .expect("a limit within the bounds"))
}

/// What the settings may be.
pub(crate) fn bounds(bytes: &mut Unstructured<'_>) -> Result<Bounds> {
    let millis = |ms| Millis::new(ms).expect("at most 100 years");
    let max_wait = *bytes.choose(&[60_000, 60_000, 0, 700, MAX_MS])?;
    let max_debt = *bytes.choose(&[3_600_000, 0, 700, MAX_MS])?;
    Ok(Bounds { max_wait: millis(max_wait), max_debt: millis(max_debt) })
}
