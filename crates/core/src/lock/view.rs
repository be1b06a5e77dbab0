//! What can be seen of a lock: live leases only.

use super::claim::{MAX_HOLDERS, Reply};
use super::holder::Holder;
use super::holders::{Deadlines, Holders};
use crate::time::{MAX_MS, Nanos};

/// The live leases of a lock at one instant.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    holders: Option<&'a Holders>,
    now_ms: u64,
    expiry_ms: u64,
}

impl<'a> View<'a> {
    pub(super) fn new(holders: &'a Holders, now: Nanos, expiry_ms: Option<u64>) -> Self {
        Self { holders: Some(holders), now_ms: now.as_millis(), expiry_ms: expiry_ms.unwrap_or(u64::MAX) }
    }

    /// Of a key that is not there.
    pub const NOTHING: Self = Self { holders: None, now_ms: 0, expiry_ms: 0 };

    /// Each live lease with what is left of it, in ms, at least 1; in the order of the grants.
    pub fn live(&self) -> impl DoubleEndedIterator<Item = (&'a Holder, u64)> + use<'a> {
        let view = *self;
        self.holders.into_iter().flat_map(Holders::iter).filter_map(move |holder| view.left(holder))
    }

    /// How many are live.
    pub fn count(&self) -> usize {
        match self.few() {
            Some(list) => list.iter().filter(|holder| self.left(holder).is_some()).count(),
            None => self.deadlines().map_or_else(|| self.live().count(), |deadlines| deadlines.len()),
        }
    }

    /// How long the holder has held it, in ms.
    pub fn held_ms(&self, holder: &Holder) -> u64 {
        self.now_ms.saturating_sub(holder.acquired_ms)
    }

    /// Whether the stored leases want to be put right, which takes a stranger or a bad clock: all of them have ended, or
    /// one says a later end than any that can be asked for. (As it is seen that one would stay as long as it was given,
    /// again and again.)
    pub fn wants_care(&self) -> bool {
        match self.few() {
            Some([holder]) => {
                holder.end_ms(self.now_ms, self.expiry_ms) <= self.now_ms || self.outlasts_all()
            }
            _ => self.has_ended() || self.outlasts_all(),
        }
    }

    /// Whether leases are stored and all of them have ended.
    pub fn has_ended(&self) -> bool {
        self.holders.is_some_and(|holders| holders.len() > 0) && self.count() == 0
    }

    /// Whether a lease says a later end than any that can be asked for.
    pub fn outlasts_all(&self) -> bool {
        self.holders.is_some_and(|holders| holders.last_deadline_ms().saturating_sub(self.now_ms) > MAX_MS)
    }

    /// The live lease of an owner, with what is left of it.
    pub fn find(&self, owner: &[u8]) -> Option<(&'a Holder, u64)> {
        self.left(self.holders?.find(owner)?)
    }

    /// What the owner is told who asks again while it holds: not granted, its own fence and time.
    pub fn own(&self, owner: &[u8]) -> Option<Reply> {
        let (holder, left) = self.find(owner)?;
        Some(Reply::not_held(holder.fence, left))
    }

    /// Whether fewer than `holders` hold it.
    pub fn admits(&self, holders: usize) -> bool {
        self.count() < holders
    }

    /// When fewer than `holders` will hold it, in ms from now; `None` if nobody holds it. The
    /// `(live - holders + 1)`th earliest end, and at least the earliest.
    pub fn opens_in_ms(&self, holders: usize) -> Option<u64> {
        if let Some(deadlines) = self.deadlines() {
            let ends_ms = deadlines.nth(deadlines.len().saturating_sub(holders))?;
            return Some(ends_ms.min(self.expiry_ms) - self.now_ms);
        }
        if let Some([holder]) = self.few() {
            return self.left(holder).map(|(_, left)| left);
        }
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
        match self.few() {
            Some([holder]) => self.left(holder).map_or(0, |(holder, _)| holder.fence),
            _ => self.live().next_back().map_or(0, |(holder, _)| holder.fence),
        }
    }

    #[inline]
    fn few(&self) -> Option<&'a [Holder]> {
        self.holders?.few()
    }

    fn left(&self, holder: &'a Holder) -> Option<(&'a Holder, u64)> {
        let left = holder.end_ms(self.now_ms, self.expiry_ms).saturating_sub(self.now_ms);
        (left > 0).then_some((holder, left))
    }

    /// The deadlines of many holders, where they are the ends of their leases, but for the key's expiry.
    fn deadlines(&self) -> Option<Deadlines<'a>> {
        let holders = self.holders?;
        let exact = self.now_ms < self.expiry_ms && !holders.need_cut(self.now_ms, u64::MAX);
        if exact { holders.deadlines_behind(self.now_ms) } else { None }
    }
}
