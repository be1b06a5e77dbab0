//! The decision: the generic cell rate algorithm over all limits of a call, all or nothing.
//!
//! With `now` in ns, for each clause with a cost (see [`super::bucket`] for debts and units, and
//! [`super::window`] for the other kind of limit):
//!
//! ```text
//! full = burst * period_ns / count                      a bucket's worth of time
//! debt = max(0, tat + r/count - now)
//! wait = max(0, debt + cost * period_ns / count - full)
//! ```
//!
//! The call is granted when the longest wait is within what the caller allows (nothing, unless
//! `MAXWAIT`), or by `FORCE`. The caller then *acts* at `now + longest wait`. The limit that
//! decided is charged from its own tat; every other one is charged at the act, because charged
//! at the call it would have refilled by the time the act comes, and would let too many through.
//!
//! While the key is held, all of this is seen from the end of the hold, and what is left of the
//! hold is added to every time that is answered.
//!
//! Each function takes the stored state, changes it in place to what should be stored, and
//! says by [`Change`] whether that is to be stored at all.

use super::bounds::Bounds;
use super::call::{Acquire, Change, Clause, Clauses, Mode, NEVER, Notes, Reply, Verdict};
use super::meter::{Gauge, Meter};
use super::places::{self, Seats};
use super::span::Span;
use super::state::State;
use crate::time::Nanos;

/// Takes tokens, or says how long until they are there.
///
/// A refusal leaves the state alone, unless something had to be cut, or a limit joined that counts
/// something as used.
pub fn acquire(call: &Acquire, state: &mut State, now: Nanos, bounds: &Bounds) -> Verdict {
    if let Some(verdict) = one_rate(call, state, now, bounds) {
        return verdict;
    }
    let repaired = state.cut(now, bounds);
    if state.is_laid_out_as(&call.clauses) {
        for clause in call.clauses.iter().skip(state.meters.len()) {
            let place = state.meters.len() as u8;
            state.meters.push(Meter::idle(clause.quota, place));
        }
        decide(call, state, bounds, &Sight::<true>::new(state, now, repaired))
    } else {
        let mut sight = Sight::<false>::new(state, now, repaired);
        let arranged = places::arrange(&call.clauses, state, sight.key_time, bounds);
        sight.seats = arranged.seats;
        sight.mixed = arranged.mixed;
        sight.joined_with_debt = arranged.joined_with_debt;
        decide(call, state, bounds, &sight)
    }
}

/// The most common call, straight through what [`decide`] says in general: one rate, which is the one that is stored
/// and stands alone, with nothing to cut. `None` for every other.
#[inline(always)]
fn one_rate(call: &Acquire, state: &mut State, now: Nanos, bounds: &Bounds) -> Option<Verdict> {
    let (is_mixed, stored) = (state.is_mixed, state.stored);
    let (Mode::Plain, [clause]) = (call.mode, call.clauses.as_slice()) else { return None };
    let [Meter { gauge: Gauge::Bucket(bucket), .. }] = state.meters.as_mut_slice() else { return None };
    let quota = &clause.quota;
    let is_common = !is_mixed
        && bucket.quota() == quota
        && (1..=quota.burst()).contains(&clause.cost)
        && bucket.debt(now) <= bounds.queued(quota);
    if !is_common {
        return None;
    }
    let wait = bucket.wait(now, clause.cost);
    let granted = wait.is_nothing();
    if granted {
        bucket.charge(now, 0, clause.cost, true);
    }
    let reply = Reply {
        granted: i64::from(granted),
        wait_ms: wait.ceil_ms(),
        remaining: bucket.remaining(now) as i64, // at most burst, which is below 2^63
        burst: quota.burst() as i64,
        reset_ms: bucket.reset(now).ceil_ms(),
        index: 0,
    };
    let change = match (granted, stored) {
        (false, _) => Change::Keep,
        (true, 1) => Change::WriteTimes,
        (true, _) => Change::Write,
    };
    Some(Verdict { reply, act_us: 0, change, notes: Notes::default() })
}

/// Compiled twice: the common case has neither seats to look up nor a hold to add.
fn decide<const PLAIN: bool>(
    call: &Acquire,
    state: &mut State,
    bounds: &Bounds,
    sight: &Sight<PLAIN>,
) -> Verdict {
    let mut notes = Notes { repaired: sight.repaired, mixed: sight.mixed, ..Notes::default() };

    // How many tokens of every limit PARTIAL takes; the others take each clause's own cost.
    let portion = match call.mode {
        Mode::Partial => Some(fitting(call, state, sight)),
        Mode::Plain | Mode::Wait(_) => match beyond_burst(&call.clauses) {
            Some(index) => return refuse(call, state, sight, bounds, notes, index, NEVER),
            None => None,
        },
        Mode::Force => None,
    };
    let tokens = |clause: &Clause| match portion {
        Some(n) => n.max(1).min(clause.cost),
        None => clause.cost,
    };

    let longest = match call.mode {
        Mode::Force => force(call, state, sight, bounds, &mut notes),
        _ => longest(&call.clauses, |index, clause| {
            sight.meter(index, state).map(|meter| meter.wait(sight.key_time, tokens(clause)))
        }),
    };
    let Some(Longest { index, wait }) = longest else {
        // A PEEK without costs: what is there now.
        let index = fewest_remaining(0..call.clauses.len(), state, sight);
        let held_ms = Span::ns(sight.held_ns()).ceil_ms();
        let reply = sight.reply(state, index, i64::from(held_ms == 0), held_ms);
        return Verdict { reply, act_us: 0, change: Change::Keep, notes };
    };
    let total = wait.plus_ns(sight.held_ns());
    let granted = match call.mode {
        Mode::Plain | Mode::Partial => total.is_nothing(),
        Mode::Wait(limit) => !total.is_longer_than(Span::ns(limit.as_nanos())),
        Mode::Force => true,
    };
    if !granted {
        notes.held = wait.is_nothing();
        let index = if notes.held { fewest_left(&call.clauses, state, sight) } else { index };
        return refuse(call, state, sight, bounds, notes, index, total.ceil_ms());
    }

    let act_ns = if call.mode == Mode::Force { 0 } else { wait.ceil_ns() };
    if call.mode != Mode::Force {
        for (at, clause) in costly(&call.clauses) {
            if let Some(meter) = sight.meter_mut(at, state) {
                meter.charge(sight.key_time, act_ns, tokens(clause), at == index);
            }
        }
    }
    if !PLAIN {
        places::charge_others(state, &call.clauses, sight.key_time, act_ns, tokens);
    }

    let index = if wait.is_nothing() { fewest_left(&call.clauses, state, sight) } else { index };
    let reply = sight.reply(state, index, portion.map_or(1, |n| n as i64), total.ceil_ms());
    let act_us = match call.mode {
        Mode::Wait(_) => sight.act_us(act_ns),
        _ => 0,
    };
    let change = sight.settle(call, state, bounds, &mut notes);
    Verdict { reply, act_us, change, notes }
}

/// A call is not granted. What had to be cut is stored all the same, and so is a limit that joined
/// and counts something as used: it would count from anew at every call.
fn refuse<const PLAIN: bool>(
    call: &Acquire,
    state: &mut State,
    sight: &Sight<PLAIN>,
    bounds: &Bounds,
    mut notes: Notes,
    index: usize,
    wait_ms: i64,
) -> Verdict {
    let reply = sight.reply(state, index, 0, wait_ms);
    let change = if (notes.repaired || sight.joined_with_debt) && !state.is_idle(sight.now) {
        sight.settle(call, state, bounds, &mut notes)
    } else {
        notes.mixed = 0;
        Change::Keep
    };
    Verdict { reply, act_us: 0, change, notes }
}

#[cold]
/// Charges everything at once, into debt if need be; what is owed the longest.
fn force<const PLAIN: bool>(
    call: &Acquire,
    state: &mut State,
    sight: &Sight<PLAIN>,
    bounds: &Bounds,
    notes: &mut Notes,
) -> Option<Longest> {
    longest(&call.clauses, |index, clause| {
        let meter = sight.meter_mut(index, state)?;
        let (owed, cut) = meter.force(sight.key_time, clause.cost, bounds);
        notes.debt_cut |= cut;
        Some(owed)
    })
}

/// How a call sees the state. `PLAIN`: one set of limits, where the call has them, and no hold, so
/// that clause i means limit i and the key's time is now.
pub(super) struct Sight<const PLAIN: bool> {
    now: Nanos,
    /// The key's own time: now, or the end of a hold.
    pub(super) key_time: Nanos,
    seats: Seats,
    repaired: bool,
    mixed: u32,
    joined_with_debt: bool,
}

impl<const PLAIN: bool> Sight<PLAIN> {
    #[inline(always)]
    pub(super) fn new(state: &State, now: Nanos, repaired: bool) -> Self {
        let key_time = if PLAIN { now } else { state.hold.key_time(now) };
        Self { now, key_time, seats: Seats::IN_ORDER, repaired, mixed: 0, joined_with_debt: false }
    }

    /// What is left of a hold.
    #[inline(always)]
    fn held_ns(&self) -> u64 {
        if PLAIN { 0 } else { self.key_time.0 - self.now.0 }
    }

    /// The limit that clause `index` means.
    #[inline(always)]
    fn meter<'a>(&self, index: usize, state: &'a State) -> Option<&'a Meter> {
        if PLAIN { state.meters.get(index) } else { self.seats.of(index, state) }
    }

    /// The same, to change it.
    #[inline(always)]
    fn meter_mut<'a>(&self, index: usize, state: &'a mut State) -> Option<&'a mut Meter> {
        if PLAIN { state.meters.get_mut(index) } else { self.seats.of_mut(index, state) }
    }

    fn act_us(&self, act_ns: u128) -> i64 {
        let act_us = (u128::from(self.key_time.0) + act_ns).div_ceil(1_000);
        i64::try_from(act_us).unwrap_or(i64::MAX)
    }

    /// The six integers, for the limit that clause `index` means.
    pub(super) fn reply(&self, state: &State, index: usize, granted: i64, wait_ms: i64) -> Reply {
        match self.meter(index, state) {
            Some(meter) => self.reply_of(meter, index, granted, wait_ms),
            None => Reply { granted, wait_ms, remaining: 0, burst: 0, reset_ms: 0, index: 0 },
        }
    }

    pub(super) fn reply_of(&self, meter: &Meter, index: usize, granted: i64, wait_ms: i64) -> Reply {
        let remaining = if self.held_ns() > 0 { 0 } else { meter.remaining(self.key_time) };
        Reply {
            granted,
            wait_ms,
            remaining: remaining as i64, // at most burst, which is below 2^63
            burst: meter.quota().burst() as i64,
            reset_ms: meter.reset(self.key_time).plus_ns(self.held_ns()).ceil_ms(),
            index: index as i64,
        }
    }

    /// Makes the state what is to be stored.
    #[inline(always)]
    fn settle(&self, call: &Acquire, state: &mut State, bounds: &Bounds, notes: &mut Notes) -> Change {
        if PLAIN && call.mode != Mode::Force {
            return settle_plain(state, call.clauses.len(), self.key_time);
        }
        if PLAIN {
            places::find(&call.clauses, state);
        }
        notes.forgotten = places::tidy(state, self.key_time);
        state.settle(self.now, bounds);
        state.to_be_stored(self.now)
    }
}

/// Makes a state what is to be stored that is laid out as the call and whose debts nobody forced.
#[inline(always)]
pub(super) fn settle_plain(state: &mut State, clauses: usize, now: Nanos) -> Change {
    // Limits beyond the call's are kept as long as they are not full.
    while state.meters.len() > clauses && state.meters.last().is_some_and(|meter| meter.is_full(now)) {
        state.meters.pop();
    }
    let rates = state.meters.iter().all(|meter| matches!(meter.gauge, Gauge::Bucket(_)));
    let only_times = rates && usize::from(state.stored) == state.meters.len();
    if only_times { Change::WriteTimes } else { Change::Write }
}

/// The clauses that take part.
pub(super) fn costly(clauses: &Clauses) -> impl Iterator<Item = (usize, &Clause)> {
    clauses.iter().enumerate().filter(|(_, clause)| clause.cost > 0)
}

/// The first clause that asks for more than can ever be there.
fn beyond_burst(clauses: &Clauses) -> Option<usize> {
    clauses.iter().position(|clause| clause.cost > clause.quota.burst())
}

/// How many tokens fit in every limit with a cost, up to that cost.
fn fitting<const PLAIN: bool>(call: &Acquire, state: &State, sight: &Sight<PLAIN>) -> u64 {
    if sight.held_ns() > 0 {
        return 0;
    }
    let fit = |(index, clause): (usize, &Clause)| {
        let there = sight.meter(index, state).map_or(0, |meter| meter.remaining(sight.key_time));
        there.min(clause.cost)
    };
    costly(&call.clauses).map(fit).min().unwrap_or(0)
}

/// The longest wait, with the clause it belongs to.
#[derive(Clone, Copy)]
struct Longest {
    index: usize,
    wait: Span,
}

/// The longest of all clauses with a cost, the first of equals; `None` if none has a cost.
#[inline(always)]
fn longest(clauses: &Clauses, mut wait: impl FnMut(usize, &Clause) -> Option<Span>) -> Option<Longest> {
    let mut longest: Option<Longest> = None;
    for (index, clause) in costly(clauses) {
        let Some(wait) = wait(index, clause) else { continue };
        if longest.is_none_or(|longest| wait.is_longer_than(longest.wait)) {
            longest = Some(Longest { index, wait });
        }
    }
    longest
}

/// The clause with a cost that has the fewest tokens left, the first of equals.
fn fewest_left<const PLAIN: bool>(clauses: &Clauses, state: &State, sight: &Sight<PLAIN>) -> usize {
    if clauses.len() == 1 {
        return 0;
    }
    fewest_remaining(costly(clauses).map(|(index, _)| index), state, sight)
}

fn fewest_remaining<const PLAIN: bool>(
    clauses: impl Iterator<Item = usize>,
    state: &State,
    sight: &Sight<PLAIN>,
) -> usize {
    let left =
        |index: &usize| sight.meter(*index, state).map_or(u64::MAX, |meter| meter.remaining(sight.key_time));
    clauses.min_by_key(left).unwrap_or(0)
}
