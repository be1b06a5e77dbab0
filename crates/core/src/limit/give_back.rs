//! Giving tokens back: a refund, or a reservation that is given up.

use super::bounds::Bounds;
use super::call::{Change, GiveBack, Notes, Verdict, Why};
use super::gcra::{Sight, costly, settle_plain};
use super::meter::{Gauge, Meter};
use super::places;
use super::state::State;
use crate::time::Nanos;

/// Gives tokens back. Never makes a limit more than full; on an idle key it does nothing, and it
/// adds no limit.
///
/// A reservation that is given up gives back only if nobody stands behind it in any limit of the
/// key, and by its act only if that lies ahead and is some limit's last. Otherwise the turn lapses (granted 0), as those behind have been told their times already.
pub fn give_back(call: &GiveBack, state: &mut State, now: Nanos, bounds: &Bounds) -> Verdict {
    let repaired = state.cut(now, bounds);
    let sight = Sight::<false>::new(state, now, repaired);
    let key_time = sight.key_time;
    let is_plain = state.is_laid_out_as(&call.clauses);
    places::find(&call.clauses, state);

    // In every limit, charged or not: those behind wait for one limit and are charged at their act
    // in all of theirs, so only the limit that they wait for shows how late that is.
    let act = match call.why {
        Why::Refund => None,
        Why::DueIn(due) => Some(Nanos(now.0.saturating_add(due.as_nanos()))),
        Why::ActAt(us) => Some(Nanos(us.saturating_mul(1_000))),
    };
    let nobody_behind =
        act.is_none_or(|act| state.meters.iter().all(|meter| meter.has_nobody_behind(key_time, act)));
    let allowed = nobody_behind && is_a_turn(call.why, state, now, key_time);

    let mut given = false;
    if allowed {
        for (index, clause) in costly(&call.clauses) {
            let Some(at) = places::means(state, index) else { continue };
            let shared = state.meters.get(at).is_some_and(|meter| state.count_at(meter.place) > 1);
            if let Some(meter) = state.meters.get_mut(at) {
                let takes = !(shared && matches!(meter.gauge, Gauge::Window(_)));
                given |= takes && meter.give_back(key_time, clause.cost);
            }
        }
        if act.is_none() {
            given |= places::give_back_to_others(state, &call.clauses, key_time);
        }
    }

    let reply = reply(call, state, &sight, bounds, given);
    let mut notes = Notes { repaired: repaired && given, ..Notes::default() };
    let change = match given {
        false => Change::Keep,
        true if state.is_idle(now) => Change::Delete,
        true if is_plain => settle_plain(state, call.clauses.len(), now),
        true => {
            notes.forgotten = places::tidy(state, key_time);
            state.settle(now, bounds);
            state.to_be_stored(now)
        }
    };
    Verdict { reply, act_us: 0, change, notes }
}

/// How long after its act a turn can be given up, in ms. It gives back nothing by then; but what is
/// further in the past was no act of a turn: seconds, or ms, where us were meant.
const LATEST_MS: u64 = 60 * 60 * 1_000;

/// Whether the turn that is given up is one that there can have been, by the server's clock in unix us.
pub fn can_have_been(why: Why, now: Nanos, bounds: &Bounds) -> bool {
    let Why::ActAt(us) = why else { return true };
    let earliest_ms = now.as_millis().saturating_sub(LATEST_MS);
    let latest_ms = now.ceil_millis() + bounds.max_wait.get();
    (earliest_ms..=latest_ms).contains(&us.div_ceil(1_000))
}

/// Whether the act that a caller gives up lies ahead and is one that was told: some limit's last. So nothing is given back
/// twice, nor for a turn that has come, whose tokens have come back with time. While a key is held the turns at the end of
/// the hold need not be any limit's last. A refund, and what a person says in ms from now, is believed.
fn is_a_turn(why: Why, state: &State, now: Nanos, key_time: Nanos) -> bool {
    let Why::ActAt(us) = why else { return true };
    let act = Nanos(us.saturating_mul(1_000));
    let at_the_end_of_a_hold = key_time > now && act.0 <= key_time.0.saturating_add(1_000);
    act >= now && (at_the_end_of_a_hold || state.meters.iter().any(|meter| meter.has_turn_at(key_time, act)))
}

/// What the caller is told: of a limit that the key does not know, what it would be if it joined.
fn reply(
    call: &GiveBack,
    state: &State,
    sight: &Sight<false>,
    bounds: &Bounds,
    given: bool,
) -> super::call::Reply {
    let mut unknown = None;
    let mut fewest: Option<(usize, Meter)> = None;
    for (index, _) in costly(&call.clauses) {
        let meter = match places::means(state, index).and_then(|at| state.meters.get(at)) {
            Some(meter) => meter.clone(),
            None => {
                let joined = unknown.get_or_insert_with(|| {
                    let mut joined = state.clone();
                    places::arrange(&call.clauses, &mut joined, sight.key_time, bounds);
                    joined
                });
                match places::means(joined, index).and_then(|at| joined.meters.get(at)) {
                    Some(meter) => meter.clone(),
                    None => continue,
                }
            }
        };
        let left = meter.remaining(sight.key_time);
        if fewest.as_ref().is_none_or(|(_, fewest)| left < fewest.remaining(sight.key_time)) {
            fewest = Some((index, meter));
        }
    }
    match fewest {
        Some((index, meter)) => sight.reply_of(&meter, index, i64::from(given), 0),
        None => sight.reply(state, 0, i64::from(given), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::call::Clause;
    use crate::limit::codec;
    use crate::limit::quota::Quota;
    use crate::time::Millis;

    /// The only limit in use is one that nobody has named for an hour, and goes; what is left is no state.
    #[test]
    fn a_refund_that_leaves_nothing_in_use_deletes_the_key() {
        let text = b"0@0~1795635112345:1/1:S|1795640112346000000~1795635112345:1/1:1";
        let mut state = codec::decode(text).unwrap();
        let quota = Quota::strict(1, Millis::new(1).unwrap()).unwrap();
        let call = GiveBack { clauses: [Clause { quota, cost: 1 }].into_iter().collect(), why: Why::Refund };
        let now = Nanos(1_795_640_112_345_678_900);
        let bounds = Bounds { max_wait: Millis::ZERO, max_debt: Millis::ZERO };
        let verdict = give_back(&call, &mut state, now, &bounds);
        assert_eq!((verdict.reply.granted, verdict.change), (1, Change::Delete));
    }
}
