//! One lease: who holds, under which fence, from when, until when.

use smallvec::SmallVec;

use super::fences::FENCE_BOUND;
use crate::time::MAX_MS;

/// The longest name of an owner, in bytes. The shortest is one byte.
pub const MAX_OWNER_LEN: usize = 512;

/// The name of an owner, within the lease if it is no longer than a UUID with its dashes: then a
/// lock of one holder is one block of memory, and looking at it is one way to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Owner(pub(super) SmallVec<[u8; 40]>);

impl Owner {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }
}

impl Clone for Owner {
    fn clone(&self) -> Self {
        Self::new(&self.0) // all bytes at once, where SmallVec would clone one after the other
    }
}

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub(super) owner: Owner,
    pub(super) fence: u64,
    pub(super) deadline_ms: u64,
    pub(super) acquired_ms: u64,
}

impl Holder {
    /// A lease in bounds, or `None`: an owner of 1 to [`MAX_OWNER_LEN`] bytes, a fence from 1 to
    /// below [`FENCE_BOUND`], instants in unix ms below 2^53.
    pub fn new(owner: &[u8], fence: u64, deadline_ms: u64, acquired_ms: u64) -> Option<Self> {
        const INSTANT_BOUND: u64 = 1 << 53;
        let in_bounds = is_owner(owner)
            && (1..FENCE_BOUND).contains(&fence)
            && deadline_ms < INSTANT_BOUND
            && acquired_ms < INSTANT_BOUND;
        in_bounds.then(|| Self { owner: Owner::new(owner), fence, deadline_ms, acquired_ms })
    }

    /// Who holds it: any bytes, chosen by the client.
    pub fn owner(&self) -> &[u8] {
        &self.owner.0
    }

    /// The fencing token of this lease.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// When it ends, in unix ms.
    pub fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// When it was granted, in unix ms.
    pub fn acquired_ms(&self) -> u64 {
        self.acquired_ms
    }

    /// When it ends as seen at `now_ms`, in unix ms: at its deadline, or with the key. But one that would last longer
    /// than any lease that can be asked for comes from a time that was never there, and has no more than it was given.
    ///
    /// No other lease is cut, even if it was granted later than it is now: the clock may come right again, and then it
    /// would have ended too early.
    pub(super) fn end_ms(&self, now_ms: u64, expiry_ms: u64) -> u64 {
        let end_ms = self.deadline_ms.min(expiry_ms);
        if end_ms.saturating_sub(now_ms) > MAX_MS {
            let given = self.deadline_ms.saturating_sub(self.acquired_ms);
            now_ms + given.min(MAX_MS)
        } else {
            end_ms
        }
    }

    /// The same lease, saying that end.
    pub(super) fn cut(mut self, now_ms: u64, expiry_ms: u64) -> Self {
        self.deadline_ms = self.end_ms(now_ms, expiry_ms);
        self
    }

    /// The bytes of the owner, for a server that moves memory to defragment it.
    pub fn owner_mut(&mut self) -> &mut SmallVec<[u8; 40]> {
        &mut self.owner.0
    }
}

/// Whether these bytes can name an owner.
pub fn is_owner(bytes: &[u8]) -> bool {
    (1..=MAX_OWNER_LEN).contains(&bytes.len())
}
