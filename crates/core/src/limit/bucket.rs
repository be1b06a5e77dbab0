//! A rate limit and how far it is used: the generic cell rate algorithm.
//!
//! GCRA keeps one number a limit, the *theoretical arrival time* (tat): the instant at which the
//! bucket is full again. What is used up is the distance from now to the tat, here called the
//! **debt**. A token takes `period_ns / count` ns, which is seldom a whole number, so debts are
//! counted in units of `1/count` ns: a token is then exactly `period_ns` units and nothing is ever
//! rounded. All products stay below 2^127 by the bounds of [`Quota`] and [`Millis`](crate::time::Millis).

use super::bounds::Bounds;
use super::quota::Quota;
use super::span::{Span, div_rem};
use crate::time::{NS_PER_MS, Nanos};

/// The last instant a stored tat can name: 19 digits of ns, in the year 2262.
pub const MAX_TAT: u64 = i64::MAX as u64;

/// One limit with its state. `tat_ns + remainder / count` is the exact theoretical arrival time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    quota: Quota,
    tat_ns: u64,
    remainder: u64,
    /// Its debt was forced: it may be larger than any queue explains.
    forced: bool,
}

impl Bucket {
    /// A full bucket: nothing used.
    pub const fn idle(quota: Quota) -> Self {
        Self { quota, tat_ns: 0, remainder: 0, forced: false }
    }

    /// A bucket from its stored parts; `None` unless `tat_ns <= MAX_TAT` and `remainder < count`,
    /// and no debt is marked as forced where there is none.
    #[inline(always)]
    pub const fn from_parts(quota: Quota, tat_ns: u64, remainder: u64, forced: bool) -> Option<Self> {
        if tat_ns <= MAX_TAT && remainder < quota.count() && !(forced && tat_ns == 0) {
            Some(Self { quota, tat_ns, remainder, forced })
        } else {
            None
        }
    }

    /// The limit.
    #[inline(always)]
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The whole nanoseconds of the theoretical arrival time; 0 when idle.
    pub const fn tat_ns(&self) -> u64 {
        self.tat_ns
    }

    /// What comes on top of [`Self::tat_ns`], in `1/count` ns; below `count`.
    pub const fn remainder(&self) -> u64 {
        self.remainder
    }

    /// Whether its debt is marked as forced.
    pub const fn is_forced(&self) -> bool {
        self.forced
    }

    /// `max(0, tat + r/count - now)`, in units of `1/count` ns.
    #[inline(always)]
    pub fn debt(&self, now: Nanos) -> u128 {
        match self.tat_ns.checked_sub(now.0) {
            Some(ahead) => u128::from(ahead) * u128::from(self.quota.count()) + u128::from(self.remainder),
            None => 0,
        }
    }

    /// Sets the tat to `now + debt`; a debt of 0 makes the bucket idle.
    #[inline(always)]
    pub(super) fn set_debt(&mut self, now: Nanos, debt: u128) {
        if debt == 0 {
            *self = Self::idle(self.quota);
            return;
        }
        let (ahead, remainder) = div_rem(debt, u128::from(self.quota.count()));
        let tat = u128::from(now.0) + ahead;
        match u64::try_from(tat) {
            Ok(tat_ns @ ..=MAX_TAT) => {
                self.tat_ns = tat_ns;
                self.remainder = remainder as u64; // below count
            }
            _ => {
                self.tat_ns = MAX_TAT;
                self.remainder = 0;
            }
        }
    }

    /// The first ms at which the bucket is full again: `ceil(tat)`, in unix ms; 0 when idle.
    #[inline(always)]
    pub(super) fn end_ms(&self) -> u64 {
        (self.tat_ns + u64::from(self.remainder > 0)).div_ceil(NS_PER_MS)
    }

    /// Until it is full.
    #[inline(always)]
    pub(super) fn reset(&self, now: Nanos) -> Span {
        Span { units: self.debt(now), count: self.quota.count() }
    }

    /// Until `cost` tokens are there.
    #[inline(always)]
    pub(super) fn wait(&self, now: Nanos, cost: u64) -> Span {
        let needed = self.debt(now) + u128::from(cost) * self.quota.token();
        Span { units: needed.saturating_sub(self.quota.full()), count: self.quota.count() }
    }

    /// Whole tokens that are there.
    #[inline(always)]
    pub(super) fn remaining(&self, now: Nanos) -> u64 {
        let left = self.quota.full().saturating_sub(self.debt(now));
        div_rem(left, self.quota.token()).0 as u64 // at most burst
    }

    /// Takes `cost` tokens for an act that comes `act_ns` after `now`. The limit whose wait the act
    /// follows is charged from its own tat; every other one at the act, because charged at the call
    /// it would have refilled by the time the act comes, and would let too many through.
    #[inline(always)]
    pub(super) fn charge(&mut self, now: Nanos, act_ns: u128, cost: u64, is_deciding: bool) {
        let debt = self.debt(now);
        let base = if is_deciding { debt } else { debt.max(act_ns * u128::from(self.quota.count())) };
        self.set_debt(now, base + u128::from(cost) * self.quota.token());
    }

    /// Takes `cost` tokens into a debt of at most what FORCE may leave. True if that cut it short.
    pub(super) fn force(&mut self, now: Nanos, cost: u64, bounds: &Bounds) -> bool {
        let debt = self.debt(now) + u128::from(cost) * self.quota.token();
        let most = bounds.forced(&self.quota);
        self.set_debt(now, debt.min(most));
        debt > most
    }

    /// Counts `cost` tokens that a caller of another limit takes for an act `act_ns` after `now`:
    /// `tat = max(tat, min(max(tat, act) + cost, act + 2 * full))`.
    pub(super) fn charge_as_other(&mut self, now: Nanos, act_ns: u128, cost: u64) {
        let (debt, act) = (self.debt(now), act_ns * u128::from(self.quota.count()));
        let charged = debt.max(act) + u128::from(cost) * self.quota.token();
        self.set_debt(now, debt.max(charged.min(act + 2 * self.quota.full())));
    }

    /// Gives `cost` tokens back, not below the debt `least`. True if there was anything to give.
    pub(super) fn give_back(&mut self, now: Nanos, cost: u64, least: u128) -> bool {
        let debt = self.debt(now);
        let back = debt.saturating_sub(u128::from(cost) * self.quota.token()).max(least.min(debt));
        if back < debt {
            self.set_debt(now, back);
        }
        back < debt
    }

    /// Cuts a debt that neither a queue nor FORCE explains: it comes from a clock that was set
    /// back, or from before a setting was lowered. True if it did.
    #[inline(always)]
    pub(super) fn cut(&mut self, now: Nanos, bounds: &Bounds) -> bool {
        let debt = self.debt(now);
        let most = if self.forced { bounds.forced(&self.quota) } else { bounds.queued(&self.quota) };
        if debt > most {
            self.set_debt(now, most);
        }
        debt > most
    }

    /// Marks the debt as forced if no queue explains it, and takes the mark away if one does.
    pub(super) fn mark(&mut self, now: Nanos, bounds: &Bounds) {
        self.forced = self.debt(now) > bounds.queued(&self.quota);
    }
}
