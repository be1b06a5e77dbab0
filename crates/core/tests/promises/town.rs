//! Several callers with limits of their own on one key: who asks, who gives a turn up, who is held
//! up by a hold, and who acts in the end. Everybody keeps to the rules: whoever has a turn asks
//! TURN when it is due, and sleeps again until the answer is 0; whoever gives it up sends AT.

use proptest::prelude::*;
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Acquire, Clause, Clauses, GiveBack, Mode, Why};
use sluice_core::limit::quota::{Kind, Quota};
use sluice_core::time::{Millis, NS_PER_MS, Nanos};

use crate::key::Key;
use crate::limits::{rate, window};
use crate::story::{Pause, Told, pause_forward, same_cost};

const NS_PER_US: u64 = 1_000;

/// One call after another.
#[derive(Debug, Clone)]
pub(crate) struct Town {
    pub(crate) known: Vec<Quota>,
    callers: Vec<Vec<Quota>>,
    calls: Vec<Call>,
    /// Nobody who names the first limit forces or refunds; the others may do so.
    liberties: bool,
    /// Everybody calls at whole ms. TURN cannot tell what comes before a hold from what comes after
    /// it in the same ms, and lets such a caller sleep too long.
    whole_ms: bool,
}

#[derive(Debug, Clone)]
struct Call {
    pause: Pause,
    who: prop::sample::Index,
    costs: [u64; 3],
    intent: Intent,
}

#[derive(Debug, Clone, Copy)]
enum Intent {
    Plain,
    Partial,
    Reserve,
    Force,
    Refund,
    /// Gives up one of the turns that are still to come.
    GiveUp(prop::sample::Index),
    Hold(u64),
}

/// Somebody who was let through.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// What it takes of each limit that it names.
    pub(crate) clauses: Clauses,
    /// When it acts, in unix us rounded up.
    pub(crate) at_us: u64,
    /// It was let through before anybody else was.
    pub(crate) order: usize,
    /// The first limit was known to the key, without a break, since the act of this order.
    pub(crate) known_since: Option<usize>,
    pub(crate) reserved: bool,
}

impl Act {
    /// What it takes of this limit, if it names it.
    pub(crate) fn of(&self, limit: Quota) -> Option<u64> {
        let costs = self.clauses.iter().filter(|clause| clause.quota == limit).map(|clause| clause.cost);
        costs.max().filter(|cost| *cost > 0)
    }

    pub(crate) fn largest(&self) -> u64 {
        self.clauses.iter().map(|clause| clause.cost).max().unwrap()
    }
}

struct Turn {
    asked: Nanos,
    due: Nanos,
    told_us: u64,
    act: Act,
}

struct Streets<'a> {
    town: &'a Town,
    key: Key,
    turns: Vec<Turn>,
    acts: Vec<Act>,
    order: usize,
    known_since: Option<usize>,
}

impl Town {
    /// All who acted, in the order in which they were let through.
    pub(crate) fn acts(&self) -> Vec<Act> {
        let ms = |ms| Millis::new(ms).unwrap();
        let bounds = Bounds { max_wait: ms(60_000), max_debt: ms(3_600_000) };
        let mut streets = Streets {
            town: self,
            key: Key::new(bounds),
            turns: Vec::new(),
            acts: Vec::new(),
            order: 0,
            known_since: None,
        };
        let mut told = Told::nothing();
        for call in &self.calls {
            let limits = &self.callers[call.who.index(self.callers.len())];
            let grain = if self.whole_ms { NS_PER_MS } else { NS_PER_US };
            let now = told.after(call.pause, &limits[0]).0.next_multiple_of(grain);
            told.at = Nanos(now.max(told.at.0));
            if let Intent::Hold(_) = call.intent {
                told.at.0 += NS_PER_MS; // who was told a turn in that ms would not count as told before it
            }
            streets.wake(told.at);
            if let Some(reply) = streets.call(call, limits, told.at) {
                told = Told::by(&reply, told.at);
            }
            if let Intent::Hold(_) = call.intent {
                // who is told a turn in the ms of a hold is taken for one who was told it before
                told.at = Nanos(told.at.0 + 2 * NS_PER_MS);
            }
        }
        streets.wake(Nanos(u64::MAX));
        streets.acts.sort_by_key(|act| act.order);
        streets.acts
    }

    fn may_take_liberties(&self, limits: &[Quota]) -> bool {
        self.liberties && !limits.contains(&self.known[0])
    }
}

impl Streets<'_> {
    fn call(&mut self, call: &Call, limits: &[Quota], now: Nanos) -> Option<sluice_core::limit::call::Reply> {
        let mut clauses: Clauses = limits
            .iter()
            .zip(call.costs)
            .map(|(quota, cost)| Clause { quota: *quota, cost: cost.min(quota.burst()) })
            .collect();
        let mode = match call.intent {
            Intent::Force if self.town.may_take_liberties(limits) => Mode::Force,
            Intent::Refund if self.town.may_take_liberties(limits) => {
                self.key.give_back(&GiveBack { clauses, why: Why::Refund }, now);
                self.look_who_is_known(now);
                return None;
            }
            Intent::Plain | Intent::Force | Intent::Refund => Mode::Plain,
            Intent::Reserve => Mode::Wait(self.key.bounds.max_wait),
            Intent::Partial => {
                let cost = clauses[0].cost;
                same_cost(&mut clauses, cost);
                Mode::Partial
            }
            Intent::GiveUp(which) => {
                self.give_up(which, now);
                return None;
            }
            Intent::Hold(ms) => {
                self.key.hold(Millis::new(ms).unwrap(), now);
                return None;
            }
        };
        self.look_who_is_known(now);
        let verdict = self.key.acquire(&Acquire { clauses: clauses.clone(), mode }, now);
        let reply = verdict.reply;
        let before = self.known_since;
        self.look_who_is_known(now);
        if reply.granted > 0 {
            if mode == Mode::Partial {
                same_cost(&mut clauses, reply.granted as u64);
            }
            let reserved = matches!(mode, Mode::Wait(_));
            let at_us = if reserved { verdict.act_us as u64 } else { now.0 / NS_PER_US };
            let act = Act { clauses, at_us, order: self.order, known_since: before, reserved };
            self.order += 1;
            match at_us * NS_PER_US > now.0 {
                true => {
                    self.turns.push(Turn { asked: now, due: Nanos(at_us * NS_PER_US), told_us: at_us, act })
                }
                false => self.acts.push(act),
            }
        }
        Some(reply)
    }

    /// Whether the first limit is known: what was used before it was does not count.
    fn look_who_is_known(&mut self, now: Nanos) {
        let is_known = self.key.look(now).is_some()
            && self.key.state(now).meters.iter().any(|meter| *meter.quota() == self.town.known[0]);
        self.known_since = match is_known {
            true => self.known_since.or(Some(self.order)),
            false => None,
        };
    }

    fn give_up(&mut self, which: prop::sample::Index, now: Nanos) {
        if self.turns.is_empty() {
            return;
        }
        let turn = self.turns.remove(which.index(self.turns.len()));
        let call = GiveBack { clauses: turn.act.clauses, why: Why::ActAt(turn.told_us) };
        self.key.give_back(&call, now);
    }

    /// Everybody whose turn is due by then asks for it, in order, and acts or sleeps again.
    fn wake(&mut self, until: Nanos) {
        loop {
            let next = (0..self.turns.len()).min_by_key(|i| self.turns[*i].due);
            let Some(next) = next.filter(|i| self.turns[*i].due <= until) else { return };
            let mut turn = self.turns.remove(next);
            let told = Millis::new((turn.due.0 - turn.asked.0).div_ceil(NS_PER_MS)).unwrap();
            let more_ms = self.key.turn(told, turn.due);
            if more_ms > 0 {
                // it has slept through what was there when it asked; only what comes later adds to it
                turn.asked = turn.due;
                turn.due = Nanos(turn.due.0 + more_ms as u64 * NS_PER_MS);
                self.turns.push(turn);
            } else {
                turn.act.at_us = turn.due.0 / NS_PER_US;
                self.acts.push(turn.act);
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) windows: bool,
    /// Every caller names one limit.
    pub(crate) one_place: bool,
    pub(crate) liberties: bool,
    pub(crate) reserves: bool,
    pub(crate) give_ups: bool,
    pub(crate) holds: bool,
}

pub(crate) fn town(rules: Rules) -> impl Strategy<Value = Town> {
    let intent = prop_oneof![
        4 => Just(Intent::Plain),
        1 => Just(Intent::Partial),
        if rules.reserves { 6 } else { 0 } => Just(Intent::Reserve),
        if rules.liberties { 2 } else { 0 } => Just(Intent::Force),
        if rules.liberties { 2 } else { 0 } => Just(Intent::Refund),
        if rules.give_ups { 4 } else { 0 } => any::<prop::sample::Index>().prop_map(Intent::GiveUp),
        if rules.holds { 2 } else { 0 } => (1..3000u64).prop_map(Intent::Hold),
    ];
    let cost = prop_oneof![6 => Just(1u64), 2 => 2..5u64, 1 => Just(u64::from(u32::MAX))];
    let pause = prop_oneof![2 => Just(Pause::Ns(0)), 3 => pause_forward()];
    let call = (pause, any::<prop::sample::Index>(), prop::array::uniform3(cost), intent)
        .prop_map(|(pause, who, costs, intent)| Call { pause, who, costs, intent });
    let known = prop::collection::vec(limit(rules.windows), 2..=5);
    let names = prop::collection::vec(any::<prop::sample::Index>(), 1..=if rules.one_place { 1 } else { 3 });
    let callers = prop::collection::vec(names, 2..=4);
    (known, callers, prop::collection::vec(call, 2..=24)).prop_map(move |(known, callers, calls)| {
        let limits = |of: Vec<prop::sample::Index>| {
            let mut limits: Vec<Quota> = Vec::new();
            for quota in of.iter().map(|which| *which.get(&known)) {
                if !limits.contains(&quota) {
                    limits.push(quota);
                }
            }
            limits
        };
        let mut callers: Vec<Vec<Quota>> = callers.into_iter().map(limits).collect();
        callers.push(vec![known[0]]);
        Town { known, callers, calls, liberties: rules.liberties, whole_ms: rules.holds }
    })
}

fn limit(windows: bool) -> impl Strategy<Value = Quota> {
    let count = prop::sample::select(vec![1u64, 2, 3, 5, 7, 10, 60, 100]);
    let period = prop::sample::select(vec![100u64, 1000, 1000, 3000, 60_000]);
    let burst = prop_oneof![2 => (1..=3u64).prop_map(Some), 1 => Just(None)];
    let kind = prop_oneof![
        2 => Just(0u8),
        if windows { 2 } else { 0 } => Just(1u8),
        if windows { 1 } else { 0 } => Just(2u8),
    ];
    (count, period, burst, kind).prop_map(|(count, period, burst, kind)| match kind {
        0 => rate(count, period, burst.unwrap_or(count)),
        1 => window(count, period, None),
        _ => window(count, period, Some(0)),
    })
}

/// The first window in which these acts, each with its instant in us and its cost, cost more than
/// the limit allows. A rate is allowed `slack_us` more time.
pub(crate) fn beyond(limit: Quota, mut acts: Vec<(u64, u64)>, slack_us: u64) -> Option<(u64, u64)> {
    acts.sort_unstable();
    let [count, period_us, burst] = [limit.count(), limit.period_ms() * 1000, limit.burst()].map(u128::from);
    for from in 0..acts.len() {
        let start = acts[from].0;
        let mut cost = 0u128;
        for (at, tokens) in &acts[from..] {
            let time = u128::from(at - start);
            let is_counted = match limit.kind() {
                Kind::Rate => true,
                Kind::Strict => time < period_us,
                Kind::Align(offset_ms) => {
                    let window =
                        |us: u64| (u128::from(us) + period_us - u128::from(offset_ms) * 1000) / period_us;
                    window(*at) == window(start)
                }
            };
            cost += u128::from(*tokens);
            let is_kept = match limit.kind() {
                Kind::Rate => cost * period_us <= burst * period_us + count * (time + u128::from(slack_us)),
                _ => !is_counted || cost <= count,
            };
            if !is_kept {
                return Some((start, *at));
            }
        }
    }
    None
}
