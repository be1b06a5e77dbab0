//! The decision: the generic cell rate algorithm over all clauses of a call, all or nothing.
//!
//! With `now` in ns, for each clause with a cost (see [`super::bucket`] for debts and units):
//!
//! ```text
//! full = burst * period_ns / count                      a bucket's worth of time
//! debt = max(0, tat + r/count - now)
//! wait = max(0, debt + cost * period_ns / count - full)
//! ```
//!
//! The call is granted when the longest wait is within what the caller allows (nothing, unless
//! `MAXWAIT`), or by `FORCE`. The caller then *acts* at `now + longest wait`. The clause that
//! decided is charged from its own tat; every other clause is charged at the act, because charged
//! at the call it would have refilled by the time the act comes, and would let too many through.
//!
//! Each function takes the stored buckets, changes them in place to what should be stored, and
//! says by [`Change`] whether that is to be stored at all.

use arrayvec::ArrayVec;

use super::bucket::{Bucket, Standing, ceil_ms, div_rem};
use super::call::{
    Acquire, Buckets, Change, Clause, Clauses, GiveBack, MAX_CLAUSES, Mode, NEVER, Reply, Verdict,
};
use super::quota::{Quota, units};
use crate::time::{Millis, Nanos};

/// Takes tokens, or says how long until they are there.
///
/// `max_wait` is the server's setting: no queue is longer than that, so a tat beyond it is cut
/// back. A refusal leaves the state alone unless it had to be repaired.
pub fn acquire(call: &Acquire, buckets: &mut Buckets, now: Nanos, max_wait: Millis) -> Verdict {
    let repaired = bring_up_to_date(&call.clauses, buckets, now, max_wait);
    let refuse = |index, wait_ms, buckets: &Buckets| {
        let reply = reply(buckets, index, 0, wait_ms, now);
        let repaired = repaired && !all_full(buckets, now);
        let change = if repaired { Change::Write } else { Change::Keep };
        Verdict { reply, change, repaired }
    };

    // How many tokens of every clause PARTIAL takes; the others take each clause's own cost.
    let portion = match call.mode {
        Mode::Partial => Some(fitting(&call.clauses, buckets, now)),
        Mode::Wait(_) => match beyond_burst(&call.clauses) {
            Some(index) => return refuse(index, NEVER, buckets),
            None => None,
        },
        Mode::Force => None,
    };
    let tokens = |clause: &Clause| match portion {
        Some(n) => n.max(1).min(clause.cost),
        None => clause.cost,
    };

    let Some(longest) = longest_wait(&call.clauses, buckets, now, tokens) else {
        // A PEEK without costs: what is there now.
        let index = fewest_remaining(buckets.iter().take(call.clauses.len()).enumerate(), now);
        return Verdict { reply: reply(buckets, index, 1, 0, now), change: Change::Keep, repaired };
    };
    let granted = match call.mode {
        Mode::Wait(limit) => longest.units <= units(limit, longest.count),
        Mode::Partial => longest.units == 0,
        Mode::Force => true,
    };
    if !granted {
        return refuse(longest.index, longest.ceil_ms(), buckets);
    }

    let act_ns = if call.mode == Mode::Force { 0 } else { longest.ceil_ns() };
    let charged = call.clauses.iter().zip(buckets.iter_mut()).enumerate();
    for (index, (clause, bucket)) in charged.filter(|(_, (clause, _))| clause.cost > 0) {
        let debt = bucket.debt(now);
        let at_the_act = act_ns * u128::from(clause.quota.count());
        let base = if index == longest.index { debt } else { debt.max(at_the_act) };
        let mut debt = base + u128::from(tokens(clause)) * clause.quota.token();
        if call.mode == Mode::Force {
            debt = debt.min(bucket.debt_cap(max_wait));
        }
        bucket.set_debt(now, debt);
    }

    let index = if longest.units > 0 { longest.index } else { fewest_left(&call.clauses, buckets, now) };
    let granted = portion.map_or(1, |n| n as i64);
    let reply = reply(buckets, index, granted, longest.ceil_ms(), now);
    drop_full_tail(buckets, call.clauses.len(), now);
    Verdict { reply, change: Change::Write, repaired }
}

/// Gives tokens back. Never makes a bucket more than full; on an idle key it does nothing.
///
/// With `due`, a reservation is given up: it gives back only if nobody stands behind it in any
/// limit of the key, `tat - full <= now + due`. Otherwise the turn lapses (granted 0), as those
/// behind have been told their times already.
pub fn give_back(call: &GiveBack, buckets: &mut Buckets, now: Nanos, max_wait: Millis) -> Verdict {
    let repaired = bring_up_to_date(&call.clauses, buckets, now, max_wait);
    let charged = |(clause, _): &(&Clause, &mut Bucket)| clause.cost > 0;
    // In every bucket, charged or not: those behind wait for one clause and are charged at their
    // act in all of theirs, so only the clause that they wait for shows how late that is.
    let nobody_behind =
        |bucket: &Bucket, due| bucket.debt(now) <= bucket.quota().full() + units(due, bucket.quota().count());
    let allowed = call.due.is_none_or(|due| buckets.iter().all(|bucket| nobody_behind(bucket, due)));

    let mut given = false;
    if allowed {
        for (clause, bucket) in call.clauses.iter().zip(buckets.iter_mut()).filter(charged) {
            let debt = bucket.debt(now);
            if debt > 0 {
                let back = u128::from(clause.cost) * clause.quota.token();
                bucket.set_debt(now, debt.saturating_sub(back));
                given = true;
            }
        }
    }

    let index = fewest_left(&call.clauses, buckets, now);
    let reply = reply(buckets, index, i64::from(given), 0, now);
    let change = match given {
        false => Change::Keep,
        true if all_full(buckets, now) => Change::Delete,
        true => Change::Write,
    };
    drop_full_tail(buckets, call.clauses.len(), now);
    Verdict { reply, change, repaired: repaired && given }
}

/// Where every stored bucket stands; `None` when all are full, as if the key were not there.
pub fn look(
    buckets: &Buckets,
    now: Nanos,
    max_wait: Millis,
) -> Option<ArrayVec<(Quota, Standing), MAX_CLAUSES>> {
    if all_full(buckets, now) {
        return None;
    }
    let standing = |bucket: &Bucket| {
        let debt = bucket.debt(now).min(bucket.debt_cap(max_wait));
        (*bucket.quota(), bucket.standing(debt))
    };
    Some(buckets.iter().map(standing).collect())
}

/// When the key may go: the first ms at which every bucket is full, in unix ms.
pub fn expires_at_ms(buckets: &Buckets) -> u64 {
    buckets.iter().map(Bucket::full_at_ms).max().unwrap_or(0)
}

/// Makes the buckets match the clauses: one for each, under the clause's quota, no debt beyond
/// what is believed. True if a stored bucket had to change.
#[inline(always)]
fn bring_up_to_date(clauses: &Clauses, buckets: &mut Buckets, now: Nanos, max_wait: Millis) -> bool {
    let changed = clauses.iter().zip(buckets.iter()).any(|(clause, bucket)| bucket.quota() != &clause.quota);
    let beyond = |bucket: &Bucket| bucket.debt(now) > bucket.debt_cap(max_wait);
    let repaired = changed || buckets.iter().any(beyond);
    if repaired {
        repair(clauses, buckets, now, max_wait);
    }
    for clause in clauses.iter().skip(buckets.len()) {
        buckets.push(Bucket::idle(clause.quota));
    }
    repaired
}

#[cold]
fn repair(clauses: &Clauses, buckets: &mut Buckets, now: Nanos, max_wait: Millis) {
    for (clause, bucket) in clauses.iter().zip(buckets.iter_mut()) {
        if bucket.quota() != &clause.quota {
            *bucket = bucket.requote(clause.quota, now);
        }
    }
    for bucket in buckets {
        let cap = bucket.debt_cap(max_wait);
        if bucket.debt(now) > cap {
            bucket.set_debt(now, cap);
        }
    }
}

/// Stored clauses beyond the call's are kept as long as they are not full.
fn drop_full_tail(buckets: &mut Buckets, called: usize, now: Nanos) {
    while buckets.len() > called && buckets.last().is_some_and(|bucket| bucket.is_full(now)) {
        buckets.pop();
    }
}

fn all_full(buckets: &Buckets, now: Nanos) -> bool {
    buckets.iter().all(|bucket| bucket.is_full(now))
}

/// The first clause that asks for more than can ever be there.
fn beyond_burst(clauses: &Clauses) -> Option<usize> {
    clauses.iter().position(|clause| clause.cost > clause.quota.burst())
}

/// How many tokens fit in every clause with a cost, up to that cost.
fn fitting(clauses: &Clauses, buckets: &Buckets, now: Nanos) -> u64 {
    let fit = |(clause, bucket): (&Clause, &Bucket)| bucket.remaining(bucket.debt(now)).min(clause.cost);
    clauses.iter().zip(buckets).filter(|(clause, _)| clause.cost > 0).map(fit).min().unwrap_or(0)
}

/// A wait, with the clause it belongs to.
#[derive(Clone, Copy)]
struct Wait {
    index: usize,
    count: u64,
    /// Of `1/count` ns.
    units: u128,
}

impl Wait {
    fn is_longer_than(&self, other: &Self) -> bool {
        if self.count == other.count || self.units == 0 {
            return self.units > other.units;
        }
        // whole ns first, then the fractions, cross-multiplied
        let (count, other_count) = (u128::from(self.count), u128::from(other.count));
        let (ns, rest) = div_rem(self.units, count);
        let (other_ns, other_rest) = div_rem(other.units, other_count);
        (ns, rest * other_count) > (other_ns, other_rest * count)
    }

    fn ceil_ns(&self) -> u128 {
        if self.units == 0 {
            return 0;
        }
        let (ns, rest) = div_rem(self.units, u128::from(self.count));
        ns + u128::from(rest > 0)
    }

    fn ceil_ms(&self) -> i64 {
        ceil_ms(self.units, self.count)
    }
}

/// The longest wait of all clauses with a cost, the first of equals; `None` if none has a cost.
#[inline(always)]
fn longest_wait(
    clauses: &Clauses,
    buckets: &Buckets,
    now: Nanos,
    tokens: impl Fn(&Clause) -> u64,
) -> Option<Wait> {
    let mut waits = clauses.iter().zip(buckets).enumerate().filter(|(_, (clause, _))| clause.cost > 0).map(
        |(index, (clause, bucket))| {
            let needed = bucket.debt(now) + u128::from(tokens(clause)) * clause.quota.token();
            let units = needed.saturating_sub(clause.quota.full());
            Wait { index, count: clause.quota.count(), units }
        },
    );
    let first = waits.next()?;
    Some(waits.fold(first, |longest, wait| if wait.is_longer_than(&longest) { wait } else { longest }))
}

/// The clause with a cost that has the fewest tokens left, the first of equals.
fn fewest_left(clauses: &Clauses, buckets: &Buckets, now: Nanos) -> usize {
    if clauses.len() == 1 {
        return 0;
    }
    let costly = clauses.iter().zip(buckets).enumerate().filter(|(_, (clause, _))| clause.cost > 0);
    fewest_remaining(costly.map(|(index, (_, bucket))| (index, bucket)), now)
}

fn fewest_remaining<'a>(buckets: impl Iterator<Item = (usize, &'a Bucket)>, now: Nanos) -> usize {
    buckets.min_by_key(|(_, bucket)| bucket.remaining(bucket.debt(now))).map_or(0, |(index, _)| index)
}

fn reply(buckets: &Buckets, index: usize, granted: i64, wait_ms: i64, now: Nanos) -> Reply {
    let Some(bucket) = buckets.get(index) else {
        return Reply { granted, wait_ms: 0, remaining: 0, burst: 0, reset_ms: 0, index: 0 };
    };
    let debt = bucket.debt(now);
    Reply {
        granted,
        wait_ms,
        remaining: bucket.remaining(debt) as i64, // at most burst, which is below 2^63
        burst: bucket.quota().burst() as i64,
        reset_ms: bucket.ms(debt),
        index: index as i64,
    }
}
