//! What a key of the reference stores: its limits by place and its hold, and how a call finds its
//! limits there.

use std::fmt::Write;

use num_bigint::BigInt;
use num_traits::{ToPrimitive, Zero};
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Clauses, MAX_CLAUSES, Notes};
use sluice_core::limit::quota::{Kind, Quota};

use super::hold::Hold;
use super::limit::{Limit, Used, at_most};
use super::number::{Rational, ceil_ms, int, ms};

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) places: Vec<Vec<Limit>>,
    pub(crate) hold: Hold,
}

const AN_HOUR_MS: i128 = 3_600_000;

impl State {
    pub(crate) fn limits(&self) -> impl Iterator<Item = &Limit> {
        self.places.iter().flatten()
    }

    pub(crate) fn limits_mut(&mut self) -> impl Iterator<Item = &mut Limit> {
        self.places.iter_mut().flatten()
    }

    pub(crate) fn is_full(&self, e: &Rational) -> bool {
        self.limits().all(|limit| limit.is_full(e))
    }

    pub(crate) fn cut(&mut self, now: &Rational, bounds: &Bounds) -> bool {
        let held = self.hold.cut(now);
        let e = self.hold.key_time(now);
        self.limits_mut().fold(held, |cut, limit| limit.cut(&e, bounds) || cut)
    }

    /// The limit of the call's i-th clause.
    pub(crate) fn of(&self, clause: usize) -> Option<&Limit> {
        self.limits().find(|limit| limit.clause == Some(clause))
    }

    pub(crate) fn of_mut(&mut self, clause: usize) -> Option<&mut Limit> {
        self.limits_mut().find(|limit| limit.clause == Some(clause))
    }

    fn is_laid_out_as(&self, clauses: &Clauses) -> bool {
        let same = |(place, quota): (&Vec<Limit>, &Quota)| place[0].quota == *quota;
        self.places.iter().all(|place| place.len() == 1)
            && self.places.iter().zip(clauses.iter().map(|clause| &clause.quota)).all(same)
    }

    /// Finds the limits that are stored.
    pub(crate) fn find(&mut self, clauses: &Clauses, e: &Rational) {
        if self.is_full(e) && !self.is_laid_out_as(clauses) {
            self.places.clear();
        }
        let holds = |limit: &&mut Limit, quota: Quota| limit.clause.is_none() && limit.quota == quota;
        for (i, clause) in clauses.iter().enumerate() {
            let at_position = self.places.get_mut(i).into_iter().flatten();
            if let Some(limit) = at_position.into_iter().find(|limit| holds(limit, clause.quota)) {
                limit.clause = Some(i);
            }
        }
        for (i, clause) in clauses.iter().enumerate() {
            if self.of(i).is_none()
                && let Some(limit) = self.limits_mut().find(|limit| holds(limit, clause.quota))
            {
                limit.clause = Some(i);
            }
        }
    }

    /// Lets the limits join that are not stored. True if one has a debt.
    pub(crate) fn join(
        &mut self,
        clauses: &Clauses,
        e: &Rational,
        bounds: &Bounds,
        notes: &mut Notes,
    ) -> bool {
        let mut in_debt = false;
        for (i, clause) in clauses.iter().enumerate() {
            if self.of(i).is_some() {
                continue;
            }
            let is_had = |place: &usize| {
                self.places.get(*place).is_some_and(|place| place.iter().any(|limit| limit.clause.is_some()))
            };
            let place = if is_had(&i) { (0..).find(|place| !is_had(place)).unwrap() } else { i };
            if self.places.len() <= place {
                self.places.resize_with(place + 1, Vec::new);
            }
            let others = &mut self.places[place];
            others.retain(|limit| !limit.is_full(e));
            let mut limit = Limit::idle(clause.quota);
            if !others.is_empty() {
                limit.used = joined(clause.quota, others, e);
                limit.cut(e, bounds); // as little is believed of it as of what is stored
                limit.own = Some(ceil_ms(e));
                in_debt |= !limit.is_full(e);
                notes.mixed += 1;
                for other in others.iter_mut() {
                    other.own = Some(other.own.unwrap_or_else(|| ceil_ms(&other.end())));
                }
            }
            limit.clause = Some(i);
            others.push(limit);
        }
        self.places.retain(|place| !place.is_empty());
        in_debt
    }

    /// What "Writing" says of every write.
    pub(crate) fn settle(&mut self, now: &Rational, bounds: &Bounds) -> u32 {
        let e = self.hold.key_time(now);
        for place in self.places.iter_mut().filter(|place| place.len() > 1) {
            let is_stale = |limit: &Limit| limit.clause.is_none() && ms(limit.own.unwrap() + AN_HOUR_MS) <= e;
            if place.iter().all(is_stale) {
                let latest = place.iter().map(|limit| limit.own).max().unwrap();
                let at = place.iter().rposition(|limit| limit.own == latest).unwrap();
                *place = vec![place.swap_remove(at)];
            } else {
                place.retain(|limit| !is_stale(limit));
            }
        }
        let mut forgotten = 0;
        while self.limits().count() > MAX_CLAUSES {
            // to a ns, rounded up
            let own_end = |limit: &Limit| limit.own_end().ceil();
            let earliest = self.limits().filter(|limit| limit.clause.is_none()).map(own_end).min().unwrap();
            let goes = |limit: &Limit| limit.clause.is_none() && own_end(limit) == earliest;
            let place = self.places.iter_mut().find(|place| place.iter().any(goes)).unwrap();
            place.remove(place.iter().position(goes).unwrap());
            self.places.retain(|place| !place.is_empty());
            forgotten += 1;
        }
        while self
            .places
            .last()
            .is_some_and(|place| place.iter().all(|limit| limit.clause.is_none() && limit.is_full(&e)))
        {
            self.places.pop();
        }
        for place in &mut self.places {
            let is_alone = place.len() == 1;
            for limit in place {
                limit.join_times();
                let (end_ms, debt, queued) =
                    (ceil_ms(&limit.end()), limit.debt(&e), limit.queued_debt(bounds));
                if is_alone && limit.own.is_some_and(|own| own >= end_ms) {
                    limit.own = None;
                }
                if let Used::Rate { forced, .. } = &mut limit.used {
                    *forced = debt > queued;
                }
                limit.clause = None;
            }
        }
        let turn_ahead = self.limits().any(|limit| limit.own_end() - limit.full() >= e);
        self.hold.settle(now, turn_ahead, bounds);
        forgotten
    }
}

/// What a limit has used that joins others, all of which are in debt.
fn joined(quota: Quota, others: &[Limit], e: &Rational) -> Used {
    let newcomer = Limit::idle(quota);
    let ahead = |other: &Limit| (other.own_end() - other.full() - e).max(Rational::zero());
    if quota.kind() == Kind::Rate {
        let count = int(quota.count());
        // in units of 1/count ns
        let debt = |other: &Limit| {
            let used = (other.out(e) * int(quota.period_ns())).ceil();
            let promised = (ahead(other) * &count).ceil();
            used.min(int(quota.burst()) * int(quota.period_ns())) + promised
        };
        let debt = others.iter().map(debt).max().unwrap() / &count;
        let debt = if newcomer.token().is_integer() { debt.ceil() } else { debt };
        let tat = if debt.is_zero() { debt } else { at_most(e + debt) };
        return Used::Rate { tat, forced: true };
    }
    let period = |other: &Limit| ms(i128::from(other.quota.period_ms()));
    let mut most: Option<Limit> = None;
    for other in others {
        let mut candidate = newcomer.clone();
        let Used::Window(tokens) = &mut candidate.used else { unreachable!() };
        let count = u128::from(quota.count());
        match &other.used {
            Used::Rate { .. } => {
                let used = other.out(e).ceil().to_integer().to_u128().unwrap().min(count);
                tokens.insert(newcomer.back(&(e + ahead(other))), used);
            }
            Used::Window(of_other) => {
                let mut left = count;
                for (at, n) in of_other.iter().rev().filter(|(at, _)| ms(**at) > *e) {
                    let act = (ms(*at) - period(other)).max(Rational::zero()); // no act was before 1970
                    let act = if other.quota.kind() == Kind::Strict { act } else { act.max(e.clone()) };
                    let taken = (*n).min(left);
                    left -= taken;
                    if taken > 0 {
                        *tokens.entry(newcomer.back(&act)).or_default() += taken;
                    }
                }
            }
        }
        candidate.forget(e);
        if most.as_ref().is_none_or(|most| candidate.remaining(e) < most.remaining(e)) {
            most = Some(candidate);
        }
    }
    most.unwrap().used
}

/// The stored string.
impl std::fmt::Display for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, place) in self.places.iter().enumerate() {
            for (j, limit) in place.iter().enumerate() {
                out.write_str(match (i, j) {
                    (0, 0) => "",
                    (_, 0) => ";",
                    _ => "|",
                })?;
                write_limit(out, limit)?;
            }
        }
        write!(out, "{}", self.hold)
    }
}

fn write_limit(out: &mut impl Write, limit: &Limit) -> std::fmt::Result {
    let (count, period_ms) = (limit.quota.count(), limit.quota.period_ms());
    match &limit.used {
        Used::Rate { tat, forced } => {
            let units = tat * int(count);
            assert!(units.is_integer(), "{limit:?}");
            let (units, count_) = (units.to_integer(), BigInt::from(count));
            let (tat, r) = (&units / &count_, &units % &count_);
            write!(out, "{}{tat:0>19}", if *forced { "-" } else { "" })?;
            if !limit.quota.period_ns().is_multiple_of(count) {
                write!(out, "+{:0>width$}", r.to_string(), width = count.to_string().len())?;
            }
        }
        Used::Window(tokens) if tokens.is_empty() => out.write_str("0@0")?,
        Used::Window(tokens) => {
            let mut before = None;
            for (at, n) in tokens {
                match before.replace(at) {
                    None => write!(out, "{n}@{at:013}")?,
                    Some(before) => write!(out, ",{n}+{}", at - before)?,
                }
            }
        }
    }
    if let Some(own) = limit.own {
        write!(out, "~{own:0>13}")?;
    }
    match limit.quota.kind() {
        Kind::Rate => write!(out, ":{count}/{period_ms}:{}", limit.quota.burst()),
        Kind::Strict => write!(out, ":{count}/{period_ms}:S"),
        Kind::Align(offset) => write!(out, ":{count}/{period_ms}:A{offset}"),
    }
}
