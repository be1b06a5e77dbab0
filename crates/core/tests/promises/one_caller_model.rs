//! The reference of 0.1.0: one caller with one set of rates, in exact rational arithmetic. What it
//! answered and stored then is answered and stored now.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};
use sluice_core::limit::call::{Acquire, Change, Clauses, GiveBack, Mode, NEVER, Reply, Why};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{Millis, NS_PER_MS, Nanos};

pub(crate) type Rational = BigRational;

/// A stored clause. A tat of 0: idle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) quota: Quota,
    pub(crate) tat: Rational,
}

/// A key; nothing held: there is no such key.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) max_wait: Millis,
    pub(crate) held: Vec<Held>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    pub(crate) change: Change,
    pub(crate) repaired: bool,
}

impl Model {
    pub(crate) fn new(max_wait: Millis) -> Self {
        Self { max_wait, held: Vec::new() }
    }

    pub(crate) fn acquire(&mut self, call: &Acquire, now: Nanos) -> Answer {
        let now = int(now.0);
        let (mut held, repaired) = self.up_to_date(&call.clauses, &now);
        let costs: Vec<u64> = call.clauses.iter().map(|clause| clause.cost).collect();
        let with_cost: Vec<usize> = (0..costs.len()).filter(|i| costs[*i] > 0).collect();
        let never = with_cost.iter().find(|i| costs[**i] > held[**i].quota.burst());

        // a PEEK of what is there now
        if with_cost.is_empty() {
            let all: Vec<usize> = (0..costs.len()).collect();
            let reply = answer(1, 0, &held, fewest_remaining(&held, &all, &now), &now);
            return Answer { reply, change: Change::Keep, repaired };
        }

        // PARTIAL: as many as fit; when nothing fits, it is one token that has to wait
        let fits = with_cost.iter().map(|i| remaining(&held[*i], &now).min(costs[*i])).min().unwrap();
        let takes = |i: usize| match call.mode {
            Mode::Partial => fits.max(1),
            _ => costs[i],
        };
        let wait = |i: usize| {
            let quota = held[i].quota;
            let wait = debt(&held[i], &now) + int(takes(i)) * token(quota) - full(quota);
            wait.max(Rational::zero())
        };
        let waits: Vec<(usize, Rational)> = with_cost.iter().map(|i| (*i, wait(*i))).collect();
        let longest = waits.iter().map(|(_, wait)| wait).max().unwrap().clone();
        let waiting = waits.iter().find(|(_, wait)| *wait == longest).unwrap().0;

        let granted = match call.mode {
            Mode::Force => true,
            Mode::Partial => fits > 0,
            Mode::Plain => never.is_none() && longest.is_zero(),
            Mode::Wait(limit) => never.is_none() && longest <= ns(limit),
        };
        if !granted {
            let (index, wait_ms) = match (call.mode, never) {
                (Mode::Plain | Mode::Wait(_), Some(never)) => (*never, NEVER),
                _ => (waiting, ceil_ms(&longest)),
            };
            let reply = answer(0, wait_ms, &held, index, &now);
            let repair = repaired && held.iter().any(|held| debt(held, &now) > Rational::zero());
            let change = if repair { Change::Write } else { Change::Keep };
            if repair {
                self.held = held;
            }
            return Answer { reply, change, repaired: repair };
        }

        let act = match call.mode {
            Mode::Force => now.clone(),
            _ => (&now + &longest).ceil(),
        };
        for i in with_cost.iter().copied() {
            let floor = if i == waiting { &now } else { &act };
            let charge = int(takes(i)) * token(held[i].quota);
            held[i].tat = held[i].tat.clone().max(floor.clone()) + charge;
            if call.mode == Mode::Force {
                held[i].tat = held[i].tat.clone().min(&now + self.believed(held[i].quota));
            }
        }
        let waits = longest > Rational::zero();
        let index = if waits { waiting } else { fewest_remaining(&held, &with_cost, &now) };
        let how_many = if call.mode == Mode::Partial { fits as i64 } else { 1 };
        let reply = answer(how_many, ceil_ms(&longest), &held, index, &now);
        self.store(held, costs.len(), &now);
        Answer { reply, change: Change::Write, repaired }
    }

    pub(crate) fn give_back(&mut self, call: &GiveBack, now: Nanos) -> Answer {
        let now = int(now.0);
        let (mut held, repaired) = self.up_to_date(&call.clauses, &now);
        let with_cost: Vec<usize> = (0..call.clauses.len()).filter(|i| call.clauses[*i].cost > 0).collect();
        let somebody_behind = match call.why {
            Why::Refund => false,
            Why::DueIn(due) => held.iter().any(|held| &held.tat - full(held.quota) > &now + ns(due)),
            Why::ActAt(_) => panic!("0.1.0 knew no AT"),
        };

        let mut given = false;
        for i in with_cost.iter().copied().filter(|_| !somebody_behind) {
            if debt(&held[i], &now) > Rational::zero() {
                let back = int(call.clauses[i].cost) * token(held[i].quota);
                held[i].tat -= back;
                if held[i].tat <= now {
                    held[i].tat = Rational::zero();
                }
                given = true;
            }
        }
        let all_full = held.iter().all(|held| debt(held, &now).is_zero());
        let index = fewest_remaining(&held, &with_cost, &now);
        let reply = answer(i64::from(given), 0, &held, index, &now);
        let change = match (given, all_full) {
            (false, _) => Change::Keep,
            (true, true) => Change::Delete,
            (true, false) => Change::Write,
        };
        match change {
            Change::Keep => {}
            Change::Delete => self.held.clear(),
            Change::Write | Change::WriteTimes => self.store(held, call.clauses.len(), &now),
        }
        Answer { reply, change, repaired: repaired && given }
    }

    /// The state as this call sees it: its own limits, no tat that is not believed, and a bucket
    /// for each of its clauses.
    fn up_to_date(&self, clauses: &Clauses, now: &Rational) -> (Vec<Held>, bool) {
        let mut repaired = false;
        let mut held = self.held.clone();
        for held in &mut held {
            let latest = now + self.believed(held.quota);
            if held.tat > latest {
                held.tat = latest;
                repaired = true;
            }
        }
        for clause in clauses.iter().skip(held.len()) {
            held.push(Held { quota: clause.quota, tat: Rational::zero() });
        }
        (held, repaired)
    }

    /// How far ahead a tat may be: `full + max(full, max-wait)`.
    fn believed(&self, quota: Quota) -> Rational {
        full(quota) + full(quota).max(ns(self.max_wait))
    }

    /// Clauses beyond the call's are kept as long as they are not full.
    fn store(&mut self, mut held: Vec<Held>, called: usize, now: &Rational) {
        while held.len() > called && held.last().is_some_and(|held| held.tat <= *now) {
            held.pop();
        }
        self.held = held;
    }
}

fn answer(granted: i64, wait_ms: i64, held: &[Held], index: usize, now: &Rational) -> Reply {
    Reply {
        granted,
        wait_ms,
        remaining: remaining(&held[index], now) as i64,
        burst: held[index].quota.burst() as i64,
        reset_ms: ceil_ms(&debt(&held[index], now)),
        index: index as i64,
    }
}

fn fewest_remaining(held: &[Held], of: &[usize], now: &Rational) -> usize {
    *of.iter().min_by_key(|i| remaining(&held[**i], now)).unwrap()
}

fn remaining(held: &Held, now: &Rational) -> u64 {
    let left = (full(held.quota) - debt(held, now)) / token(held.quota);
    left.floor().to_integer().to_u64().unwrap_or(0) // in debt: none
}

fn debt(held: &Held, now: &Rational) -> Rational {
    (&held.tat - now).max(Rational::zero())
}

fn full(quota: Quota) -> Rational {
    int(quota.burst()) * token(quota)
}

fn token(quota: Quota) -> Rational {
    Rational::new(BigInt::from(quota.period_ns()), BigInt::from(quota.count()))
}

fn ns(time: Millis) -> Rational {
    int(time.get()) * int(NS_PER_MS)
}

fn ceil_ms(time: &Rational) -> i64 {
    (time / int(NS_PER_MS)).ceil().to_integer().to_i64().unwrap_or(i64::MAX)
}

pub(crate) fn int(n: u64) -> Rational {
    Rational::from_integer(BigInt::from(n))
}

impl Model {
    /// The stored string; `None` where there is no key.
    pub(crate) fn stored(&self) -> Option<String> {
        let text = |held: &Held| {
            let (count, period_ms, burst) = (held.quota.count(), held.quota.period_ms(), held.quota.burst());
            let tat = held.tat.trunc();
            let r = match held.quota.period_ns() % count {
                0 => String::new(),
                _ => {
                    let r = ((&held.tat - &tat) * int(count)).to_integer();
                    format!("+{:0>width$}", r.to_string(), width = count.to_string().len())
                }
            };
            format!("{:0>19}{r}:{count}/{period_ms}:{burst}", tat.to_integer().to_string())
        };
        (!self.held.is_empty()).then(|| self.held.iter().map(text).collect::<Vec<_>>().join(";"))
    }
}
