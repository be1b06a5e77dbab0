//! A hold: an instant before which nobody acts, and by how much earlier turns have moved behind it.
//!
//! The key's clock stands still while it is held. Whoever was told a turn before a hold acts later
//! by the time that the hold added; so the last few holds are kept for as long as such a turn may
//! lie ahead.

use arrayvec::ArrayVec;

use super::bucket::MAX_TAT;
use crate::time::{Millis, NS_PER_MS, Nanos};

/// How many holds are told apart; older ones count as one.
pub const MAX_MOVES: usize = 8;

/// The last ms that a hold can name.
const MAX_TIME_MS: u64 = MAX_TAT / NS_PER_MS;

/// By how much turns moved that had been told before an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// When the hold was set, in unix ms.
    pub since_ms: u64,
    /// By how much it moved the turns before it.
    pub by_ms: u64,
}

/// The record of a key's holds. Nothing is held, and nothing known of earlier holds, by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hold {
    until_ms: u64,
    moves: ArrayVec<Move, MAX_MOVES>,
}

impl Hold {
    /// A stored record; `None` if it is not one: an instant of 0 or beyond the year 2262, or moves
    /// that are not in the order of time, or none.
    pub(super) fn from_parts(until_ms: u64, moves: ArrayVec<Move, MAX_MOVES>) -> Option<Self> {
        let ordered = !moves.is_empty() && moves.is_sorted_by_key(|step| step.since_ms);
        let moved = moves.iter().all(|step| step.by_ms > 0 && step.since_ms <= MAX_TIME_MS);
        let bounded = moves.iter().try_fold(0u64, |sum, step| sum.checked_add(step.by_ms)).is_some();
        ((1..=MAX_TIME_MS).contains(&until_ms) && ordered && moved && bounded)
            .then_some(Self { until_ms, moves })
    }

    /// Whether there is anything to store.
    pub fn is_nothing(&self) -> bool {
        self.until_ms == 0
    }

    /// When it ends or ended, in unix ms; 0 if there was none.
    pub fn until_ms(&self) -> u64 {
        self.until_ms
    }

    /// The holds that may still concern somebody, the oldest first.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// The key's own time: it stands still at the end of a hold until that has come.
    pub(super) fn key_time(&self, now: Nanos) -> Nanos {
        now.max(Nanos::from_millis(self.until_ms))
    }

    /// Whether the key is held.
    pub(super) fn holds(&self, now: Nanos) -> bool {
        self.key_time(now) > now
    }

    /// Cuts a hold that lasts longer than it was ever set for: the clock was set back. True if it did.
    pub(super) fn cut(&mut self, now: Nanos) -> bool {
        let longest_ms = now.ceil_millis() + self.moves.iter().map(|step| step.by_ms).sum::<u64>();
        if self.until_ms <= longest_ms {
            return false;
        }
        self.until_ms = longest_ms;
        self.not_ahead(now);
        true
    }

    /// Holds the key until then, if it is not held for longer. Returns by how many ms the turns
    /// that were given move: 0 if nothing changed.
    pub(super) fn extend(&mut self, now: Nanos, time: Millis) -> u64 {
        let until_ms = (now.ceil_millis() + time.get()).min(MAX_TIME_MS);
        let before = self.key_time(now);
        if Nanos::from_millis(until_ms) <= before {
            return 0;
        }
        let by_ms = (Nanos::from_millis(until_ms).0 - before.0).div_ceil(NS_PER_MS);
        self.until_ms = until_ms;
        self.not_ahead(now);
        if self.moves.is_full()
            && let Some(oldest) = self.moves.pop_at(0)
            && let Some(next) = self.moves.first_mut()
        {
            next.by_ms = next.by_ms.saturating_add(oldest.by_ms);
        }
        let step = Move { since_ms: now.ceil_millis(), by_ms };
        let added = self.moves.try_push(step);
        debug_assert!(added.is_ok(), "there was room for one");
        by_ms
    }

    /// Ends it. Returns by how many ms the turns that were given move forward again.
    pub(super) fn end(&mut self, now: Nanos) -> u64 {
        let unused_ms = self.until_ms.saturating_sub(now.ceil_millis());
        self.until_ms = self.until_ms.min(now.as_millis());
        let mut rest_ms = unused_ms;
        while let Some(newest) = self.moves.last_mut().filter(|_| rest_ms > 0) {
            let off = rest_ms.min(newest.by_ms);
            rest_ms -= off;
            newest.by_ms -= off;
            if newest.by_ms == 0 {
                self.moves.pop();
            }
        }
        unused_ms
    }

    /// How much longer somebody has to sleep whose turn is due by what it was told `told` ago.
    pub(super) fn turn_ms(&self, now: Nanos, told: Millis) -> i64 {
        let told_at = now.0.saturating_sub(told.as_nanos());
        let later = |step: &&Move| Nanos::from_millis(step.since_ms).0 > told_at;
        let moved = self.moves.iter().filter(later).map(|step| step.by_ms).sum::<u64>();
        let held = (self.key_time(now).0 - now.0).div_ceil(NS_PER_MS);
        i64::try_from(moved.max(held)).unwrap_or(i64::MAX)
    }

    /// Forgets what concerns nobody any more.
    pub(super) fn forget(&mut self, now: Nanos, max_wait: Millis, turn_ahead: bool) {
        if self.is_nothing() || self.holds(now) {
            return;
        }
        self.moves.retain(|step| step.since_ms + max_wait.get() > now.as_millis());
        if self.moves.is_empty() || !turn_ahead {
            *self = Self::default();
        }
    }

    /// After a clock that was set back, no hold was set later than now.
    fn not_ahead(&mut self, now: Nanos) {
        for step in &mut self.moves {
            step.since_ms = step.since_ms.min(now.ceil_millis());
        }
    }
}
