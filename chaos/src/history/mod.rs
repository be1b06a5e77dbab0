//! What clients asked, when, and what they were told: and whether that can be true of a lock and of a limit.
//!
//! Nothing in here knows a server. Times are µs of one clock that all clients share; the server's clock is a `Clock`
//! over it. A check says only what is *certain*: a call took effect at some instant between its invocation and its reply,
//! and a call without a reply at any later one, or never. So a machine that is busy makes checks blind, never red.

mod clock;
mod fences;
mod leases;
mod owners;
mod processes;
mod recovery;
mod waits;
mod windows;

#[cfg(test)]
mod written;

pub(crate) use clock::Clock;
pub(crate) use fences::fences_grow;
pub(crate) use leases::{Lease, Leases};
pub(crate) use owners::only_holders;
pub(crate) use processes::{Section, alone, resumed};
pub(crate) use recovery::{Found, Holder, Instants, State, Step, Track};
pub(crate) use waits::{Stopped, answered_in_time};
pub(crate) use windows::{Act, Promise};

/// A call about a lock.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Which client: for whoever reads the account of a violation.
    #[allow(dead_code, reason = "read by Debug")]
    pub(crate) client: usize,
    /// The port of the server that was asked last.
    pub(crate) node: u16,
    /// Which lock.
    pub(crate) key: usize,
    /// Who wants it; a fresh one for each attempt.
    pub(crate) owner: u64,
    pub(crate) asked: Asked,
    /// Before the command was sent, unix µs.
    pub(crate) invoked_us: i64,
    /// After the reply was read, or after it was clear that none would come, unix µs.
    pub(crate) ended_us: i64,
    pub(crate) told: Told,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// TRY, or ACQUIRE with a BLOCK. `holders` is the most that may hold it.
    Take {
        lease_ms: i64,
        holders: usize,
        block_ms: Option<i64>,
    },
    Extend {
        lease_ms: i64,
    },
    Release,
    /// An operator's DEL.
    Delete,
}

/// What the client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// held = 1, under this fence.
    Held(i64),
    /// held = 0.
    Refused,
    /// RELEASE or DEL: whether it ended a lease.
    Ended(bool),
    /// An error, so the call did nothing.
    Error(String),
    /// Nothing: the connection broke, or the client did not wait for the reply. Whatever was asked may happen at any
    /// later time.
    Nothing,
}

impl Call {
    /// The last instant at which it may have taken effect.
    fn latest_us(&self) -> i64 {
        if self.told == Told::Nothing { i64::MAX } else { self.ended_us }
    }

    /// Whether it surely did nothing.
    fn is_void(&self) -> bool {
        matches!(self.told, Told::Error(_))
    }
}
