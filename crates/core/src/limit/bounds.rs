//! How far ahead of the clock a limit may stand.

use super::quota::Quota;
use crate::time::Millis;

/// What the server's settings allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The longest queue: no reservation is longer than that.
    pub max_wait: Millis,
    /// The longest debt that FORCE may leave beyond a full bucket.
    pub max_debt: Millis,
}

impl Bounds {
    /// The most debt that is believed of a limit that nobody forced: a full bucket and the longest
    /// queue that can stand on it, `full + max(full, max_wait)`, in units of `1/count` ns.
    #[inline(always)]
    pub(super) fn queued(&self, quota: &Quota) -> u128 {
        let full = quota.full();
        full + full.max(units(self.max_wait, quota))
    }

    /// The most debt that FORCE leaves: `full + max(full, max_wait, max_debt)`.
    pub(super) fn forced(&self, quota: &Quota) -> u128 {
        let full = quota.full();
        full + full.max(units(self.max_wait.max(self.max_debt), quota))
    }
}

const fn units(ms: Millis, quota: &Quota) -> u128 {
    ms.as_nanos() as u128 * quota.count() as u128
}
