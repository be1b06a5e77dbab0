//! One limit of a key: a bucket or a window, where it stands, and what its own callers have used.

use super::bounds::Bounds;
use super::bucket::{Bucket, MAX_TAT};
use super::quota::{Kind, Quota};
use super::span::{Span, div_rem};
use super::window::Window;
use crate::time::{NS_PER_MS, Nanos};

/// The last ms that an own time can name: that of the last tat, rounded up. Both have 13 digits.
const MAX_TIME_MS: u64 = MAX_TAT.div_ceil(NS_PER_MS);

/// How far a limit is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gauge {
    /// A rate.
    Bucket(Bucket),
    /// `STRICT` or `ALIGN`.
    Window(Window),
}

/// A limit that a key knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// How far it is used, by everybody at its place.
    pub gauge: Gauge,
    /// The tat (of a window: the latest return) after the last charge by a call that *named* the
    /// limit, in unix ms; `None` if nobody else has charged it since.
    pub own_ms: Option<u64>,
    /// Its place, from 0. Limits at one place count together.
    pub place: u8,
    /// Which clause of the running call names it.
    pub(super) clause: Option<u8>,
}

impl Meter {
    #[inline(always)]
    pub(super) const fn new(gauge: Gauge, place: u8) -> Self {
        Self { gauge, own_ms: None, place, clause: None }
    }

    pub(super) fn idle(quota: Quota, place: u8) -> Self {
        let gauge = match quota.kind() {
            Kind::Rate => Gauge::Bucket(Bucket::idle(quota)),
            Kind::Strict | Kind::Align(_) => Gauge::Window(Window::idle(quota)),
        };
        Self::new(gauge, place)
    }

    /// The limit.
    #[inline(always)]
    pub const fn quota(&self) -> &Quota {
        match &self.gauge {
            Gauge::Bucket(bucket) => bucket.quota(),
            Gauge::Window(window) => window.quota(),
        }
    }

    /// The first ms at which nothing is used, in unix ms; 0 when idle.
    #[inline(always)]
    pub(super) fn end_ms(&self) -> u64 {
        match &self.gauge {
            Gauge::Bucket(bucket) => bucket.end_ms(),
            Gauge::Window(window) => window.end_ms(),
        }
    }

    /// [`Self::own_ms`] as it is stored among several.
    pub(super) fn own_or_end_ms(&self) -> u64 {
        self.own_ms.unwrap_or_else(|| self.end_ms())
    }

    #[inline(always)]
    pub(super) fn is_full(&self, now: Nanos) -> bool {
        self.reset(now).is_nothing()
    }

    #[inline(always)]
    pub(super) fn reset(&self, now: Nanos) -> Span {
        match &self.gauge {
            Gauge::Bucket(bucket) => bucket.reset(now),
            Gauge::Window(window) => window.reset(now),
        }
    }

    #[inline(always)]
    pub(super) fn wait(&self, now: Nanos, cost: u64) -> Span {
        match &self.gauge {
            Gauge::Bucket(bucket) => bucket.wait(now, cost),
            Gauge::Window(window) => window.wait(now, cost),
        }
    }

    #[inline(always)]
    pub(super) fn remaining(&self, now: Nanos) -> u64 {
        match &self.gauge {
            Gauge::Bucket(bucket) => bucket.remaining(now),
            Gauge::Window(window) => window.remaining(now),
        }
    }

    /// Takes tokens for a call that names the limit and acts `act_ns` after `now`.
    #[inline(always)]
    pub(super) fn charge(&mut self, now: Nanos, act_ns: u128, cost: u64, is_deciding: bool) {
        match &mut self.gauge {
            Gauge::Bucket(bucket) => bucket.charge(now, act_ns, cost, is_deciding),
            Gauge::Window(window) => window.take(now, at(now, act_ns), cost),
        }
        self.own_ms = None;
    }

    /// Takes tokens by FORCE; what is owed, and whether something was forgiven.
    pub(super) fn force(&mut self, now: Nanos, cost: u64, bounds: &Bounds) -> (Span, bool) {
        self.own_ms = None;
        match &mut self.gauge {
            Gauge::Bucket(bucket) => {
                let cut = bucket.force(now, cost, bounds);
                (bucket.wait(now, 0), cut)
            }
            Gauge::Window(window) => {
                let owed = window.wait(now, cost);
                window.take(now, now, cost);
                (owed, cost > window.quota().count())
            }
        }
    }

    /// Counts what a call takes that names another limit at this place.
    pub(super) fn charge_as_other(&mut self, now: Nanos, act_ns: u128, cost: u64) {
        self.own_ms = Some(self.own_or_end_ms());
        match &mut self.gauge {
            Gauge::Bucket(bucket) => bucket.charge_as_other(now, act_ns, cost),
            Gauge::Window(window) => window.take(now, at(now, act_ns), cost),
        }
    }

    /// Gives tokens back to a call that names the limit. True if there was anything to give.
    pub(super) fn give_back(&mut self, now: Nanos, cost: u64) -> bool {
        match &mut self.gauge {
            Gauge::Bucket(bucket) => {
                if let Some(own_ms) = self.own_ms {
                    let cost = Span {
                        units: u128::from(cost) * bucket.quota().token(),
                        count: bucket.quota().count(),
                    };
                    self.own_ms = Some(sooner_ms(own_ms, cost).max(own_ms.min(now.ceil_millis())));
                }
                bucket.give_back(now, cost, 0)
            }
            Gauge::Window(window) => window.give_back(now, cost),
        }
    }

    /// Gives back what a call took that names another limit at this place: never what its own
    /// callers have used, and nothing to a window, which would admit that many more.
    pub(super) fn give_back_as_other(&mut self, now: Nanos, cost: u64) -> bool {
        match (&mut self.gauge, self.own_ms) {
            (Gauge::Bucket(bucket), Some(own_ms)) => {
                let own_ns = Nanos::from_millis(own_ms).0.saturating_sub(now.0);
                bucket.give_back(now, cost, u128::from(own_ns) * u128::from(bucket.quota().count()))
            }
            _ => false,
        }
    }

    /// See [`Bucket::cut`].
    #[inline(always)]
    pub(super) fn cut(&mut self, now: Nanos, bounds: &Bounds) -> bool {
        let cut = match &mut self.gauge {
            Gauge::Bucket(bucket) => bucket.cut(now, bounds),
            Gauge::Window(window) => window.cut(now, bounds),
        };
        if cut {
            let end_ms = self.end_ms();
            self.own_ms = self.own_ms.map(|own_ms| own_ms.min(end_ms));
        }
        cut
    }

    /// See [`Bucket::mark`].
    pub(super) fn mark(&mut self, now: Nanos, bounds: &Bounds) {
        if let Gauge::Bucket(bucket) = &mut self.gauge {
            bucket.mark(now, bounds);
        }
    }

    /// Moves all that lies ahead of `now` by some ms, later or sooner, but not a calendar.
    pub(super) fn shift(&mut self, now: Nanos, by_ms: i64) {
        if matches!(self.quota().kind(), Kind::Align(_)) {
            return;
        }
        let later = |ms: u64| ms.saturating_add_signed(by_ms);
        match &mut self.gauge {
            Gauge::Bucket(bucket) => {
                let debt = bucket.debt(now);
                let moved = Nanos(now.0.saturating_add_signed(by_ms.saturating_mul(NS_PER_MS as i64)));
                if debt > 0 {
                    bucket.set_debt(moved, debt);
                }
            }
            Gauge::Window(window) => window.shift(now, later),
        }
        self.own_ms = self.own_ms.map(|own_ms| later(own_ms).min(MAX_TIME_MS));
    }

    /// Where the tokens end that its own callers have used: the own time, or the tat if that is
    /// sooner, less a full bucket, seen from `now`, in units of `1/count` ns. That is the last act
    /// that somebody was promised. Below 0: in the past.
    fn last_act(&self, now: Nanos) -> i128 {
        let ahead = |ms: u64| i128::from(Nanos::from_millis(ms).0) - i128::from(now.0);
        match &self.gauge {
            Gauge::Bucket(bucket) => {
                let count = i128::from(bucket.quota().count());
                let debt = bucket.debt(now) as i128;
                let end = self.own_ms.map_or(debt, |own_ms| debt.min(ahead(own_ms) * count));
                end - bucket.quota().full() as i128
            }
            Gauge::Window(window) => {
                let end_ms = self.own_or_end_ms().min(window.end_ms());
                let period_ns = i128::from(window.quota().period_ns());
                ahead(end_ms) - period_ns
            }
        }
    }

    /// The unit of [`Self::last_act`].
    fn unit_count(&self) -> u64 {
        match &self.gauge {
            Gauge::Bucket(bucket) => bucket.quota().count(),
            Gauge::Window(_) => 1,
        }
    }

    /// How far ahead its own callers have been promised acts.
    pub(super) fn promised(&self, now: Nanos) -> Span {
        Span { units: u128::try_from(self.last_act(now)).unwrap_or(0), count: self.unit_count() }
    }

    /// Whether an act of its own callers lies ahead, or now.
    pub(super) fn has_turn_ahead(&self, now: Nanos) -> bool {
        self.last_act(now) >= 0
    }

    /// Whether the last act that its own callers have been promised is this one, which was told in us, rounded up.
    pub(super) fn has_turn_at(&self, now: Nanos, act: Nanos) -> bool {
        let (act, told_ns) = match &self.gauge {
            Gauge::Bucket(_) => (act, 1_001),
            Gauge::Window(_) => (Nanos::from_millis(act.ceil_millis()), 1),
        };
        let until_act = i128::from(act.0) - i128::from(now.0);
        let unit = i128::from(self.unit_count());
        let last_act = self.last_act(now);
        !self.is_full(now) && (until_act - told_ns) * unit < last_act && last_act <= until_act * unit
    }

    /// Whether no caller of its own acts later than this.
    pub(super) fn has_nobody_behind(&self, now: Nanos, act: Nanos) -> bool {
        let act = match &self.gauge {
            Gauge::Bucket(_) => act,
            Gauge::Window(_) => Nanos::from_millis(act.ceil_millis()),
        };
        let until_act = (i128::from(act.0) - i128::from(now.0)) * i128::from(self.unit_count());
        self.is_full(now) || self.last_act(now) <= until_act
    }

    /// Where its own use ends: the own time, or the tat if that is sooner, in unix ns rounded up.
    pub(super) fn own_end_ns(&self) -> u64 {
        let end = match &self.gauge {
            Gauge::Bucket(bucket) => Nanos(bucket.tat_ns() + u64::from(bucket.remainder() > 0)),
            _ => Nanos::from_millis(self.end_ms()),
        };
        self.own_ms.map_or(end, |own_ms| end.min(Nanos::from_millis(own_ms))).0
    }

    /// A limit that joins others at a place: it starts with what they have used there.
    ///
    /// A rate starts with the largest debt that any of them gives it: as many tokens as that one
    /// has used, up to a bucket's worth, and as much time as that one has promised beyond now. A
    /// window starts with the acts of the one that leaves it the fewest tokens.
    pub(super) fn joining<'a>(
        quota: Quota,
        place: u8,
        now: Nanos,
        others: impl Iterator<Item = &'a Self>,
    ) -> Self {
        let mut meter = Self::idle(quota, place);
        for other in others.filter(|other| !other.is_full(now)) {
            meter.own_ms = Some(now.ceil_millis());
            match &mut meter.gauge {
                Gauge::Bucket(bucket) => {
                    let mut debt =
                        other.used_as(&quota, now) + other.promised(now).in_units_of(quota.count());
                    if !quota.has_remainder() {
                        debt = debt.next_multiple_of(u128::from(quota.count())); // whole ns: no `r` is stored
                    }
                    let debt = debt.max(bucket.debt(now));
                    bucket.set_debt(now, debt);
                }
                Gauge::Window(window) => {
                    let joined = other.acts_in(quota, now);
                    if joined.remaining(now) < window.remaining(now) {
                        *window = joined;
                    }
                }
            }
        }
        meter
    }

    /// The tokens used, up to a bucket's worth, as debt of another rate, rounded up:
    /// `min(ceil(min(debt, full) * period' / period), full')`.
    fn used_as(&self, quota: &Quota, now: Nanos) -> u128 {
        let (tokens, rest, token) = match &self.gauge {
            Gauge::Bucket(bucket) => {
                let used = bucket.debt(now).min(bucket.quota().full());
                let (tokens, rest) = div_rem(used, bucket.quota().token());
                (tokens, rest, bucket.quota().token())
            }
            Gauge::Window(window) => (u128::from(window.quota().count() - window.remaining(now)), 0, 1),
        };
        if tokens >= u128::from(quota.burst()) {
            return quota.full();
        }
        (tokens * quota.token() + (rest * quota.token()).div_ceil(token)).min(quota.full())
    }

    /// What is used, as a window counts it.
    fn acts_in(&self, quota: Quota, now: Nanos) -> Window {
        match &self.gauge {
            Gauge::Bucket(bucket) => {
                let used = bucket.debt(now).min(bucket.quota().full());
                let tokens = used.div_ceil(bucket.quota().token());
                let tokens = u64::try_from(tokens).unwrap_or(u64::MAX).min(quota.count());
                Window::used(quota, now, at(now, self.promised(now).ceil_ns()), tokens)
            }
            Gauge::Window(window) => Window::of_acts(quota, now, window),
        }
    }
}

/// The instant `ns` after another; the end of all time beyond what a `u64` holds.
fn at(now: Nanos, ns: u128) -> Nanos {
    Nanos(now.0.saturating_add(u64::try_from(ns).unwrap_or(u64::MAX)))
}

/// A time in unix ms less a span, rounded up.
fn sooner_ms(unix_ms: u64, span: Span) -> u64 {
    let ns = u128::from(Nanos::from_millis(unix_ms).0);
    let whole = span.units / u128::from(span.count); // rounded down, so what is left is rounded up
    u64::try_from(ns.saturating_sub(whole).div_ceil(u128::from(NS_PER_MS))).unwrap_or(u64::MAX)
}
