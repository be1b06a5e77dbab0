//! One limit of the reference: a rate by its theoretical arrival time, a window by its tokens.

use std::collections::BTreeMap;

use num_traits::{ToPrimitive, Zero};
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::quota::{Kind, Quota};

use super::number::{Rational, ceil_ms, int, ms, ns};

/// The last instant that a tat can name, in unix ns.
const LAST: u64 = i64::MAX as u64;

#[derive(Debug, Clone)]
pub(crate) struct Limit {
    pub(crate) quota: Quota,
    pub(crate) used: Used,
    /// The end of what its own callers use, in unix ms; none: nobody else has used it.
    pub(crate) own: Option<i128>,
    /// The clause of the running call that names it.
    pub(crate) clause: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) enum Used {
    /// 0: idle.
    Rate { tat: Rational, forced: bool },
    /// How many tokens are back at which unix ms; those that are not here were never used.
    Window(BTreeMap<i128, u128>),
}

impl Limit {
    pub(crate) fn idle(quota: Quota) -> Self {
        let used = match quota.kind() {
            Kind::Rate => Used::Rate { tat: Rational::zero(), forced: false },
            Kind::Strict | Kind::Align(_) => Used::Window(BTreeMap::new()),
        };
        Self { quota, used, own: None, clause: None }
    }

    /// The time of one token, in ns.
    pub(crate) fn token(&self) -> Rational {
        int(self.quota.period_ns()) / int(self.quota.count())
    }

    /// A bucket's worth of time, in ns; of a window: its period.
    pub(crate) fn full(&self) -> Rational {
        match self.used {
            Used::Rate { .. } => int(self.quota.burst()) * self.token(),
            Used::Window(_) => int(self.quota.period_ns()),
        }
    }

    /// When everything is there again, in unix ns.
    pub(crate) fn end(&self) -> Rational {
        match &self.used {
            Used::Rate { tat, .. } => tat.clone(),
            Used::Window(tokens) => ms(tokens.keys().last().copied().unwrap_or(0)),
        }
    }

    pub(crate) fn own_end(&self) -> Rational {
        self.own.map_or_else(|| self.end(), |own| ms(own).min(self.end()))
    }

    pub(crate) fn is_full(&self, e: &Rational) -> bool {
        self.end() <= *e
    }

    pub(crate) fn debt(&self, e: &Rational) -> Rational {
        (self.end() - e).max(Rational::zero())
    }

    /// How many tokens are used: of a rate it can be part of one.
    pub(crate) fn out(&self, e: &Rational) -> Rational {
        match &self.used {
            Used::Rate { .. } => self.debt(e).min(self.full()) / self.token(),
            Used::Window(tokens) => {
                let out = tokens.iter().filter(|(back, _)| ms(**back) > *e).map(|(_, n)| *n).sum::<u128>();
                Rational::from_integer(out.into())
            }
        }
    }

    pub(crate) fn remaining(&self, e: &Rational) -> u64 {
        (int(self.quota.burst()) - self.out(e)).floor().to_integer().to_u64().unwrap()
    }

    /// How long until so many tokens are there.
    pub(crate) fn wait(&self, e: &Rational, cost: u64) -> Rational {
        let wait = match &self.used {
            Used::Rate { .. } => self.debt(e) + int(cost) * self.token() - self.full(),
            Used::Window(_) => ms(self.nth(cost)) - e,
        };
        wait.max(Rational::zero())
    }

    /// When the n-th token from the soonest is back; the last one's where there are fewer.
    fn nth(&self, n: u64) -> i128 {
        let Used::Window(tokens) = &self.used else { unreachable!() };
        let mut so_far = u128::from(self.quota.count()) - tokens.values().sum::<u128>();
        let mut back = 0;
        for (at, tokens) in tokens {
            if so_far >= u128::from(n) {
                break;
            }
            (so_far, back) = (so_far + tokens, *at);
        }
        back
    }

    /// When a token that is used at `act` is back, in unix ms.
    pub(crate) fn back(&self, act: &Rational) -> i128 {
        let period = i128::from(self.quota.period_ms());
        match self.quota.kind() {
            Kind::Align(offset) => {
                let offset = i128::from(offset);
                let gone = ((act - ms(offset)) / ms(period)).floor().to_integer().to_i128().unwrap();
                offset + (gone + 1) * period
            }
            _ => ceil_ms(act) + period,
        }
    }

    /// Takes tokens that are there, or will be at the act.
    pub(crate) fn charge(&mut self, e: &Rational, base: &Rational, act: &Rational, cost: u64) {
        let (token, back) = (self.token(), self.back(act));
        match &mut self.used {
            Used::Rate { tat, .. } => *tat = at_most(tat.clone().max(base.clone()) + int(cost) * token),
            Used::Window(_) => self.take(e, cost, |_| back),
        }
    }

    /// Takes tokens that may not be there. What is owed afterwards, and whether some was forgiven.
    pub(crate) fn force(&mut self, e: &Rational, cost: u64, bounds: &Bounds) -> (Rational, bool) {
        let (token, full, back) = (self.token(), self.full(), self.back(e));
        let most = e + self.forced_debt(bounds);
        match &mut self.used {
            Used::Rate { tat, .. } => {
                let charged = tat.clone().max(e.clone()) + int(cost) * token;
                *tat = at_most(charged.clone().min(most.clone()));
                ((&*tat - e - full).max(Rational::zero()), charged > most)
            }
            Used::Window(_) => {
                let owed = self.wait(e, cost.min(self.quota.count()));
                self.take(e, cost, |at| at.max(back));
                (owed, cost > self.quota.count())
            }
        }
    }

    /// Counts what callers of another limit have taken.
    pub(crate) fn charge_by_others(&mut self, e: &Rational, act: &Rational, cost: u64) {
        let (token, full, back) = (self.token(), self.full(), self.back(act));
        match &mut self.used {
            Used::Rate { tat, .. } => {
                let charged = tat.clone().max(act.clone()) + int(cost) * token;
                *tat = at_most(tat.clone().max(charged.min(act + full * int(2))));
            }
            Used::Window(_) => self.take(e, cost, |at| at.max(back)),
        }
    }

    /// The soonest tokens, as many as there are, become what `becomes` says.
    fn take(&mut self, e: &Rational, cost: u64, becomes: impl Fn(i128) -> i128) {
        let count = u128::from(self.quota.count());
        let Used::Window(tokens) = &mut self.used else { unreachable!() };
        let mut left = u128::from(cost);
        let mut after = BTreeMap::new();
        let unused = count - tokens.values().sum::<u128>();
        let soonest = [(0, unused)].into_iter().chain(tokens.iter().map(|(at, n)| (*at, *n)));
        for (at, n) in soonest.filter(|(_, n)| *n > 0) {
            let taken = n.min(left);
            left -= taken;
            for (at, n) in [(becomes(at), taken), (at, n - taken)] {
                if n > 0 && at > 0 {
                    *after.entry(at).or_default() += n;
                }
            }
        }
        *tokens = after;
        self.forget(e);
    }

    /// Takes tokens back from its own callers. True if it took any.
    pub(crate) fn give_back(&mut self, e: &Rational, n: u64) -> bool {
        let was_full = self.is_full(e);
        let cost = int(n) * self.token();
        let period = i128::from(self.quota.period_ms());
        match &mut self.used {
            Used::Rate { tat, .. } => {
                if *tat > *e {
                    *tat -= &cost;
                    if *tat <= *e {
                        *tat = Rational::zero();
                    }
                }
                let fallen = |own: i128| ceil_ms(&(ms(own) - &cost)).max(own.min(ceil_ms(e)));
                self.own = self.own.map(fallen);
            }
            Used::Window(_) if was_full => {}
            Used::Window(tokens) => {
                let mut left = u128::from(n);
                let mut after = BTreeMap::new();
                for (at, n) in tokens.iter().rev() {
                    let back = (*n).min(left);
                    left -= back;
                    for (at, n) in [(*at - period, back), (*at, n - back)] {
                        if n > 0 {
                            *after.entry(at).or_default() += n;
                        }
                    }
                }
                *tokens = after;
                self.forget(e);
            }
        }
        !was_full
    }

    /// Takes back what callers of another limit have not used after all. True if it took any.
    pub(crate) fn give_back_by_others(&mut self, e: &Rational, n: u64) -> bool {
        let (cost, least, before) = (int(n) * self.token(), self.own_end(), self.debt(e));
        match &mut self.used {
            Used::Rate { tat, .. } if *tat > *e => {
                *tat = (&*tat - cost).max(least);
                if *tat <= *e {
                    *tat = Rational::zero();
                }
            }
            _ => {}
        }
        self.debt(e) < before
    }

    /// Cuts what no queue and no forced debt can explain. True if anything was.
    pub(crate) fn cut(&mut self, e: &Rational, bounds: &Bounds) -> bool {
        let forced = matches!(self.used, Used::Rate { forced: true, .. });
        let latest = e + if forced { self.forced_debt(bounds) } else { self.queued_debt(bounds) };
        let latest_ms = ceil_ms(&latest);
        let mut cut = false;
        match &mut self.used {
            Used::Rate { tat, .. } => {
                if *tat > latest {
                    *tat = latest;
                    cut = true;
                }
            }
            Used::Window(tokens) => {
                for n in tokens.split_off(&(latest_ms + 1)).into_values() {
                    *tokens.entry(latest_ms).or_default() += n;
                    cut = true;
                }
            }
        }
        if cut {
            self.own = self.own.map(|own| own.min(latest_ms));
        }
        cut
    }

    pub(crate) fn queued_debt(&self, bounds: &Bounds) -> Rational {
        self.full() + self.full().max(ns(bounds.max_wait))
    }

    pub(crate) fn forced_debt(&self, bounds: &Bounds) -> Rational {
        self.full() + self.full().max(ns(bounds.max_wait.max(bounds.max_debt)))
    }

    /// A hold is set or ended: what is used is used that much later.
    pub(crate) fn shift(&mut self, e: &Rational, by: i128) {
        if matches!(self.quota.kind(), Kind::Align(_)) {
            return;
        }
        let full = self.is_full(e);
        self.forget(e);
        match &mut self.used {
            Used::Rate { tat, .. } if !full => *tat = at_most(&*tat + ms(by)),
            Used::Rate { .. } => {}
            Used::Window(tokens) => *tokens = tokens.iter().map(|(at, n)| (at + by, *n)).collect(),
        }
        self.own = self.own.map(|own| own + by);
    }

    /// Tokens that are back are like those that were never used.
    pub(crate) fn forget(&mut self, e: &Rational) {
        if let Used::Window(tokens) = &mut self.used {
            tokens.retain(|at, _| ms(*at) > *e);
        }
    }

    /// At most 64 times, by rounding them up on ever coarser grids.
    pub(crate) fn join_times(&mut self) {
        let period = i128::from(self.quota.period_ms());
        let Used::Window(tokens) = &mut self.used else { return };
        let mut parts = (32, 1);
        while tokens.len() > 64 {
            let largest = *tokens.keys().last().unwrap();
            let (d, of) = parts;
            let mut joined = BTreeMap::new();
            for (at, n) in &*tokens {
                let j = ((at - 1) * d).div_euclid(period * of) + 1;
                let on_grid = -(-j * period * of).div_euclid(d);
                *joined.entry(on_grid.min(largest)).or_default() += n;
            }
            *tokens = joined;
            parts = if d > 1 { (d / 2, 1) } else { (1, of * 2) };
        }
    }
}

/// No tat is beyond the last one that can be stored.
pub(super) fn at_most(tat: Rational) -> Rational {
    tat.min(int(LAST))
}
