//! What a key stores: its limits by place, and its hold.

use arrayvec::ArrayVec;

use super::bounds::Bounds;
use super::call::{Change, Clause, Clauses, MAX_CLAUSES};
use super::hold::Hold;
use super::meter::{Gauge, Meter};
use crate::time::Nanos;

/// The limits of a key, by place. While a call is decided they can be those that are stored and
/// as many again that it names.
pub type Meters = ArrayVec<Meter, { 2 * MAX_CLAUSES }>;

/// The state of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The limits, in the order of their places.
    pub meters: Meters,
    /// The hold.
    pub hold: Hold,
    /// Something is stored that one caller with one set of limits never leaves: several limits at a
    /// place, an own time, a forced debt, or a hold.
    pub(super) is_mixed: bool,
    /// How many limits were read.
    pub(super) stored: u8,
}

impl State {
    /// Nothing used, nothing held.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the call finds its limits where it has them, and nothing else is to be looked at:
    /// the common case.
    #[inline(always)]
    pub(super) fn is_laid_out_as(&self, clauses: &Clauses) -> bool {
        let same = |(clause, meter): (&Clause, &Meter)| meter.quota() == &clause.quota;
        !self.is_mixed && clauses.iter().zip(&self.meters).all(same)
    }

    /// Whether every limit is full.
    pub(super) fn is_full(&self, now: Nanos) -> bool {
        self.meters.iter().all(|meter| meter.is_full(now))
    }

    /// Whether the key means nothing: as if it were not there.
    pub fn is_idle(&self, now: Nanos) -> bool {
        !self.hold.holds(now) && self.is_full(now)
    }

    /// Cuts what comes from a clock that was set back. True if anything did.
    #[inline(always)]
    pub(super) fn cut(&mut self, now: Nanos, bounds: &Bounds) -> bool {
        let mut cut = !self.hold.is_nothing() && self.hold.cut(now);
        let key_time = self.hold.key_time(now);
        for meter in &mut self.meters {
            cut |= meter.cut(key_time, bounds);
        }
        cut
    }

    /// How many limits are at this place.
    pub(super) fn count_at(&self, place: u8) -> usize {
        self.meters.iter().filter(|meter| meter.place == place).count()
    }

    /// Adds a limit behind those at its place.
    pub(super) fn insert(&mut self, meter: Meter) {
        let at = self.meters.partition_point(|other| other.place <= meter.place);
        let added = self.meters.try_insert(at, meter);
        debug_assert!(added.is_ok(), "a key knows 8 limits and a call has 8 clauses");
    }

    /// Takes a limit out; a place that empties goes.
    pub(super) fn remove(&mut self, at: usize) {
        let Some(gone) = self.meters.pop_at(at) else { return };
        if self.count_at(gone.place) == 0 {
            for meter in self.meters.iter_mut().filter(|meter| meter.place > gone.place) {
                meter.place -= 1;
            }
        }
    }

    /// What becomes of the key: once stale limits have gone, what is left may mean nothing, and is no state to be
    /// stored.
    pub(super) fn to_be_stored(&self, now: Nanos) -> Change {
        if self.is_idle(now) { Change::Delete } else { Change::Write }
    }

    /// Brings the state into the one form in which it is stored.
    pub(super) fn settle(&mut self, now: Nanos, bounds: &Bounds) {
        let key_time = self.hold.key_time(now);
        let turn_ahead = self.meters.iter().any(|meter| meter.has_turn_ahead(key_time));
        self.hold.forget(now, bounds.max_wait, turn_ahead);
        self.is_mixed = !self.hold.is_nothing();
        for at in 0..self.meters.len() {
            let alone = self.meters.get(at).is_some_and(|meter| self.count_at(meter.place) == 1);
            let Some(meter) = self.meters.get_mut(at) else { break };
            meter.mark(key_time, bounds);
            // Alone, the own time matters only where others have used more; among several it is always stored.
            meter.own_ms = match alone {
                true => meter.own_ms.filter(|own_ms| *own_ms < meter.end_ms()),
                false => Some(meter.own_or_end_ms()),
            };
            let forced = matches!(&meter.gauge, Gauge::Bucket(bucket) if bucket.is_forced());
            self.is_mixed |= !alone || forced || meter.own_ms.is_some();
        }
    }
}
