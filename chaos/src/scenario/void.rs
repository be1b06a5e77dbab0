//! Times in which a server gives what it may not keep: answered by a primary that is replaced without knowing it, and
//! not, or not for certain, known to the one that replaces it. Replication is asynchronous: that is no fault of a lock's.

use crate::history::Lease;

/// So long before a primary is struck, an answer may not have reached its replicas on a busy machine.
const UNDER_WAY_US: i64 = 500_000;

/// Nothing that a server answered in this time is certain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Void {
    node: u16,
    from_us: i64,
    to_us: i64,
}

impl Void {
    /// A primary that was struck at some time, and no primary any more at another, unix µs.
    pub(crate) fn of(node: u16, struck_us: i64, over_us: i64) -> Self {
        Self { node, from_us: struck_us - UNDER_WAY_US, to_us: over_us }
    }

    /// Whether a lease was granted, extended or released in that time.
    pub(crate) fn covers(&self, lease: &Lease<'_>) -> bool {
        lease.calls().any(|call| {
            call.node == self.node && call.ended_us >= self.from_us && call.invoked_us <= self.to_us
        })
    }
}
