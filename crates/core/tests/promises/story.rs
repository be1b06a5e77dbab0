//! Random calls on one key: limits small and natural or at the bounds, and what is done to them.

use proptest::prelude::*;
use sluice_core::limit::call::{Acquire, Clause, Clauses, GiveBack, MAX_CLAUSES, Mode, NEVER, Reply};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{MAX_MS, MAX_NS, Millis, NS_PER_MS, Nanos};

use crate::key::Key;

/// A key's limits, and what happens to them.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) max_wait: Millis,
    pub(crate) limits: Vec<Quota>,
    /// What the limits are changed to now and then.
    pub(crate) others: Vec<Quota>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) pause: Pause,
    pub(crate) deed: Deed,
    /// How many of the limits the call has: all where it is more.
    clauses: usize,
    /// Bit i: the other limit in clause i.
    changed: u8,
    costs: [Cost; MAX_CLAUSES],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    Acquire(Terms),
    Peek(Terms),
    GiveBack(Option<Due>),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Terms {
    Plain,
    Partial,
    Force,
    /// MAXWAIT, in parts of 1000 of the longest allowed.
    Wait(u64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Due {
    Ms(u64),
    /// What is left of the last wait told, and so many ms more.
    Told(i64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Cost {
    Tokens(u64),
    /// BURST and so many more.
    Burst(i64),
    Percent(u64),
}

/// The time between two calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pause {
    Ns(i64),
    /// Tenths of a token of the first limit.
    Tenths(u64),
    /// The wait that was told last, and so many ns more.
    Told(i64),
    /// Until the last deciding clause is full again, and so many ns more.
    Full(i64),
}

impl Story {
    /// The call's clauses, with at least one cost if it must have one.
    fn clauses(&self, step: &Step) -> Clauses {
        let called = step.clauses.min(self.limits.len());
        let quota = |i: usize| if step.changed >> i & 1 == 1 { self.others[i] } else { self.limits[i] };
        let clause = |i: usize| Clause { quota: quota(i), cost: step.costs[i].of(quota(i)) };
        let mut clauses: Clauses = (0..called).map(clause).collect();
        let free = !matches!(step.deed, Deed::Peek(_));
        if free && clauses.iter().all(|clause| clause.cost == 0) {
            clauses[0].cost = 1;
        }
        clauses
    }

    /// Does all but the last step to the key, and asks what that one asks for: tokens on some terms.
    pub(crate) fn up_to_a_question(&self, key: &mut Key) -> (Acquire, Nanos) {
        let (question, steps) = self.steps.split_last().unwrap();
        let mut told = Told::nothing();
        for step in steps {
            let now = self.instant(step, &told);
            let verdict = match step.deed {
                Deed::Acquire(terms) => key.acquire(&self.acquire(step, terms), now),
                Deed::Peek(terms) => key.peek(&self.acquire(step, terms), now),
                Deed::GiveBack(due) => key.give_back(&self.give_back(step, due, &told, now), now),
            };
            told = Told::by(&verdict.reply, now);
        }
        let terms = match question.deed {
            Deed::Acquire(terms) | Deed::Peek(terms) => terms,
            Deed::GiveBack(_) => Terms::Plain,
        };
        let question = Step { deed: Deed::Acquire(terms), ..question.clone() };
        (self.acquire(&question, terms), self.instant(&question, &told))
    }

    pub(crate) fn acquire(&self, step: &Step, terms: Terms) -> Acquire {
        let mut clauses = self.clauses(step);
        let mode = match terms {
            Terms::Plain => Mode::PLAIN,
            Terms::Partial => Mode::Partial,
            Terms::Force => Mode::Force,
            Terms::Wait(permille) => Mode::Wait(Millis::new(self.max_wait.get() * permille / 1000).unwrap()),
        };
        if let (Mode::Partial, Some(cost)) =
            (mode, clauses.iter().map(|clause| clause.cost).find(|cost| *cost > 0))
        {
            same_cost(&mut clauses, cost);
        }
        Acquire { clauses, mode }
    }

    pub(crate) fn give_back(&self, step: &Step, due: Option<Due>, told: &Told, now: Nanos) -> GiveBack {
        let ms = |due| match due {
            Due::Ms(ms) => ms,
            Due::Told(more) => told.left_ms(now).saturating_add_signed(more),
        };
        let due = due.map(|due| Millis::new(ms(due).min(MAX_MS)).unwrap());
        GiveBack { clauses: self.clauses(step), due }
    }

    pub(crate) fn instant(&self, step: &Step, told: &Told) -> Nanos {
        told.after(step.pause, &self.limits[0])
    }
}

/// Where stories start; no clock is set back behind it.
const DAWN: Nanos = Nanos(1_600_000_000_000_000_000);
const DUSK: Nanos = Nanos(2_800_000_000_000_000_000);

/// What the caller was told last, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) at: Nanos,
    wait_ms: i64,
    reset_ms: i64,
}

impl Told {
    pub(crate) fn nothing() -> Self {
        Self { at: Nanos(1_795_640_112_345_678_901), wait_ms: 0, reset_ms: 0 }
    }

    pub(crate) fn by(reply: &Reply, at: Nanos) -> Self {
        Self { at, wait_ms: reply.wait_ms, reset_ms: reply.reset_ms }
    }

    /// The instant of the next call. The clock stays in the years 2020 to 2058, where no tat that
    /// is believed reaches the year 2262, the last that 19 digits can name.
    pub(crate) fn after(&self, pause: Pause, limit: &Quota) -> Nanos {
        let ms = |ms: i64| i128::from(ms) * i128::from(NS_PER_MS);
        let ahead_ns = match pause {
            Pause::Ns(ns) => i128::from(ns),
            Pause::Tenths(n) => {
                i128::from(limit.period_ns()) * i128::from(n) / i128::from(limit.count()) / 10
            }
            Pause::Told(ns) => ms(self.wait_ms.max(0)) + i128::from(ns),
            Pause::Full(ns) => ms(self.reset_ms) + i128::from(ns),
        };
        let now = (i128::from(self.at.0) + ahead_ns).clamp(i128::from(DAWN.0), i128::from(DUSK.0));
        Nanos(u64::try_from(now).unwrap())
    }

    fn left_ms(&self, now: Nanos) -> u64 {
        let since_ms = now.0.saturating_sub(self.at.0).div_ceil(NS_PER_MS);
        self.wait_ms.max(0).unsigned_abs().saturating_sub(since_ms)
    }
}

impl Cost {
    pub(crate) fn of(self, quota: Quota) -> u64 {
        match self {
            Self::Tokens(tokens) => tokens,
            Self::Burst(more) => quota.burst().saturating_add_signed(more).min(i64::MAX as u64),
            Self::Percent(percent) => (u128::from(quota.burst()) * u128::from(percent) / 100) as u64,
        }
    }
}

/// PARTIAL wants all costs but 0 to be the same.
pub(crate) fn same_cost(clauses: &mut Clauses, cost: u64) {
    for clause in clauses.iter_mut().filter(|clause| clause.cost > 0) {
        clause.cost = cost;
    }
}

/// Every number of a reply is 0 or more and in its range, but for the wait of what can never be.
pub(crate) fn is_in_range(reply: &Reply, clauses: &Clauses) -> bool {
    let Some(clause) = clauses.get(reply.index as usize) else { return false };
    reply.granted >= 0
        && (reply.wait_ms >= 0 || (reply.wait_ms == NEVER && reply.granted == 0))
        && (0..=reply.burst).contains(&reply.remaining)
        && reply.burst == clause.quota.burst() as i64
        && reply.reset_ms >= 0
}

/// The nearest legal quota.
pub(crate) fn quota(count: u64, period_ms: u64, burst: u64) -> Quota {
    let period = Millis::new(period_ms.clamp(1, MAX_MS)).unwrap();
    let count = count.clamp(1, period.as_nanos());
    let most = u128::from(count) * u128::from(MAX_NS) / u128::from(period.as_nanos());
    let burst = u128::from(burst).clamp(1, most.min(i64::MAX as u128)) as u64;
    Quota::new(count, period, burst).unwrap()
}

pub(crate) fn natural_quota() -> impl Strategy<Value = Quota> {
    let count = prop_oneof![4 => 1..=10u64, 2 => prop::sample::select(vec![60, 100, 300, 1000, 90_000]), 1 => 1..=2000u64];
    let period = prop::sample::select(vec![1, 7, 100, 1000, 1000, 1000, 3000, 60_000, 3_600_000]);
    let burst =
        prop_oneof![2 => Just(None), 1 => (1..=3u64).prop_map(Some), 1 => (1..=2000u64).prop_map(Some)];
    (count, period, burst).prop_map(|(count, period, burst)| quota(count, period, burst.unwrap_or(count)))
}

pub(crate) fn quota_at_the_bounds() -> impl Strategy<Value = Quota> {
    let edge = || {
        prop_oneof![
            Just(1u64),
            1..4u64,
            Just(u64::MAX),
            any::<u64>(),
            any::<u64>().prop_map(|n| n >> (n & 63))
        ]
    };
    let period = prop_oneof![Just(1), Just(MAX_MS), Just(MAX_MS - 1), 1..=MAX_MS, 1..5000u64];
    let odd = |quota_: Quota, less: u64| {
        quota(quota_.count().saturating_sub(less), quota_.period_ms(), quota_.burst())
    };
    (edge(), period, edge(), 0..3u64)
        .prop_map(move |(count, period, burst, less)| odd(quota(count, period, burst), less))
}

pub(crate) fn any_quota() -> impl Strategy<Value = Quota> {
    prop_oneof![natural_quota(), quota_at_the_bounds()]
}

pub(crate) fn cost() -> impl Strategy<Value = Cost> {
    prop_oneof![
        8 => Just(Cost::Tokens(1)),
        3 => Just(Cost::Tokens(0)),
        4 => (2..6u64).prop_map(Cost::Tokens),
        4 => (1..=100u64).prop_map(Cost::Percent),
        2 => (-1..=1i64).prop_map(Cost::Burst),
        1 => prop_oneof![Just(i64::MAX as u64), any::<u32>().prop_map(u64::from)].prop_map(Cost::Tokens),
    ]
}

pub(crate) fn pause() -> impl Strategy<Value = Pause> {
    let ms = |ms: i64| ms * NS_PER_MS as i64;
    prop_oneof![
        6 => Just(Pause::Ns(0)),
        2 => (1..1_000_000i64).prop_map(Pause::Ns),
        3 => (1..100i64).prop_map(move |n| Pause::Ns(ms(n))),
        2 => (1..40_000_000_000i64).prop_map(Pause::Ns),
        3 => (1..40u64).prop_map(Pause::Tenths),
        3 => prop_oneof![Just(0), Just(-1), Just(-1_000_000)].prop_map(Pause::Told),
        2 => (-2_000_000..2i64).prop_map(Pause::Full),
        1 => prop_oneof![-1_000_000..0i64, -100_000_000_000..0i64, -400_000_000_000_000_000..0i64].prop_map(Pause::Ns),
    ]
}

/// Pauses of a clock that is never set back.
pub(crate) fn pause_forward() -> impl Strategy<Value = Pause> {
    pause().prop_map(|pause| match pause {
        Pause::Ns(ns) => Pause::Ns(ns.abs().min(100_000_000_000)),
        Pause::Tenths(_) => pause,
        Pause::Told(_) => Pause::Told(0),
        Pause::Full(_) => Pause::Full(0),
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    prop_oneof![
        4 => Just(Terms::Plain),
        2 => Just(Terms::Partial),
        1 => Just(Terms::Force),
        4 => prop_oneof![Just(1000u64), 0..=1000u64].prop_map(Terms::Wait),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    let due = prop_oneof![
        2 => Just(None),
        3 => (-1..=1i64).prop_map(|more| Some(Due::Told(more))),
        1 => prop_oneof![0..2000u64, Just(MAX_MS)].prop_map(|ms| Some(Due::Ms(ms))),
    ];
    prop_oneof![
        8 => terms().prop_map(Deed::Acquire),
        1 => terms().prop_map(Deed::Peek),
        3 => due.prop_map(Deed::GiveBack),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let clauses = prop_oneof![6 => Just(MAX_CLAUSES), 1 => 1..=MAX_CLAUSES];
    let changed = prop_oneof![12 => Just(0u8), 1 => any::<u8>()];
    (pause(), deed(), clauses, changed, prop::array::uniform8(cost()))
        .prop_map(|(pause, deed, clauses, changed, costs)| Step { pause, deed, clauses, changed, costs })
}

/// Up to `length` calls on a key whose limits come from `quotas`.
pub(crate) fn story<S: Strategy<Value = Quota>>(
    quotas: impl Fn() -> S,
    length: usize,
) -> impl Strategy<Value = Story> {
    let limits = prop_oneof![3 => 1..=1usize, 4 => 2..=3usize, 1 => 4..=MAX_CLAUSES];
    let limits = limits.prop_flat_map(move |n| prop::collection::vec((quotas(), quotas()), n));
    let max_wait = prop_oneof![4 => Just(60_000), 1 => Just(0), 1 => 1..5000u64, 1 => Just(MAX_MS)];
    (limits, max_wait, prop::collection::vec(step(), 1..=length)).prop_map(|(limits, max_wait, steps)| {
        let (limits, others) = limits.into_iter().unzip();
        Story { max_wait: Millis::new(max_wait).unwrap(), limits, others, steps }
    })
}
