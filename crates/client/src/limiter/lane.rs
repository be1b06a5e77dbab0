//! Which turns can be exchanged for each other.

use std::sync::Arc;

use crate::limits::Limits;

/// Who granted a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    Server,
    /// The server, and a hold that was set later has moved the turn. Those who have heard of it wait
    /// apart from those who have not.
    Moved,
    /// This process, in an outage.
    Local,
}

/// What turns have to have in common to be exchanged: one key, the same limits and costs, one origin.
/// Made for every reservation and passed around, so it is one pointer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lane(Arc<Common>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Common {
    key: Box<[u8]>,
    limits: Limits,
    origin: Origin,
}

impl Lane {
    pub(super) fn new(key: &[u8], limits: Limits, origin: Origin) -> Self {
        Self(Arc::new(Common { key: key.into(), limits, origin }))
    }

    /// Where those wait whose turn in this lane was moved by a hold.
    pub(super) fn moved(&self) -> Self {
        Self::new(self.key(), *self.limits(), Origin::Moved)
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.0.key
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(super) fn origin(&self) -> Origin {
        self.0.origin
    }
}
