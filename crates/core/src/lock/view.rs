//! What can be seen of a lock: live leases only.

use super::claim::{MAX_HOLDERS, Reply};
use super::holder::Holder;
use crate::time::Nanos;

/// The live leases of a lock at one instant.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    holders: &'a [Holder],
    now_ms: u64,
    expiry_ms: Option<u64>,
}

impl<'a> View<'a> {
    pub(super) const fn new(holders: &'a [Holder], now: Nanos, expiry_ms: Option<u64>) -> Self {
        Self { holders, now_ms: now.as_millis(), expiry_ms }
    }

    /// Of a key that is not there.
    pub const NOTHING: Self = Self { holders: &[], now_ms: 0, expiry_ms: None };

    /// Each live lease with what is left of it, in ms, at least 1.
    pub fn live(&self) -> impl Iterator<Item = (&'a Holder, u64)> + use<'a> {
        let (now_ms, expiry_ms) = (self.now_ms, self.expiry_ms.unwrap_or(u64::MAX));
        let left = move |holder: &'a Holder| {
            let left = holder.deadline_ms.min(expiry_ms).saturating_sub(now_ms);
            (left > 0).then_some((holder, left))
        };
        self.holders.iter().filter_map(left)
    }

    /// How long the holder has held it, in ms.
    pub fn held_ms(&self, holder: &Holder) -> u64 {
        self.now_ms.saturating_sub(holder.acquired_ms)
    }

    /// Whether a lease has ended that is still stored.
    pub fn has_ended(&self) -> bool {
        self.live().count() < self.holders.len()
    }

    /// What the owner is told who asks again while it holds: not granted, its own fence and time.
    pub fn own(&self, owner: &[u8]) -> Option<Reply> {
        let (holder, left) = self.live().find(|(holder, _)| holder.owner() == owner)?;
        Some(Reply::not_held(holder.fence, left))
    }

    /// Whether fewer than `holders` hold it.
    pub fn admits(&self, holders: usize) -> bool {
        self.live().count() < holders
    }

    /// When fewer than `holders` will hold it, in ms from now; `None` if nobody holds it. The
    /// `(live - holders + 1)`th earliest end, and at least the earliest.
    pub fn opens_in_ms(&self, holders: usize) -> Option<u64> {
        let ends = || self.live().map(|(_, left)| left);
        if ends().count() <= holders {
            return ends().min();
        }
        let mut ends = Vec::from_iter(ends());
        ends.sort_unstable();
        ends.get(ends.len().saturating_sub(holders)).copied()
    }

    /// What a caller is told who does not get it.
    pub fn refusal(&self, holders: usize) -> Reply {
        match self.opens_in_ms(holders) {
            Some(ms) => Reply::not_held(self.newest_live_fence(), ms),
            None => Reply::NOBODY,
        }
    }

    /// What a caller is told whose lease is not there to extend: the earliest end.
    pub fn not_yours(&self) -> Reply {
        self.refusal(MAX_HOLDERS)
    }

    fn newest_live_fence(&self) -> u64 {
        self.live().map(|(holder, _)| holder.fence).max().unwrap_or(0)
    }
}
