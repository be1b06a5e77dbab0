//! One answer for several calls: what each of them is told.
//!
//! Calls of cost 1 at one instant equal one call for as many tokens that takes what there is
//! (`COST n PARTIAL`): of g tokens granted the first g calls go, and each would have seen what those behind
//! it have not taken yet.

use std::time::Duration;

use crate::decision::Decision;
use crate::limit::{Limit, LimitKind};
use crate::limit_reply::LimitReply;
use crate::limits::Limits;

/// The answer to a call for several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    granted: u64,
    decision: Decision,
    /// The limit that decided; `None` if the answer names one that the call has not.
    decided: Option<Limit>,
    /// Whether it is the only one that could have refused.
    alone: bool,
}

impl Shares {
    /// Whether calls with these limits can share an answer: every cost is 1 or 0, so that there is no answer
    /// that ends in the middle of a call.
    pub(super) fn are_possible(limits: &Limits) -> bool {
        limits.as_slice().iter().all(|limit| limit.tokens() <= 1)
    }

    /// The costs of a call for `calls`.
    pub(super) fn costs(limits: &Limits, calls: u64) -> Vec<u64> {
        limits.as_slice().iter().map(|limit| limit.tokens().saturating_mul(calls)).collect()
    }

    pub(super) fn of(reply: &LimitReply, limits: &Limits) -> Self {
        let decision = reply.decision();
        let limits = limits.as_slice();
        let decided = decision.index().and_then(|index| limits.get(index)).copied();
        let alone = limits.iter().filter(|limit| limit.tokens() > 0).count() == 1;
        Self { granted: reply.granted(), decision, decided, alone }
    }

    pub(super) const fn granted(&self) -> u64 {
        self.granted
    }

    /// What the call is told behind which `left` of the granted tokens are left, `later` than the answer.
    pub(super) fn grant(&self, left: u64, later: Duration) -> Decision {
        let mut decision = self.decision.later(later);
        if let Decision::Granted { remaining, burst, reset, .. } = &mut decision {
            *remaining = remaining.saturating_add(left).min(*burst);
            if let Some(limit) = self.rate() {
                *reset = less_tokens(*reset, left, limit);
            }
        }
        decision
    }

    /// What those are told for whom there was no token left. `None` if the answer does not say when there will
    /// be: it tells of the limit that has least, and with several another may keep them waiting longer.
    pub(super) fn refusal(&self) -> Option<Decision> {
        let Decision::Granted { remaining, burst, reset, index, .. } = self.decision else {
            return Some(self.decision);
        };
        let limit = self.rate().filter(|_| self.alone)?;
        let retry_after = less_tokens(reset, burst.saturating_sub(remaining).saturating_sub(1), limit);
        Some(Decision::Denied { retry_after, remaining, burst, reset, index })
    }

    /// The limit that decided, if its tokens come back one by one.
    fn rate(&self) -> Option<&Limit> {
        self.decided.as_ref().filter(|limit| matches!(limit.kind(), LimitKind::Rate))
    }
}

/// The time less that in which so many tokens come, in whole ms, rounded up.
fn less_tokens(time: Duration, tokens: u64, limit: &Limit) -> Duration {
    if tokens == 0 {
        return time;
    }
    let count = u128::from(limit.count());
    let less = limit.period().as_millis().saturating_mul(u128::from(tokens));
    let left = time.as_millis().saturating_mul(count).saturating_sub(less);
    // Most fit into 64 bits, which divide in a fraction of the time.
    let ms = match u64::try_from(left) {
        Ok(left) => left.div_ceil(limit.count()),
        Err(_) => u64::try_from(left.div_ceil(count)).unwrap_or(u64::MAX),
    };
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use redis::{FromRedisValue, Value};

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn shares(numbers: [i64; 6], limits: impl Into<Limits>) -> Shares {
        let value = Value::Array(numbers.map(Value::Int).to_vec());
        Shares::of(&LimitReply::from_redis_value(value).unwrap(), &limits.into())
    }

    #[test]
    fn each_call_sees_what_those_behind_it_have_not_taken_yet() {
        // Four of ten were there: 4 of 3 a second take 1334 ms more to come back, of 10 the rest.
        let shares = shares([4, 0, 0, 10, 3334, 0], Limit::per_second(3).burst(10));
        let seen = |left| {
            let decision = shares.grant(left, Duration::ZERO);
            let Decision::Granted { reset, .. } = decision else { panic!("{decision:?}") };
            (decision.remaining().unwrap(), reset)
        };
        assert_eq!([3, 2, 1, 0].map(seen), [(3, ms(2334)), (2, ms(2668)), (1, ms(3001)), (0, ms(3334))]);
        assert_eq!(shares.refusal().unwrap().retry_after(), Some(ms(334)));
    }

    #[test]
    fn a_refusal_of_all_is_the_refusal_of_each() {
        let shares = shares([0, 250, 0, 10, 3250, 0], Limit::per_second(3).burst(10));
        assert_eq!(shares.refusal(), Some(shares.decision));
    }

    #[test]
    fn tokens_of_a_window_come_back_together_and_the_answer_does_not_say_when() {
        let shares = shares([2, 0, 0, 10, 1000, 0], Limit::per_second(10).strict());
        let Decision::Granted { remaining: 1, reset, .. } = shares.grant(1, Duration::ZERO) else { panic!() };
        assert_eq!(reset, ms(1000));
        assert_eq!(shares.refusal(), None);
    }

    #[test]
    fn of_several_limits_the_answer_does_not_say_which_refuses() {
        let both = Limit::per_second(3).and(Limit::per_minute(60));
        let numbers = [2, 0, 0, 3, 1000, 0];
        assert_eq!(shares(numbers, both).refusal(), None);
        let only_one_costs = Limit::per_second(3).and(Limit::per_minute(60).cost(0));
        assert!(shares(numbers, only_one_costs).refusal().is_some());
    }

    #[test]
    fn only_calls_of_one_token_can_share() {
        assert!(Shares::are_possible(&Limit::per_second(3).and(Limit::per_minute(60).cost(0))));
        assert!(!Shares::are_possible(&Limit::per_second(3).and(Limit::per_minute(60).cost(2))));
    }
}

/// Against the module's own decisions, over states and limits by chance.
#[cfg(test)]
mod against_the_core {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use sluice_core::limit::bounds::Bounds;
    use sluice_core::limit::call::{Acquire, Mode};
    use sluice_core::limit::gcra;
    use sluice_core::limit::state::State;
    use sluice_core::time::{Millis, Nanos};

    use super::*;
    use crate::wire::millis;

    const START: Nanos = Nanos::from_millis(1_900_000_000_000);

    fn any_limit() -> impl Strategy<Value = Limit> {
        (1_u64..40, 1_u64..5000, 1_u64..60, 0..8, 0_u64..2).prop_map(|(count, period, burst, kind, cost)| {
            let limit = Limit::per(count, Duration::from_millis(period)).cost(cost);
            match kind {
                0 => limit.strict(),
                1 => Limit::per(count, Duration::from_secs(period)).cost(cost).aligned(Duration::ZERO),
                _ => limit.burst(burst),
            }
        })
    }

    fn any_limits() -> impl Strategy<Value = Limits> {
        vec(any_limit(), 1..4)
            .prop_map(|limits| Limits::try_from(&limits[..]).unwrap())
            .prop_filter("a call costs something", |limits| limits.as_slice().iter().any(|l| l.tokens() > 0))
    }

    fn ask(state: &mut State, limits: &Limits, mode: Mode, at: Nanos) -> LimitReply {
        let bounds = Bounds { max_wait: millis(Duration::from_secs(60)), max_debt: Millis::ZERO };
        let call = Acquire { clauses: limits.clauses(), mode };
        LimitReply::of(&gcra::acquire(&call, state, at, &bounds))
    }

    proptest! {
        #[test]
        fn joined_calls_are_told_what_each_would_have_been_told(
            limits in any_limits(),
            others in any_limits(),
            before in vec((0_u64..3000, 0_usize..30, any::<bool>()), 0..6),
            calls in 1_usize..50,
        ) {
            let (mut state, mut now) = (State::new(), START);
            for (pause_ms, some, of_others) in before {
                now = Nanos(now.0 + pause_ms * 1_000_000 + 1);
                for _ in 0..some {
                    let limits = if of_others { &others } else { &limits };
                    let _ = ask(&mut state, limits, Mode::Plain, now);
                }
            }
            let mut together = state.clone();
            let costs = limits.with_costs(&Shares::costs(&limits, calls as u64)).unwrap();
            let shares = Shares::of(&ask(&mut together, &costs, Mode::Partial, now), &limits);
            for n in 1..=calls as u64 {
                let alone = ask(&mut state, &limits, Mode::Plain, now).decision();
                let joined = match shares.granted().checked_sub(n) {
                    Some(left) => Some(shares.grant(left, Duration::ZERO)),
                    None => shares.refusal(),
                };
                // Where the answer does not say, they ask again.
                let Some(joined) = joined else {
                    prop_assert!(!alone.is_granted());
                    continue;
                };
                prop_assert_eq!(joined.is_granted(), alone.is_granted(), "{} of {}", n, shares.granted());
                prop_assert_eq!(joined.remaining(), alone.remaining());
                prop_assert_eq!(joined.index(), alone.index());
                for (joined, alone) in times(joined).into_iter().zip(times(alone)) {
                    // What was rounded up to a ms already is rounded up again.
                    prop_assert!(joined >= alone && joined <= alone + Duration::from_millis(1));
                }
            }
            // And the state is the same.
            let later = Nanos(now.0 + 1);
            prop_assert_eq!(
                ask(&mut state, &limits, Mode::Plain, later),
                ask(&mut together, &limits, Mode::Plain, later)
            );
        }
    }

    fn times(decision: Decision) -> [Duration; 2] {
        match decision {
            Decision::Granted { wait, reset, .. } => [wait, reset],
            Decision::Denied { retry_after, reset, .. } => [retry_after, reset],
            other => panic!("{other:?}"),
        }
    }
}
