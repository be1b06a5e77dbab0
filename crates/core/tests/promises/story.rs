//! Random calls on one key, by one caller or several: limits small and natural or at the bounds,
//! and what is done to them.

use proptest::prelude::*;
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{
    Acquire, Clause, Clauses, GiveBack, MAX_CLAUSES, Mode, NEVER, Reply, Verdict, Why,
};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{MAX_MS, Millis, NS_PER_MS, Nanos};

use crate::key::Key;
use crate::limits::Cost;

/// The callers of a key, and what they do.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) bounds: Bounds,
    /// The limits that each caller names.
    pub(crate) callers: Vec<Vec<Quota>>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) pause: Pause,
    pub(crate) deed: Deed,
    caller: prop::sample::Index,
    /// How many of its limits the call has: all where it is more.
    clauses: usize,
    costs: [Cost; MAX_CLAUSES],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    Acquire(Terms),
    Peek(Terms),
    GiveBack(Reason),
    Hold(Millis),
    Release,
    Turn(Millis),
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
pub(crate) enum Reason {
    Refund,
    DueMs(u64),
    /// What is left of the last wait told, and so many ms more.
    DueTold(i64),
    /// The last act told, and so many us more.
    At(i64),
}

/// The time between two calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pause {
    Ns(i64),
    /// Tenths of a token of the caller's first limit.
    Tenths(u64),
    /// The wait that was told last, and so many ns more.
    Told(i64),
    /// Until the last deciding clause is full again, and so many ns more.
    Full(i64),
}

impl Story {
    /// Every call names all limits of its caller.
    pub(crate) fn with_all_clauses(mut self) -> Self {
        self.steps.iter_mut().for_each(|step| step.clauses = MAX_CLAUSES);
        self
    }

    fn limits(&self, step: &Step) -> &[Quota] {
        &self.callers[step.caller.index(self.callers.len())]
    }

    /// The call's clauses, with at least one cost if it must have one.
    fn clauses(&self, step: &Step) -> Clauses {
        let clause = |(quota, cost): (&Quota, &Cost)| Clause { quota: *quota, cost: cost.of(*quota) };
        let limits = self.limits(step).iter().take(step.clauses);
        let mut clauses: Clauses = limits.zip(&step.costs).map(clause).collect();
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
                Deed::Acquire(terms) => Some(key.acquire(&self.acquire(step, terms), now)),
                Deed::Peek(terms) => Some(key.peek(&self.acquire(step, terms), now)),
                Deed::GiveBack(reason) => Some(key.give_back(&self.give_back(step, reason, &told, now), now)),
                Deed::Hold(time) => {
                    key.hold(time, now);
                    None
                }
                Deed::Release => {
                    key.release(now);
                    None
                }
                Deed::Turn(_) => None,
            };
            told.hears(verdict.as_ref(), now);
        }
        let terms = match question.deed {
            Deed::Acquire(terms) | Deed::Peek(terms) => terms,
            _ => Terms::Plain,
        };
        let question = Step { deed: Deed::Acquire(terms), ..question.clone() };
        let now = self.instant(&question, &told);
        key.state(now); // what has expired is gone already
        (self.acquire(&question, terms), now)
    }

    pub(crate) fn acquire(&self, step: &Step, terms: Terms) -> Acquire {
        let mut clauses = self.clauses(step);
        let mode = match terms {
            Terms::Plain => Mode::Plain,
            Terms::Partial => Mode::Partial,
            Terms::Force => Mode::Force,
            Terms::Wait(permille) => {
                let ms = u128::from(self.bounds.max_wait.get()) * u128::from(permille) / 1000;
                Mode::Wait(Millis::new(ms as u64).unwrap())
            }
        };
        if let (Mode::Partial, Some(cost)) =
            (mode, clauses.iter().map(|clause| clause.cost).find(|cost| *cost > 0))
        {
            same_cost(&mut clauses, cost);
        }
        Acquire { clauses, mode }
    }

    pub(crate) fn give_back(&self, step: &Step, reason: Reason, told: &Told, now: Nanos) -> GiveBack {
        let due = |ms: u64| Why::DueIn(Millis::new(ms.min(MAX_MS)).unwrap());
        let why = match reason {
            Reason::Refund => Why::Refund,
            Reason::DueMs(ms) => due(ms),
            Reason::DueTold(more) => due(told.left_ms(now).saturating_add_signed(more)),
            Reason::At(more) => Why::ActAt(told.act_us.saturating_add_signed(more)),
        };
        GiveBack { clauses: self.clauses(step), why }
    }

    pub(crate) fn instant(&self, step: &Step, told: &Told) -> Nanos {
        told.after(step.pause, &self.limits(step)[0])
    }
}

/// No clock is set back behind it.
pub(crate) const DAWN: Nanos = Nanos(1_600_000_000_000_000_000);
const DUSK: Nanos = Nanos(2_800_000_000_000_000_000);

/// What the callers were told last, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) at: Nanos,
    wait_ms: i64,
    reset_ms: i64,
    act_us: u64,
}

impl Told {
    pub(crate) fn nothing() -> Self {
        Self { at: Nanos(1_795_640_112_345_678_900), wait_ms: 0, reset_ms: 0, act_us: 0 }
    }

    pub(crate) fn by(reply: &Reply, at: Nanos) -> Self {
        let mut told = Self::nothing();
        told.hears(
            Some(&Verdict {
                reply: *reply,
                act_us: 0,
                change: sluice_core::limit::call::Change::Keep,
                notes: Default::default(),
            }),
            at,
        );
        told
    }

    pub(crate) fn hears(&mut self, verdict: Option<&Verdict>, at: Nanos) {
        self.at = at;
        if let Some(Verdict { reply, act_us, .. }) = verdict {
            (self.wait_ms, self.reset_ms) = (reply.wait_ms, reply.reset_ms);
            if *act_us > 0 {
                self.act_us = act_us.unsigned_abs();
            }
        }
    }

    pub(crate) fn after(&self, pause: Pause, limit: &Quota) -> Nanos {
        let ms = |ms: i64| i128::from(ms) * i128::from(NS_PER_MS);
        let ahead_ns = match pause {
            Pause::Ns(ns) => i128::from(ns),
            Pause::Tenths(tenths) => {
                i128::from(tenths) * i128::from(limit.period_ns()) / i128::from(limit.count()) / 10
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

/// PARTIAL wants all costs but 0 to be the same.
pub(crate) fn same_cost(clauses: &mut Clauses, cost: u64) {
    for clause in clauses.iter_mut().filter(|clause| clause.cost > 0) {
        clause.cost = cost;
    }
}

/// Whether two clauses have the same limit.
pub(crate) fn names_one_twice(clauses: &Clauses) -> bool {
    let same =
        |(i, clause): (usize, &Clause)| clauses.iter().take(i).any(|other| other.quota == clause.quota);
    clauses.iter().enumerate().any(same)
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
    const MS: i64 = NS_PER_MS as i64;
    const HOUR: i64 = 3_600_000 * MS;
    prop_oneof![
        6 => Just(Pause::Ns(0)),
        2 => (1..1_000_000i64).prop_map(Pause::Ns),
        3 => (1..100i64).prop_map(|n| Pause::Ns(n * MS)),
        2 => (1..40_000_000_000i64).prop_map(Pause::Ns),
        3 => (1..40u64).prop_map(Pause::Tenths),
        3 => prop_oneof![Just(0), Just(-1), Just(-1_000_000)].prop_map(Pause::Told),
        2 => (-2_000_000..2i64).prop_map(Pause::Full),
        1 => prop_oneof![HOUR - MS..HOUR + MS, 0..4 * HOUR].prop_map(Pause::Ns),
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

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        3 => Just(Reason::Refund),
        3 => (-1..=1i64).prop_map(Reason::DueTold),
        3 => prop_oneof![Just(0), -1..=1i64].prop_map(Reason::At),
        1 => prop_oneof![0..2000u64, Just(MAX_MS)].prop_map(Reason::DueMs),
    ]
}

/// What is done beside acquiring, looking and giving back.
fn holding() -> impl Strategy<Value = Deed> {
    // 3 years at most: no stored time comes near the year 2262
    let ms = || prop_oneof![1..3000u64, 1..100_000u64, 1..100_000_000_000u64];
    let told = || prop_oneof![ms(), Just(0), Just(MAX_MS)];
    prop_oneof![
        3 => ms().prop_map(|ms| Deed::Hold(Millis::new(ms).unwrap())),
        2 => Just(Deed::Release),
        2 => told().prop_map(|ms| Deed::Turn(Millis::new(ms).unwrap())),
    ]
}

fn step(holds: bool) -> impl Strategy<Value = Step> {
    let deed = prop_oneof![
        16 => terms().prop_map(Deed::Acquire),
        2 => terms().prop_map(Deed::Peek),
        6 => reason().prop_map(Deed::GiveBack),
        if holds { 3 } else { 0 } => holding(),
    ];
    let clauses = prop_oneof![6 => Just(MAX_CLAUSES), 1 => 1..=MAX_CLAUSES];
    (pause(), deed, any::<prop::sample::Index>(), clauses, prop::array::uniform8(cost()))
        .prop_map(|(pause, deed, caller, clauses, costs)| Step { pause, deed, caller, clauses, costs })
}

pub(crate) fn bounds() -> impl Strategy<Value = Bounds> {
    let max_wait = prop_oneof![4 => Just(60_000), 1 => Just(0), 1 => 1..5000u64, 1 => Just(MAX_MS)];
    let max_debt = prop_oneof![4 => Just(3_600_000), 2 => Just(0), 1 => 1..5000u64, 1 => Just(MAX_MS)];
    let ms = |ms| Millis::new(ms).unwrap();
    (max_wait, max_debt)
        .prop_map(move |(max_wait, max_debt)| Bounds { max_wait: ms(max_wait), max_debt: ms(max_debt) })
}

/// Up to `length` calls of one caller, whose limits come from `quotas`.
pub(crate) fn alone<S: Strategy<Value = Quota>>(
    quotas: impl Fn() -> S,
    length: usize,
) -> impl Strategy<Value = Story> {
    let limits = prop_oneof![3 => 1..=1usize, 4 => 2..=3usize, 1 => 4..=MAX_CLAUSES];
    let limits = limits.prop_flat_map(move |n| prop::collection::vec(quotas(), n));
    (limits, bounds(), prop::collection::vec(step(false), 1..=length))
        .prop_map(|(limits, bounds, steps)| Story { bounds, callers: vec![limits], steps })
}

/// Up to `length` calls of several callers, some of whose limits are the same, and holds.
pub(crate) fn together<S: Strategy<Value = Quota>>(
    quotas: impl Fn() -> S,
    length: usize,
) -> impl Strategy<Value = Story> {
    let known = prop_oneof![6 => 1..=4usize, 1 => 8..=14usize];
    let known = known.prop_flat_map(move |n| prop::collection::vec(quotas(), n));
    let callers = (1..=3usize, prop_oneof![6 => 2..=4usize, 1 => 6..=10usize]).prop_flat_map(|(most, n)| {
        prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 1..=most), n)
    });
    (known, callers, bounds(), prop::collection::vec(step(true), 1..=length)).prop_map(
        |(known, callers, bounds, steps)| {
            let limits = |of: Vec<prop::sample::Index>| of.iter().map(|which| *which.get(&known)).collect();
            Story { bounds, callers: callers.into_iter().map(limits).collect(), steps }
        },
    )
}
