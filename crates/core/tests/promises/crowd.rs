//! A crowd before one key: who asks, who cancels a turn that is still to come, and who acts in the
//! end. When all have asked, somebody comes at the acts, from some act on, and takes all that is
//! left just then.

use proptest::prelude::*;
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::bucket::Bucket;
use sluice_core::limit::call::{Acquire, Clause, Clauses, GiveBack, Mode, Why};
use sluice_core::limit::meter::Gauge;
use sluice_core::limit::quota::Quota;
use sluice_core::limit::state::State;
use sluice_core::time::{Millis, NS_PER_MS, Nanos};

use crate::key::Key;
use crate::limits::{Cost, rate};
use crate::story::{Pause, Told, pause_forward, same_cost};

/// Acts are counted in 1/12600 ns, of which every count used here has a whole number.
pub(crate) const FINE: u64 = 12_600;
pub(crate) const A_MS: i128 = FINE as i128 * NS_PER_MS as i128;
const COUNTS: [u64; 18] = [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14, 60, 100, 126, 300, 600, 1800, 12_600];

/// One caller after another.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    pub(crate) limits: Vec<Quota>,
    max_wait: Millis,
    callers: Vec<Caller>,
    rush: prop::sample::Index,
}

#[derive(Debug, Clone)]
struct Caller {
    pause: Pause,
    costs: [Cost; 3],
    intent: Intent,
}

#[derive(Debug, Clone, Copy)]
enum Intent {
    Plain,
    Partial,
    Reserve,
    /// Gives up one of the turns that are still to come.
    Cancel(prop::sample::Index),
}

/// Somebody who was let through.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    asked_at: Nanos,
    wait_ms: i64,
    /// What it takes of each clause.
    pub(crate) clauses: Clauses,
    /// When it acts, in 1/12600 ns: after its wait before that was rounded up to ms.
    pub(crate) act: i128,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Acts,
    /// Cancelled, with nothing given back.
    Lapsed,
    Returned,
}

struct Crowd {
    key: Key,
    turns: Vec<Turn>,
}

impl Traffic {
    /// All who were let through, and what became of them.
    pub(crate) fn let_through(&self) -> Vec<Turn> {
        let mut crowd = Crowd {
            key: Key::new(Bounds { max_wait: self.max_wait, max_debt: Millis::ZERO }),
            turns: Vec::new(),
        };
        let mut told = Told::nothing();
        for caller in &self.callers {
            told.at = told.after(caller.pause, &self.limits[0]);
            match caller.intent {
                Intent::Cancel(which) => crowd.cancel(which, told.at),
                _ => told = crowd.ask(caller.call(self), told.at),
            }
        }
        crowd.rush(&self.limits, self.rush, told.at);
        crowd.turns
    }
}

impl Crowd {
    fn ask(&mut self, mut call: Acquire, now: Nanos) -> Told {
        let before = self.key.state(now);
        let reply = self.key.acquire(&call, now).reply;
        if reply.granted > 0 {
            if call.mode == Mode::Partial {
                same_cost(&mut call.clauses, reply.granted as u64);
            }
            let (wait_ms, clauses) = (reply.wait_ms, call.clauses);
            let wait = exact_wait(&clauses, &before, now);
            let told = i128::from(wait_ms) * A_MS;
            let act = i128::from(now.0) * i128::from(FINE) + wait.clamp((told - A_MS).max(0), told);
            self.turns.push(Turn { asked_at: now, wait_ms, clauses, act, fate: Fate::Acts });
        }
        Told::by(&reply, now)
    }

    fn cancel(&mut self, which: prop::sample::Index, now: Nanos) {
        let to_come: Vec<usize> = (0..self.turns.len()).filter(|i| self.turns[*i].is_to_come(now)).collect();
        if to_come.is_empty() {
            return;
        }
        let turn = &mut self.turns[*which.get(&to_come)];
        let why = Why::DueIn(Millis::new(turn.due_ms(now) as u64).unwrap());
        let call = GiveBack { clauses: turn.clauses.clone(), why };
        let reply = self.key.give_back(&call, now).reply;
        turn.fate = if reply.granted == 1 { Fate::Returned } else { Fate::Lapsed };
    }

    /// At every act from one of those still to come on, all that is left of each clause.
    fn rush(&mut self, limits: &[Quota], from: prop::sample::Index, now: Nanos) {
        let mut acts: Vec<Nanos> = self.turns.iter().map(Turn::at).filter(|act| *act >= now).collect();
        acts.sort_unstable();
        acts.dedup();
        let from = if acts.is_empty() { 0 } else { from.index(acts.len()) };
        for act in acts.split_off(from) {
            for greedy in 0..limits.len() {
                let clause = |(i, quota): (usize, &Quota)| {
                    let cost = if i == greedy { quota.burst() } else { 0 };
                    Clause { quota: *quota, cost }
                };
                let clauses = limits.iter().enumerate().map(clause).collect();
                self.ask(Acquire { clauses, mode: Mode::Partial }, act);
            }
        }
    }
}

/// The longest `max(0, debt + cost * period / count - full)`, in 1/12600 ns.
fn exact_wait(clauses: &Clauses, state: &State, now: Nanos) -> i128 {
    let wait = |(i, clause): (usize, &Clause)| {
        let [count, period, burst, cost] =
            [clause.quota.count(), clause.quota.period_ns(), clause.quota.burst(), clause.cost]
                .map(i128::from);
        let ahead = |bucket: &Bucket| {
            let [tat, r, now] = [bucket.tat_ns(), bucket.remainder(), now.0].map(i128::from);
            (tat - now) * i128::from(FINE) + r * i128::from(FINE) / count
        };
        let bucket = state.meters.get(i).and_then(|meter| match &meter.gauge {
            Gauge::Bucket(bucket) => Some(bucket),
            Gauge::Window(_) => None,
        });
        let debt = bucket.map_or(0, ahead).max(0);
        debt + (cost - burst) * period * i128::from(FINE) / count
    };
    let costly = clauses.iter().enumerate().filter(|(_, clause)| clause.cost > 0);
    costly.map(wait).max().unwrap_or(0).max(0)
}

impl Caller {
    fn call(&self, traffic: &Traffic) -> Acquire {
        let clause = |(quota, cost): (&Quota, &Cost)| Clause { quota: *quota, cost: cost.of(*quota) };
        let mut clauses: Clauses = traffic.limits.iter().zip(&self.costs).map(clause).collect();
        let Some(cost) = clauses.iter().map(|clause| clause.cost).find(|cost| *cost > 0) else {
            clauses[0].cost = 1;
            return Acquire { clauses, mode: Mode::Plain };
        };
        let mode = match self.intent {
            Intent::Plain | Intent::Cancel(_) => Mode::Plain,
            Intent::Reserve => Mode::Wait(traffic.max_wait),
            Intent::Partial => {
                same_cost(&mut clauses, cost);
                Mode::Partial
            }
        };
        Acquire { clauses, mode }
    }
}

impl Turn {
    /// When it acts by the clock of the caller, who sleeps whole ms.
    pub(crate) fn at(&self) -> Nanos {
        Nanos(self.asked_at.0 + self.wait_ms as u64 * NS_PER_MS)
    }

    /// What a client passes as DUE: its wait less the ms that have begun since the reply.
    fn due_ms(&self, now: Nanos) -> i64 {
        self.wait_ms - (now.0 - self.asked_at.0).div_ceil(NS_PER_MS) as i64
    }

    fn is_to_come(&self, now: Nanos) -> bool {
        self.fate == Fate::Acts && self.wait_ms > 0 && self.due_ms(now) >= 0
    }
}

/// Up to three limits whose tokens take at least `token_ns`.
pub(crate) fn traffic(
    token_ns: u64,
    cost: impl Strategy<Value = Cost>,
    cancels: bool,
) -> impl Strategy<Value = Traffic> {
    let intent = prop_oneof![
        2 => Just(Intent::Plain),
        1 => Just(Intent::Partial),
        6 => Just(Intent::Reserve),
        if cancels { 5 } else { 0 } => any::<prop::sample::Index>().prop_map(Intent::Cancel),
    ];
    let pause = prop_oneof![Just(Pause::Ns(0)), pause_forward()];
    let caller = (pause, prop::array::uniform3(cost), intent).prop_map(|(pause, costs, intent)| Caller {
        pause,
        costs,
        intent,
    });
    let max_wait = prop_oneof![3 => Just(60_000u64), 1 => 1..2000u64];
    let max_wait = max_wait.prop_map(|ms| Millis::new(ms).unwrap());
    let limits = prop::collection::vec(limit(token_ns), 1..=3);
    (limits, max_wait, prop::collection::vec(caller, 2..=16), any::<prop::sample::Index>())
        .prop_map(|(limits, max_wait, callers, rush)| Traffic { limits, max_wait, callers, rush })
}

fn limit(token_ns: u64) -> impl Strategy<Value = Quota> {
    prop::sample::select(vec![1, 7, 100, 1000, 1000, 60_000]).prop_flat_map(move |period_ms| {
        let fits = |count: &u64| count * token_ns <= period_ms * NS_PER_MS;
        let count = prop::sample::select(COUNTS.into_iter().filter(fits).collect::<Vec<_>>());
        let burst =
            prop_oneof![2 => (1..=3u64).prop_map(Some), 1 => (1..=20u64).prop_map(Some), 1 => Just(None)];
        (count, burst).prop_map(move |(count, burst)| rate(count, period_ms, burst.unwrap_or(count)))
    })
}
