//! The limits of a key: which stored limit a clause means, and how limits that differ count together.
//!
//! *Each call is held to its own limits and counts in every limit known at their places.* So
//! callers with different limits on one key share one count, and none can do more than its own
//! limit allows for everybody together.
//!
//! All of this is the cold path: where the call finds its limits as it has them
//! ([`State::is_laid_out_as`]), clause i means limit i.

use super::bounds::Bounds;
use super::call::{Clause, Clauses, MAX_CLAUSES};
use super::meter::Meter;
use super::state::State;
use crate::time::Nanos;

/// How long a limit is kept, among others, that no call has named, beyond its own use, in ms.
const KEPT_MS: u64 = 60 * 60 * 1_000;

/// Which limit each clause means, as an index into the state's limits.
#[derive(Clone, Copy)]
pub(super) struct Seats([u8; MAX_CLAUSES]);

impl Seats {
    /// Clause i means limit i.
    pub(super) const IN_ORDER: Self = Self([0, 1, 2, 3, 4, 5, 6, 7]);

    /// The limit that clause `index` means.
    pub(super) fn of<'a>(&self, index: usize, state: &'a State) -> Option<&'a Meter> {
        state.meters.get(self.at(index)?)
    }

    /// The same, to change it.
    pub(super) fn of_mut<'a>(&self, index: usize, state: &'a mut State) -> Option<&'a mut Meter> {
        state.meters.get_mut(self.at(index)?)
    }

    fn at(&self, index: usize) -> Option<usize> {
        self.0.get(index).map(|at| usize::from(*at))
    }
}

/// What came of [`arrange`].
pub(super) struct Arranged {
    pub(super) seats: Seats,
    /// How many limits joined beside others.
    pub(super) mixed: u32,
    /// A limit joined, and some of it counts as used.
    pub(super) joined_with_debt: bool,
}

/// Finds the limit of each clause, and lets those join that are not stored.
#[cold]
pub(super) fn arrange(clauses: &Clauses, state: &mut State, now: Nanos, bounds: &Bounds) -> Arranged {
    if state.is_full(now) && !is_laid_out_as(state, clauses) {
        state.meters.clear();
    }
    find(clauses, state);
    let (mut mixed, mut joined_with_debt) = (0, false);
    for (index, clause) in clauses.iter().enumerate() {
        if means(state, index).is_some() {
            continue;
        }
        let place = place_to_join(state, index);
        for at in (0..state.meters.len()).rev() {
            let goes = |meter: &Meter| meter.place == place && meter.is_full(now);
            if state.meters.get(at).is_some_and(goes) {
                state.meters.remove(at); // its place stays: the newcomer's
            }
        }
        let others = state.meters.iter().filter(|meter| meter.place == place);
        mixed += u32::from(others.clone().count() > 0);
        let mut meter = Meter::joining(clause.quota, place, now, others);
        // Others may have been forced into more debt than is believed of this one.
        meter.mark(now, bounds);
        meter.cut(now, bounds);
        meter.clause = Some(index as u8);
        joined_with_debt |= !meter.is_full(now);
        state.insert(meter);
    }
    Arranged { seats: seats(state), mixed, joined_with_debt }
}

/// Whether the state has one limit at each place, and those of the call in its order.
fn is_laid_out_as(state: &State, clauses: &Clauses) -> bool {
    let same = |(clause, meter): (&Clause, &Meter)| meter.quota() == &clause.quota;
    state.meters.iter().enumerate().all(|(index, meter)| usize::from(meter.place) == index)
        && clauses.iter().zip(&state.meters).all(same)
}

/// Tells each stored limit which clause means it: that at its own position, else the first that
/// has it in its words. A call that names a limit twice means two.
pub(super) fn find(clauses: &Clauses, state: &mut State) {
    for meter in &mut state.meters {
        meter.clause = None;
    }
    for at_own_position in [true, false] {
        for (index, clause) in clauses.iter().enumerate() {
            if means(state, index).is_some() {
                continue;
            }
            let it = |meter: &&mut Meter| {
                meter.clause.is_none()
                    && meter.quota() == &clause.quota
                    && (!at_own_position || usize::from(meter.place) == index)
            };
            if let Some(meter) = state.meters.iter_mut().find(it) {
                meter.clause = Some(index as u8);
            }
        }
    }
}

/// The index of the limit that a clause means, if one does.
pub(super) fn means(state: &State, index: usize) -> Option<usize> {
    state.meters.iter().position(|meter| meter.clause == Some(index as u8))
}

/// The seats that the limits' own tags say.
pub(super) fn seats(state: &State) -> Seats {
    let mut seats = Seats([u8::MAX; MAX_CLAUSES]);
    for (at, meter) in state.meters.iter().enumerate() {
        if let Some(seat) = meter.clause.and_then(|clause| seats.0.get_mut(usize::from(clause))) {
            *seat = at as u8;
        }
    }
    seats
}

/// The place of the clause's position, or the first that no clause has.
fn place_to_join(state: &State, index: usize) -> u8 {
    let taken = |place: u8| state.meters.iter().any(|meter| meter.place == place && meter.clause.is_some());
    let own = index as u8;
    if !taken(own) {
        return own;
    }
    (0..MAX_CLAUSES as u8).find(|place| !taken(*place)).unwrap_or(own)
}

/// Counts what the call takes in every limit at its places that it does not name.
pub(super) fn charge_others(
    state: &mut State,
    clauses: &Clauses,
    now: Nanos,
    act_ns: u128,
    tokens: impl Fn(&Clause) -> u64,
) {
    for_others(state, clauses, tokens, |meter, cost| meter.charge_as_other(now, act_ns, cost));
}

/// Gives back to every limit at the call's places that it does not name. True if one took any.
pub(super) fn give_back_to_others(state: &mut State, clauses: &Clauses, now: Nanos) -> bool {
    let mut given = false;
    for_others(
        state,
        clauses,
        |clause| clause.cost,
        |meter, cost| {
            given |= meter.give_back_as_other(now, cost);
        },
    );
    given
}

/// Calls `each` with every limit that no clause means and that shares its place with some that one
/// does mean, and with the largest cost there.
fn for_others(
    state: &mut State,
    clauses: &Clauses,
    tokens: impl Fn(&Clause) -> u64,
    mut each: impl FnMut(&mut Meter, u64),
) {
    let mut costs = [0; MAX_CLAUSES];
    for meter in &state.meters {
        let clause = meter.clause.and_then(|index| clauses.get(usize::from(index)));
        if let (Some(clause), Some(cost)) = (clause, costs.get_mut(usize::from(meter.place)))
            && clause.cost > 0
        {
            *cost = tokens(clause).max(*cost);
        }
    }
    for meter in state.meters.iter_mut().filter(|meter| meter.clause.is_none()) {
        let cost = costs.get(usize::from(meter.place)).copied().unwrap_or(0);
        if cost > 0 {
            each(meter, cost);
        }
    }
}

/// Lets limits go that need not be stored: those that nobody has named for long, those beyond what
/// a key can know, and full ones at the end. Returns how many had to go although they were used.
pub(super) fn tidy(state: &mut State, now: Nanos) -> u32 {
    drop_stale(state, now);
    let mut forgotten = 0;
    while state.meters.len() > MAX_CLAUSES {
        let unnamed = state.meters.iter().enumerate().filter(|(_, meter)| meter.clause.is_none());
        let Some((at, _)) = unnamed.min_by_key(|(_, meter)| meter.own_end_ns()) else { break };
        state.remove(at);
        forgotten += 1;
    }
    while let Some(last) = state.meters.last().map(|meter| meter.place) {
        let needed = |meter: &Meter| meter.place == last && (meter.clause.is_some() || !meter.is_full(now));
        if state.meters.iter().any(needed) {
            break;
        }
        state.meters.retain(|meter| meter.place != last);
    }
    forgotten
}

/// Among several at a place, those go that no call has named for an hour beyond their own use; the
/// one whose own use ended last stays if none else would.
fn drop_stale(state: &mut State, now: Nanos) {
    let stale =
        |meter: &Meter| meter.clause.is_none() && Nanos::from_millis(meter.own_or_end_ms() + KEPT_MS) <= now;
    for place in 0..MAX_CLAUSES as u8 {
        while state.count_at(place) > 1 {
            let here = state.meters.iter().enumerate().filter(|(_, meter)| meter.place == place);
            let oldest =
                here.filter(|(_, meter)| stale(meter)).min_by_key(|(_, meter)| meter.own_or_end_ms());
            let Some((at, _)) = oldest else { break };
            state.meters.remove(at);
        }
    }
}
