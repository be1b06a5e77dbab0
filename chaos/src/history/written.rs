//! Histories as tests write them down.

use super::{Asked, Call, Told};

/// A lease of 100 ms for one holder, asked for and granted at these times, on lock 0. The owner is the fence.
pub(crate) fn take(client: usize, invoked_us: i64, ended_us: i64, fence: i64) -> Call {
    let asked = Asked::Take { lease_ms: 100, holders: 1, block_ms: None };
    let owner = fence.unsigned_abs();
    Call { client, node: 7001, key: 0, owner, asked, invoked_us, ended_us, told: Told::Held(fence) }
}

/// Another call by the owner that was granted that.
pub(crate) fn then(granted: &Call, asked: Asked, invoked_us: i64, ended_us: i64, told: Told) -> Call {
    Call { asked, invoked_us, ended_us, told, ..granted.clone() }
}
