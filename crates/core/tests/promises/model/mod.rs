//! The reference: the contract read literally, in exact rational arithmetic. Times are ns, a tat is
//! a rational number, a window is its tokens, and nothing is done to make it fast. It was written
//! from the contract alone, and shares with the code only the types of a call.

mod hold;
mod limit;
mod number;
mod state;

use num_traits::{ToPrimitive, Zero};
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Acquire, GiveBack, Mode, NEVER, Notes, Reply, Why};
use sluice_core::limit::look::{Look, Standing};
use sluice_core::time::{Millis, NS_PER_MS, Nanos};

use limit::{Limit, Used};
use number::{Rational, ceil_ms, floor_ms, int, ms, ns, told_ms};
use state::State;

/// A key, and when it expires, in unix ms.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) bounds: Bounds,
    state: State,
    expires: Option<i128>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) act_us: i64,
    pub(crate) fate: Fate,
    pub(crate) notes: Notes,
}

/// What becomes of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Written,
    Deleted,
}

impl Model {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, state: State::default(), expires: None }
    }

    /// The stored string, and when the key expires in unix ms; `None` where there is no key.
    pub(crate) fn stored(&self) -> Option<(String, u64)> {
        self.expires.map(|expires| (self.state.to_string(), expires as u64))
    }

    pub(crate) fn expire(&mut self, now: Nanos) {
        if self.expires.is_some_and(|expires| i128::from(now.0 / NS_PER_MS) >= expires) {
            self.delete();
        }
    }

    fn delete(&mut self) {
        *self = Self::new(self.bounds);
    }

    fn write(&mut self, mut state: State, now: &Rational, notes: &mut Notes) -> Fate {
        notes.forgotten = state.settle(now, &self.bounds);
        // What was stale may have been all that was in use.
        if state.is_full(&state.hold.key_time(now)) && !state.hold.holds(now) {
            self.delete();
            return Fate::Deleted;
        }
        let now_ms = floor_ms(now);
        let ends = state.limits().map(|limit| ceil_ms(&limit.end()));
        let need = ends.chain([state.hold.until, now_ms + 1000]).max().unwrap();
        let slack = ((need - now_ms) / 4).clamp(1000, 60_000);
        let fits = self.expires.filter(|expires| (need..=need + slack).contains(expires));
        self.expires = Some(fits.unwrap_or(need + slack));
        self.state = state;
        Fate::Written
    }

    pub(crate) fn peek(&self, call: &Acquire, now: Nanos) -> Answer {
        self.clone().acquire(call, now)
    }

    pub(crate) fn acquire(&mut self, call: &Acquire, now: Nanos) -> Answer {
        let now = int(now.0);
        let mut notes = Notes::default();
        let mut state = self.state.clone();
        notes.repaired = state.cut(&now, &self.bounds);
        let e = state.hold.key_time(&now);
        state.find(&call.clauses, &e);
        let joined_in_debt = state.join(&call.clauses, &e, &self.bounds, &mut notes);

        let rest = &e - &now;
        let costs: Vec<u64> = call.clauses.iter().map(|clause| clause.cost).collect();
        let with_cost: Vec<usize> = (0..costs.len()).filter(|i| costs[*i] > 0).collect();
        if with_cost.is_empty() {
            let all: Vec<usize> = (0..costs.len()).collect();
            let index = fewest(&state, &all, &e);
            let reply = answer(i64::from(rest.is_zero()), &rest, &state, index, &now);
            return Answer { reply, act_us: 0, fate: Fate::Kept, notes };
        }

        // PARTIAL: as many as fit; when nothing fits, it is one token that has to wait
        let fits =
            with_cost.iter().map(|i| state.of(*i).unwrap().remaining(&e).min(costs[*i])).min().unwrap();
        let takes = |i: usize| if call.mode == Mode::Partial { fits.max(1) } else { costs[i] };
        let too_much = |i: &&usize| costs[**i] > call.clauses[**i].quota.burst();
        let never = with_cost.iter().find(too_much).filter(|_| call.mode != Mode::Partial);
        let wait = |i: usize| state.of(i).unwrap().wait(&e, takes(i));
        let waits: Vec<Rational> = with_cost.iter().map(|i| wait(*i)).collect();
        let (waiting, longest) = longest_of(&with_cost, &waits);
        let total = &rest + &longest;

        let granted = match call.mode {
            Mode::Force => true,
            Mode::Partial => fits > 0 && total.is_zero(),
            Mode::Plain => never.is_none() && total.is_zero(),
            Mode::Wait(limit) => never.is_none() && total <= ns(limit),
        };
        if !granted {
            let index = match never {
                Some(never) => *never,
                None if longest.is_zero() => fewest(&state, &with_cost, &e),
                None => waiting,
            };
            notes.held = never.is_none() && longest.is_zero();
            let mut reply = answer(0, &total, &state, index, &now);
            if never.is_some() {
                reply.wait_ms = NEVER;
            }
            let writes = joined_in_debt || notes.repaired;
            let fate = if writes {
                self.write(state, &now, &mut notes)
            } else {
                notes.mixed = 0;
                Fate::Kept
            };
            return Answer { reply, act_us: 0, fate, notes };
        }

        let act = if call.mode == Mode::Force { e.clone() } else { (&e + &longest).ceil() };
        let mut owed = vec![Rational::zero(); with_cost.len()];
        for (owed, i) in owed.iter_mut().zip(&with_cost) {
            let limit = state.of_mut(*i).unwrap();
            if call.mode == Mode::Force {
                let (after, cut) = limit.force(&e, costs[*i], &self.bounds);
                *owed = after;
                notes.debt_cut |= cut;
            } else {
                let base = if *i == waiting { &e } else { &act };
                limit.charge(&e, base, &act, takes(*i));
            }
            limit.own = Some(ceil_ms(&limit.end()));
        }
        for place in &mut state.places {
            let largest = place
                .iter()
                .filter_map(|limit| limit.clause)
                .map(|i| if costs[i] > 0 { takes(i) } else { 0 });
            if let Some(cost) = largest.max().filter(|cost| *cost > 0) {
                for other in place.iter_mut().filter(|limit| limit.clause.is_none()) {
                    other.charge_by_others(&e, &act, cost);
                }
            }
        }
        let (waiting, longest) =
            if call.mode == Mode::Force { longest_of(&with_cost, &owed) } else { (waiting, longest) };
        let index = if longest.is_zero() { fewest(&state, &with_cost, &e) } else { waiting };
        let how_many = if call.mode == Mode::Partial { fits as i64 } else { 1 };
        let reply = answer(how_many, &(&rest + longest), &state, index, &now);
        let act_us = match call.mode {
            Mode::Wait(_) => (act / int(1000)).ceil().to_integer().to_i64().unwrap(),
            _ => 0,
        };
        let fate = self.write(state, &now, &mut notes);
        Answer { reply, act_us, fate, notes }
    }

    pub(crate) fn give_back(&mut self, call: &GiveBack, now: Nanos) -> Answer {
        let now = int(now.0);
        let mut notes = Notes::default();
        let mut state = self.state.clone();
        notes.repaired = state.cut(&now, &self.bounds);
        let e = state.hold.key_time(&now);
        state.find(&call.clauses, &e);
        let costs: Vec<u64> = call.clauses.iter().map(|clause| clause.cost).collect();
        let with_cost: Vec<usize> = (0..costs.len()).filter(|i| costs[*i] > 0).collect();

        let act = match call.why {
            Why::Refund => None,
            Why::DueIn(due) => Some(&now + ns(due)),
            Why::ActAt(us) => Some(int(us) * int(1000)),
        };
        let is_behind = |limit: &Limit, act: &Rational| {
            let act = match limit.used {
                Used::Rate { .. } => act.clone(),
                Used::Window(_) => ms(ceil_ms(act)),
            };
            !limit.is_full(&e) && limit.own_end() - limit.full() > act
        };
        // An act is given up before it has come, and only if it is one that was told: the last of some limit. What waits
        // for nothing but a hold acts at its end.
        let stands_at = |limit: &Limit, act: &Rational| {
            let last = limit.own_end() - limit.full();
            let told = match limit.used {
                Used::Rate { .. } => last <= *act && last > act - int(1001),
                Used::Window(_) => last == ms(ceil_ms(act)),
            };
            told && !limit.is_full(&e)
        };
        let is_told = |act: &Rational| {
            let behind_a_hold = e > now && *act <= &e + int(1000);
            *act >= now && (behind_a_hold || state.limits().any(|limit| stands_at(limit, act)))
        };
        let lapses = act.is_some_and(|act| {
            state.limits().any(|limit| is_behind(limit, &act))
                || (matches!(call.why, Why::ActAt(_)) && !is_told(&act))
        });

        let mut given = false;
        for place in state.places.iter_mut().filter(|_| !lapses) {
            let is_alone = place.len() == 1;
            let mut largest = 0;
            for limit in place.iter_mut() {
                let Some(cost) = limit.clause.map(|i| costs[i]).filter(|cost| *cost > 0) else { continue };
                largest = cost.max(largest);
                if is_alone || matches!(limit.used, Used::Rate { .. }) {
                    given |= limit.give_back(&e, cost);
                }
            }
            for limit in place.iter_mut().filter(|limit| limit.clause.is_none()) {
                if largest > 0 && call.why == Why::Refund {
                    given |= limit.give_back_by_others(&e, largest);
                }
            }
        }
        // a limit that is not stored is shown as if it had joined
        let mut view = state.clone();
        view.join(&call.clauses, &e, &self.bounds, &mut Notes::default());
        let mut reply = answer(i64::from(given), &now, &view, fewest(&view, &with_cost, &e), &now);
        reply.wait_ms = 0;
        let fate = if !given {
            notes.repaired = false;
            Fate::Kept
        } else if state.is_full(&e) && !state.hold.holds(&now) {
            self.delete();
            Fate::Deleted
        } else {
            self.write(state, &now, &mut notes)
        };
        Answer { reply, act_us: 0, fate, notes }
    }

    /// HOLD for a time: the ms for which the key is held.
    pub(crate) fn hold(&mut self, time: Millis, now: Nanos) -> (i64, Fate) {
        let now = int(now.0);
        let mut state = self.state.clone();
        let mut notes = Notes { repaired: state.cut(&now, &self.bounds), ..Notes::default() };
        let until = ceil_ms(&now) + i128::from(time.get());
        let grows = until > state.hold.until;
        if grows {
            let e = state.hold.key_time(&now);
            let by = state.hold.set(&now, until);
            state.limits_mut().for_each(|limit| limit.shift(&e, by));
        }
        let held = told_ms(&(ms(state.hold.until) - &now));
        let fate = if grows || notes.repaired { self.write(state, &now, &mut notes) } else { Fate::Kept };
        (held, fate)
    }

    /// HOLD OFF.
    pub(crate) fn release(&mut self, now: Nanos) -> Fate {
        let now = int(now.0);
        let mut state = self.state.clone();
        let mut notes = Notes { repaired: state.cut(&now, &self.bounds), ..Notes::default() };
        if state.hold.holds(&now) {
            let e = state.hold.key_time(&now);
            let by = state.hold.end(&now);
            state.limits_mut().for_each(|limit| limit.shift(&e, -by));
        } else if !notes.repaired {
            return Fate::Kept;
        }
        if state.is_full(&now) {
            self.delete();
            return Fate::Deleted;
        }
        self.write(state, &now, &mut notes)
    }

    pub(crate) fn turn(&self, told: Millis, now: Nanos) -> i64 {
        let now = int(now.0);
        let mut hold = self.state.hold.clone();
        hold.cut(&now);
        told_ms(&hold.turn(&now, &ns(told)))
    }

    pub(crate) fn look(&self, now: Nanos) -> Option<Look> {
        let now = int(now.0);
        let mut state = self.state.clone();
        if state.is_full(&state.hold.key_time(&now)) && !state.hold.holds(&now) {
            return None;
        }
        state.cut(&now, &self.bounds);
        let e = state.hold.key_time(&now);
        let rest = &e - &now;
        let is_held = state.hold.holds(&now);
        let is_shared = state.places.iter().any(|place| place.len() > 1);
        let standing = |(place, limit): (usize, &Limit)| {
            let remaining = if is_held { 0 } else { limit.remaining(&e) };
            let wanted = if remaining < limit.quota.burst() { remaining + 1 } else { 0 };
            Standing {
                quota: limit.quota,
                remaining,
                next_ms: told_ms(&(limit.wait(&e, wanted) + &rest)),
                reset_ms: told_ms(&(limit.debt(&e) + &rest)),
                place: is_shared.then_some(place as u8),
            }
        };
        let by_place = |(place, limits): (usize, &Vec<Limit>)| {
            limits.iter().map(|limit| standing((place, limit))).collect::<Vec<_>>()
        };
        let standings = state.places.iter().enumerate().flat_map(by_place).collect();
        Some(Look { standings, held_ms: told_ms(&rest) })
    }
}

/// The first of the longest waits.
fn longest_of(clauses: &[usize], waits: &[Rational]) -> (usize, Rational) {
    let longest = waits.iter().max().unwrap();
    let at = waits.iter().position(|wait| wait == longest).unwrap();
    (clauses[at], longest.clone())
}

fn answer(granted: i64, wait: &Rational, state: &State, index: usize, now: &Rational) -> Reply {
    let e = state.hold.key_time(now);
    let limit = state.of(index).unwrap();
    Reply {
        granted,
        wait_ms: told_ms(wait),
        remaining: if state.hold.holds(now) { 0 } else { limit.remaining(&e) as i64 },
        burst: limit.quota.burst() as i64,
        reset_ms: told_ms(&(limit.debt(&e) + &e - now)),
        index: index as i64,
    }
}

/// The first clause with the fewest tokens left.
fn fewest(state: &State, of: &[usize], e: &Rational) -> usize {
    *of.iter().min_by_key(|i| state.of(**i).unwrap().remaining(e)).unwrap()
}
