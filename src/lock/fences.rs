//! The fences of this server: the last that was given, wherever it was given.

use sluice_core::lock::{Fences, Lock};
use sluice_core::time::Nanos;

use crate::server::{Guarded, now};

static FENCES: Guarded<Fences> = Guarded::new();

/// The fence of a grant.
pub(super) fn next(now: Nanos) -> u64 {
    FENCES.with(|fences| fences.next(now))
}

/// Takes note of the fences of a lock that came from elsewhere; false if one is not to be believed.
pub(crate) fn note(lock: &Lock) -> bool {
    FENCES.with(|fences| {
        let mut raised = *fences;
        let believed = lock.holders().iter().all(|holder| raised.raise(holder.fence()));
        if believed {
            *fences = raised;
        }
        believed
    })
}

/// What an RDB file keeps beside the locks: the last fence, if the clock has not caught up with it.
pub(super) fn to_keep() -> Option<u64> {
    let now = now();
    FENCES.with(|fences| fences.ahead_of(now))
}

/// Takes note of what an RDB file kept; false if it is not to be believed.
pub(super) fn kept(fence: u64) -> bool {
    FENCES.with(|fences| fences.raise(fence))
}
