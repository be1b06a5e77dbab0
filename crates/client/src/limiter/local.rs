//! The module's decisions, made in this process while the server is out of reach: the same code on the
//! same state, with a clock of its own.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use sluice_core::limit::call::{Acquire, Buckets, GiveBack, Mode};
use sluice_core::limit::gcra;
use sluice_core::time::{Millis, Nanos};
use tokio::time::Instant;

use super::locked::locked;
use crate::decision::Decision;
use crate::limit::Limit;
use crate::limit_reply::LimitReply;
use crate::limits::Limits;
use crate::wire::millis;

/// The buckets of this process, for all keys that were asked for in an outage.
#[derive(Default)]
pub(super) struct Engine(Mutex<State>);

struct State {
    start: Instant,
    keys: HashMap<Box<[u8]>, (Buckets, Limits)>,
    /// Full buckets say nothing, and are swept out when there are so many keys.
    sweep_at: usize,
}

/// Below this many keys nothing is swept.
const FEW_KEYS: usize = 1024;

/// The longest queue that a bucket can hold; one that is charged further ahead is cut down to it. The
/// server has a setting for that. Here each call brings the longest wait of its own, and this is above all.
const LONGEST_QUEUE: Duration = Duration::from_secs(24 * 3600);

impl Default for State {
    fn default() -> Self {
        Self { start: Instant::now(), keys: HashMap::new(), sweep_at: FEW_KEYS }
    }
}

impl State {
    fn now(&self) -> Nanos {
        Nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn sweep(&mut self, now: Nanos) {
        if self.keys.len() >= self.sweep_at {
            self.keys.retain(|_, (buckets, _)| !buckets.iter().all(|bucket| bucket.is_full(now)));
            self.sweep_at = FEW_KEYS.max(self.keys.len() * 2);
        }
    }
}

impl Engine {
    pub(super) fn acquire(
        &self,
        key: &[u8],
        limits: &Limits,
        one_of: NonZeroU32,
        max_wait: Millis,
    ) -> Decision {
        let mut state = locked(&self.0);
        let now = state.now();
        state.sweep(now);
        let share = share_of(limits, one_of);
        let call = Acquire { clauses: share.clauses(), mode: Mode::Wait(max_wait) };
        let (buckets, known) = state.keys.entry(key.into()).or_insert_with(|| (Buckets::new(), share));
        *known = share;
        let verdict = gcra::acquire(&call, buckets, now, millis(LONGEST_QUEUE));
        LimitReply(verdict.reply).decision()
    }

    /// A turn that was granted here, and is due in this time, is given up.
    pub(super) fn give_up(&self, key: &[u8], limits: &Limits, due: Duration) {
        let mut state = locked(&self.0);
        let now = state.now();
        let Some((buckets, share)) = state.keys.get_mut(key) else { return };
        let costs: Vec<u64> = limits.as_slice().iter().map(Limit::tokens).collect();
        // The key has fewer limits by now, so the turn cannot be found among theirs: it lapses.
        let Ok(share) = share.with_costs(&costs) else { return };
        let call = GiveBack { clauses: share.clauses(), due: Some(millis(due)) };
        let _ = gcra::give_back(&call, buckets, now, millis(LONGEST_QUEUE));
    }
}

/// One part in `one_of` of each limit: the period is as many times longer, which is exact, and the
/// burst as many times smaller, but room for one call.
fn share_of(limits: &Limits, one_of: NonZeroU32) -> Limits {
    let part = |limit: &Limit| {
        let period = limit.period().checked_mul(one_of.get())?;
        let burst =
            (limit.capacity() / u64::from(one_of.get())).max(limit.tokens().min(limit.capacity())).max(1);
        let share = Limit::try_per(limit.count(), period).ok()?;
        // The default burst of the longer period may be out of bounds where the smaller one is not.
        share.try_burst(burst).and_then(|share| share.try_cost(limit.tokens())).ok()
    };
    let shares: Option<Vec<Limit>> = limits.as_slice().iter().map(part).collect();
    // A limit so slow that a part of it takes over 100 years is left as it is.
    shares.and_then(|shares| Limits::try_from(shares.as_slice()).ok()).unwrap_or(*limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_exact_and_has_room_for_one_call() {
        let three = NonZeroU32::new(3).unwrap();
        let limits = Limit::per_second(10).and(Limit::per_minute(90_000).burst(2000).cost(1500));
        let share = Limit::per(10, Duration::from_secs(3))
            .burst(3)
            .and(Limit::per(90_000, Duration::from_secs(180)).burst(1500).cost(1500));
        assert_eq!(share_of(&limits, three), share);
    }

    #[tokio::test(start_paused = true)]
    async fn the_local_engine_limits_queues_and_takes_turns_back() {
        let engine = Engine::default();
        let limits = Limits::from(Limit::per_second(2).burst(2));
        let call =
            || engine.acquire(b"k", &limits, NonZeroU32::new(2).unwrap(), millis(Duration::from_secs(9)));
        let waits: Vec<_> = (0..3).map(|_| call().wait().as_millis()).collect();
        assert_eq!(waits, [0, 1000, 2000]);
        engine.give_up(b"k", &limits, Duration::from_millis(2000));
        assert_eq!(call().wait().as_millis(), 2000);
        engine.give_up(b"k", &limits, Duration::from_millis(1000)); // somebody stands behind that one
        assert_eq!(call().wait().as_millis(), 3000);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(call().wait().is_zero());
    }
}
