//! The promise: the acts in any window of length t cost at most `burst + count * t / period` in
//! each clause, while the limit is unchanged and nothing is forced or refunded.
//!
//! A caller acts at once, or after the wait of its reservation, here before that is rounded up to
//! the ms of a reply. Rounding puts an act off by less than 1 ms, so by the clock of the callers
//! the promise holds for windows that are 1 ms longer.

use proptest::prelude::*;
use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Acquire, Clause, GiveBack, Mode, Why};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{Millis, NS_PER_MS, Nanos};

use crate::cases::{self, config};
use crate::crowd::{A_MS, FINE, Fate, Traffic, Turn, traffic};
use crate::key::Key;
use crate::limits::{Cost, rate};
use crate::story::cost;

proptest! {
    #![proptest_config(config(cases::ACTS))]
    #[test]
    fn acts_keep_every_limit(traffic in traffic(1, cost(), false)) {
        let turns = traffic.let_through();
        every_clause_keeps(&traffic, |clause| (exact(&turns, clause), 0))?;
        every_clause_keeps(&traffic, |clause| (by_the_clock(&turns, clause), A_MS))?;
    }
}

proptest! {
    #![proptest_config(config(cases::CANCELLED))]

    /// Where every call takes a ms' worth or more of every clause: what DUE can tell apart.
    #[test]
    fn acts_keep_every_limit_whatever_is_cancelled(traffic in traffic(NS_PER_MS, some_cost(), true)) {
        let turns = traffic.let_through();
        every_clause_keeps(&traffic, |clause| (exact(&turns, clause), 0))?;
    }

    /// Where calls of different clauses meet, a turn may be given up in the ms in which it comes,
    /// when another caller has already gone past it.
    #[test]
    fn acts_keep_every_limit_to_a_ms_whatever_is_cancelled(traffic in traffic(NS_PER_MS, seldom_a_cost(), true)) {
        let turns = traffic.let_through();
        every_clause_keeps(&traffic, |clause| (exact(&turns, clause), A_MS))?;
    }

    /// Where tokens take less than a ms, what a cancelled turn gives back counts as a refund.
    #[test]
    fn a_cancelled_turn_lets_no_more_through_than_it_had_taken(traffic in traffic(1, cost(), true)) {
        let turns = traffic.let_through();
        every_clause_keeps(&traffic, |clause| (exact(&turns, clause), refunded(&turns, clause, &traffic)))?;
    }
}

/// No window of the acts of a clause costs more than a window longer by the slack may.
fn every_clause_keeps(
    traffic: &Traffic,
    acts_and_slack: impl Fn(usize) -> (Vec<(i128, u64)>, i128),
) -> Result<(), TestCaseError> {
    for (clause, limit) in traffic.limits.iter().enumerate() {
        let (acts, slack) = acts_and_slack(clause);
        prop_assert_eq!(beyond(limit, acts, slack), None, "clause {}", clause);
    }
    Ok(())
}

/// The first window of acts that cost more than `burst + count * (t + slack) / period`, if any:
/// its length in 1/12600 ns and what was let through.
fn beyond(limit: &Quota, mut acts: Vec<(i128, u64)>, slack: i128) -> Option<(i128, u64)> {
    acts.retain(|(_, cost)| *cost > 0);
    acts.sort_unstable();
    let period = i128::from(limit.period_ns()) * i128::from(FINE);
    for (from, (start, _)) in acts.iter().enumerate() {
        let mut cost = 0;
        for (act, tokens) in &acts[from..] {
            let time = act - start + slack;
            cost += tokens;
            if i128::from(cost) * period
                > i128::from(limit.burst()) * period + i128::from(limit.count()) * time
            {
                return Some((act - start, cost));
            }
        }
    }
    None
}

/// When each caller acts, and what it costs in one clause.
fn exact(turns: &[Turn], clause: usize) -> Vec<(i128, u64)> {
    let acting = turns.iter().filter(|turn| turn.fate == Fate::Acts);
    acting.map(|turn| (turn.act, turn.clauses[clause].cost)).collect()
}

fn by_the_clock(turns: &[Turn], clause: usize) -> Vec<(i128, u64)> {
    let acting = turns.iter().filter(|turn| turn.fate == Fate::Acts);
    let act = |turn: &Turn| i128::from(turn.at().0) * i128::from(FINE);
    acting.map(|turn| (act(turn), turn.clauses[clause].cost)).collect()
}

/// The time in which the limit admits what cancelled turns have given back.
fn refunded(turns: &[Turn], clause: usize, traffic: &Traffic) -> i128 {
    let returned = turns.iter().filter(|turn| turn.fate == Fate::Returned);
    let tokens: u64 = returned.map(|turn| turn.clauses[clause].cost).sum();
    let limit = &traffic.limits[clause];
    let time = i128::from(tokens) * i128::from(limit.period_ns()) * i128::from(FINE);
    time / i128::from(limit.count())
}

#[test]
fn a_turn_lapses_while_somebody_waits_longer_for_another_limit() {
    let limits = [rate(1, 100, 1), rate(10, 1000, 10), rate(1, 300, 1)];
    let call = |costs: [u64; 3], mode| {
        let clause = |(quota, cost): (&Quota, u64)| Clause { quota: *quota, cost };
        Acquire { clauses: limits.iter().zip(costs).map(clause).collect(), mode }
    };
    let at = |ms: u64| Nanos((1_795_640_112_000 + ms) * NS_PER_MS);
    let in_line = Mode::Wait(Millis::new(60_000).unwrap());
    let max_wait = Millis::new(60_000).unwrap();
    let mut key = Key::new(Bounds { max_wait, max_debt: Millis::ZERO });
    key.acquire(&call([1, 0, 1], Mode::Plain), at(0));
    let first = call([1, 2, 0], in_line);
    assert_eq!(key.acquire(&first, at(0)).reply.wait_ms, 100);
    assert_eq!(key.acquire(&call([0, 1, 1], in_line), at(0)).reply.wait_ms, 300);
    let why = Why::DueIn(Millis::new(100).unwrap());
    // the second takes its token of the middle limit at 300, when the first has long paid for its two
    assert_eq!(key.give_back(&GiveBack { clauses: first.clauses, why }, at(0)).reply.granted, 0);
    assert_eq!(key.acquire(&call([0, 10, 0], Mode::Partial), at(300)).reply.granted, 9);
}

/// At least one token.
fn some_cost() -> impl Strategy<Value = Cost> {
    prop_oneof![
        4 => Just(Cost::Tokens(1)),
        1 => (2..4u64).prop_map(Cost::Tokens),
        1 => Just(Cost::Burst(0)),
    ]
}

fn seldom_a_cost() -> impl Strategy<Value = Cost> {
    prop_oneof![
        6 => Just(Cost::Tokens(0)),
        4 => Just(Cost::Tokens(1)),
        1 => (2..5u64).prop_map(Cost::Tokens),
        1 => Just(Cost::Burst(0)),
    ]
}
