//! The module's decisions, made in this process while the server is out of reach: the same code on the
//! same state, with a clock of its own.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Acquire, Change, GiveBack, Mode, Why};
use sluice_core::limit::give_back::give_back;
use sluice_core::limit::state::State;
use sluice_core::limit::{codec, gcra};
use sluice_core::time::{Millis, Nanos};

use crate::clock::Clock;
use crate::decision::Decision;
use crate::limit::{Limit, LimitKind};
use crate::limit_reply::LimitReply;
use crate::limits::Limits;
use crate::locked::locked;
use crate::wire::{millis, unix_us};

/// The limits of this process, for all keys that were asked for in an outage.
#[derive(Default)]
pub(super) struct Engine(Mutex<Keys>);

#[derive(Default)]
struct Keys {
    clock: Option<Clock>,
    keys: HashMap<Box<[u8]>, Key>,
    /// What means nothing any more is swept out when there are so many keys.
    sweep_at: usize,
}

struct Key {
    /// As the module stores it.
    stored: Vec<u8>,
    /// The share of the limits that the key was last asked with.
    share: Limits,
}

/// Below this many keys nothing is swept.
const FEW_KEYS: usize = 1024;

/// The longest queue that a bucket can hold; one that is charged further ahead is cut down to it. The
/// server has a setting for that. Here each call brings the longest wait of its own, and this is above all.
const LONGEST_QUEUE: Duration = Duration::from_secs(24 * 3600);

impl Keys {
    fn now(&mut self) -> Nanos {
        self.clock.get_or_insert_with(|| Clock::starting_at(SystemTime::now())).now()
    }

    fn state(&self, key: &[u8]) -> State {
        self.keys.get(key).map_or_else(State::new, |key| state(&key.stored))
    }

    fn sweep(&mut self, now: Nanos) {
        if self.keys.len() >= self.sweep_at.max(FEW_KEYS) {
            self.keys.retain(|_, key| !state(&key.stored).is_idle(now));
            self.sweep_at = self.keys.len() * 2;
        }
    }

    fn carry_out(&mut self, key: &[u8], change: Change, state: &State, share: Limits) {
        match change {
            Change::Keep => {}
            Change::Delete => _ = self.keys.remove(key),
            Change::WriteTimes | Change::Write => {
                let mut stored = vec![0; codec::encoded_len(state)];
                codec::encode(state, &mut stored);
                self.keys.insert(key.into(), Key { stored, share });
            }
        }
    }
}

/// What was stored here reads back; anything else would count as idle.
fn state(stored: &[u8]) -> State {
    codec::decode(stored).unwrap_or_default()
}

fn bounds() -> Bounds {
    Bounds { max_wait: millis(LONGEST_QUEUE), max_debt: Millis::ZERO }
}

impl Engine {
    pub(super) fn acquire(
        &self,
        key: &[u8],
        limits: &Limits,
        one_of: NonZeroU32,
        max_wait: Millis,
    ) -> Decision {
        let mut keys = locked(&self.0);
        let now = keys.now();
        keys.sweep(now);
        let share = share_of(limits, one_of);
        let call = Acquire { clauses: share.clauses(), mode: Mode::Wait(max_wait) };
        let mut state = keys.state(key);
        let verdict = gcra::acquire(&call, &mut state, now, &bounds());
        keys.carry_out(key, verdict.change, &state, share);
        LimitReply::of(&verdict).decision()
    }

    /// Charges what a call that was granted here cost more than these limits say, into debt if need be.
    pub(super) fn force(&self, key: &[u8], limits: &Limits, one_of: NonZeroU32, costs: &Limits) {
        let Some(share) = share_with_costs(limits, one_of, costs) else { return };
        let mut keys = locked(&self.0);
        let now = keys.now();
        let call = Acquire { clauses: share.clauses(), mode: Mode::Force };
        let mut state = keys.state(key);
        let verdict = gcra::acquire(&call, &mut state, now, &bounds());
        keys.carry_out(key, verdict.change, &state, share);
    }

    /// Gives costs back of a call that was granted here with these limits. False if there was nothing to give back to,
    /// or it is a turn behind which somebody stands.
    pub(super) fn give_back(
        &self,
        key: &[u8],
        limits: &Limits,
        one_of: NonZeroU32,
        costs: &Limits,
        why: Why,
    ) -> bool {
        let Some(share) = share_with_costs(limits, one_of, costs) else { return false };
        let mut keys = locked(&self.0);
        let now = keys.now();
        let mut state = keys.state(key);
        let call = GiveBack { clauses: share.clauses(), why };
        let verdict = give_back(&call, &mut state, now, &bounds());
        keys.carry_out(key, verdict.change, &state, share);
        verdict.reply.granted == 1
    }

    /// A turn of this engine is given up.
    pub(super) fn give_up(&self, key: &[u8], limits: &Limits, act_at: SystemTime) {
        let mut keys = locked(&self.0);
        let now = keys.now();
        let Some(Key { stored, share }) = keys.keys.get(key) else { return };
        let (mut state, share) = (state(stored), *share);
        let costs: Vec<u64> = limits.as_slice().iter().map(Limit::tokens).collect();
        // The key has fewer limits by now, so the turn cannot be found among theirs: it lapses.
        let Ok(share) = share.with_costs(&costs) else { return };
        let call = GiveBack { clauses: share.clauses(), why: Why::ActAt(unix_us(act_at)) };
        let verdict = give_back(&call, &mut state, now, &bounds());
        keys.carry_out(key, verdict.change, &state, share);
    }
}

/// The same share of limits, of which a call takes other costs.
fn share_with_costs(limits: &Limits, one_of: NonZeroU32, costs: &Limits) -> Option<Limits> {
    let costs: Vec<u64> = costs.as_slice().iter().map(Limit::tokens).collect();
    share_of(limits, one_of).with_costs(&costs).ok()
}

/// One part in `one_of` of each limit, but room for one call.
fn share_of(limits: &Limits, one_of: NonZeroU32) -> Limits {
    let shares: Option<Vec<Limit>> =
        limits.as_slice().iter().map(|limit| part(limit, one_of.get())).collect();
    // A limit so slow that a part of it takes over 100 years is left as it is.
    shares.and_then(|shares| Limits::try_from(shares.as_slice()).ok()).unwrap_or(*limits)
}

/// Of a rate, the period is as many times longer, which is exact, and the burst as many times smaller. Of
/// a window the count is smaller; where a call needs more than that part, the period of a strict one is
/// longer, and a calendar stays the calendar it is.
fn part(limit: &Limit, one_of: u32) -> Option<Limit> {
    let one_call = limit.tokens().min(limit.capacity()).max(1);
    let room = (limit.capacity() / u64::from(one_of)).max(one_call);
    let share = match limit.kind() {
        LimitKind::Rate => {
            let share = Limit::try_per(limit.count(), limit.period().checked_mul(one_of)?).ok()?;
            // The default burst of the longer period may be out of bounds where the smaller one is not.
            share.try_burst(room).ok()?
        }
        LimitKind::Strict => {
            let periods = (u128::from(room) * u128::from(one_of)).div_ceil(u128::from(limit.count()));
            let period = limit.period().checked_mul(u32::try_from(periods).ok()?)?;
            Limit::try_per(room, period).and_then(Limit::try_strict).ok()?
        }
        LimitKind::Aligned { offset } => {
            Limit::try_per(room, limit.period()).and_then(|share| share.try_aligned(offset)).ok()?
        }
    };
    share.try_cost(limit.tokens()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

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

    #[test]
    fn a_share_of_a_window_is_a_part_of_its_count() {
        let three = NonZeroU32::new(3).unwrap();
        let (minute, day) = (Limit::per_minute(100), Limit::per(100, Duration::from_secs(86_400)));
        let share = |limit: Limit| share_of(&Limits::one(limit), three).as_slice()[0];
        assert_eq!(share(minute.strict()), Limit::per_minute(33).strict());
        assert_eq!(share(Limit::per_minute(99).strict()), Limit::per_minute(33).strict());
        // Fifty of a hundred are one call: three processes, so twice the time.
        let twice = Limit::per(50, Duration::from_secs(120)).strict();
        assert_eq!(share(minute.strict().cost(50)), twice.cost(50));
        let midnight = Duration::from_secs(54_000);
        let part = Limit::per(33, Duration::from_secs(86_400)).aligned(midnight);
        assert_eq!(share(day.aligned(midnight)), part);
        assert_eq!(share(day.aligned(midnight).cost(50)).count(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn the_local_engine_limits_queues_and_takes_turns_back() {
        let engine = Engine::default();
        let limits = Limits::from(Limit::per_second(2).burst(2));
        let call =
            || engine.acquire(b"k", &limits, NonZeroU32::new(2).unwrap(), millis(Duration::from_secs(9)));
        let give_up = |turn: &Decision| engine.give_up(b"k", &limits, turn.act_at().unwrap());
        let turns: Vec<_> = (0..3).map(|_| call()).collect();
        let waits: Vec<_> = turns.iter().map(|turn| turn.wait().as_millis()).collect();
        assert_eq!(waits, [0, 1000, 2000]);
        give_up(&turns[2]);
        assert_eq!(call().wait().as_millis(), 2000);
        give_up(&turns[1]); // somebody stands behind that one
        assert_eq!(call().wait().as_millis(), 3000);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(call().wait().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn the_local_engine_knows_windows_and_the_time_of_day() {
        let engine = Engine::default();
        // Ten seconds before midnight in Tokyo.
        locked(&engine.0).clock =
            Some(Clock::starting_at(UNIX_EPOCH + Duration::from_secs(20_000 * 86_400 + 54_000 - 10)));
        let (alone, second) = (NonZeroU32::MIN, Duration::from_secs(1));
        let day = Limits::from(Limit::per(2, 86_400 * second).aligned(54_000 * second));
        let calendar = |wait: Duration| engine.acquire(b"day", &day, alone, millis(wait));
        assert!(calendar(Duration::ZERO).is_granted() && calendar(Duration::ZERO).is_granted());
        assert_eq!(calendar(Duration::ZERO).retry_after(), Some(10 * second));
        assert_eq!(calendar(60 * second).wait(), 10 * second);

        let strict = Limits::from(Limit::per_second(10).strict());
        let window = || engine.acquire(b"strict", &strict, alone, Millis::ZERO).is_granted();
        assert_eq!((0..20).filter(|_| window()).count(), 10);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert!(!window(), "a rate would have let nine through by now");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((0..20).filter(|_| window()).count(), 10);
    }
}
