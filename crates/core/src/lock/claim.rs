//! What a caller asks of a lock, and the three integers that it is told.

use crate::time::Millis;

/// The most that `HOLDERS` can ask for.
pub const MAX_HOLDERS: usize = 1024;

/// `ms` in the reply of a call that found nobody holding the lock.
pub const NOBODY: i64 = -2;

/// What TRY and ACQUIRE ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Who asks.
    pub owner: &'a [u8],
    /// How long the lease shall be, from the grant.
    pub lease: Millis,
    /// Grant only while fewer than so many hold it.
    pub holders: usize,
}

/// The three integers of TRY, ACQUIRE and EXTEND.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// 1 if the caller holds the lock by this call.
    pub held: i64,
    /// Held: the caller's fence. Not held: the newest holder's, 0 if nobody holds it.
    pub fence: i64,
    /// Held: what is left of the lease, ms. Not held: when to retry, [`NOBODY`] if nobody holds it.
    pub ms: i64,
}

impl Reply {
    pub(super) const NOBODY: Self = Self { held: 0, fence: 0, ms: NOBODY };

    pub(super) fn held(fence: u64, left_ms: u64) -> Self {
        Self { held: 1, fence: fence as i64, ms: left_ms as i64 }
    }

    pub(super) fn not_held(fence: u64, ms: u64) -> Self {
        Self { held: 0, fence: fence as i64, ms: ms as i64 }
    }
}
