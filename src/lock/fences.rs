//! The fences of this server: the last that was given, wherever it was given.

use sluice_core::lock::{Fences, Holder, Source};
use sluice_core::time::Nanos;

use crate::server::{Guarded, now};

static FENCES: Guarded<Fences> = Guarded::new();

/// The fence of a grant; `None` if none is left.
pub(super) fn next(now: Nanos) -> Option<u64> {
    FENCES.with(|fences| fences.next(now))
}

/// Takes note of the fences of leases that came from elsewhere; false, and of none, if one is not to be believed.
pub(crate) fn note<'a>(mut holders: impl Iterator<Item = &'a Holder>, source: Source) -> bool {
    let now = now();
    FENCES.with(|fences| {
        let mut raised = *fences;
        let believed = holders.all(|holder| raised.raise(holder.fence(), source, now));
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
    let now = now();
    FENCES.with(|fences| fences.raise(fence, Source::Server, now))
}
