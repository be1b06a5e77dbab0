//! When a key that somebody waits for is to be looked at: an alarm for each such key, at the end of the lease that stands
//! in the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sluice_core::lock::queue::LockName;

use super::due;
use super::key::LockKey;
use super::queue::{self, Alarm, AlarmToken, Watch, with_state};
use crate::server::{Arg, Context, Timer, Token, now};

/// Has a key looked at when the head of its queue may be granted.
pub(super) fn watch(lock: &LockName, key: &LockKey<'_>) {
    let Some(holders) = queue::head_holders(lock) else { return };
    let view = key.view();
    match view.opens_in_ms(holders) {
        Some(ms) if !view.admits(holders) => set(lock, ms),
        _ => due::soon(lock),
    }
}

/// [`watch`], if anybody waits for this key of the command's.
pub(crate) fn watch_if_any(ctx: &Context<'_>, name: Arg<'_>, key: &LockKey<'_>) {
    if let Some(lock) = queue::awaited(ctx, name) {
        watch(&lock, key);
    }
}

/// Sets the alarm of a key in place of the one before.
pub(super) fn set(lock: &LockName, ms: u64) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let at_ms = now().as_millis() + ms;
    let place = with_state(|state| {
        let (place, watch) = state.waiters.watch(lock)?;
        let is_set = watch.alarm.as_ref().is_some_and(|alarm| alarm.at_ms == at_ms);
        (!is_set).then(|| Arc::clone(place))
    });
    let Some(place) = place else { return };
    let token = AlarmToken(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    let alarm = Alarm { timer: Timer::set(ms, token), token, at_ms };
    let before = with_state(|state| {
        state.rings.insert(token, place);
        match state.waiters.watch(lock) {
            Some((_, watch)) => watch.alarm.replace(alarm),
            None => Some(alarm),
        }
    });
    silence(before);
}

/// Stops watching a key that nobody waits for any more.
pub(super) fn end(watch: Option<Watch>) {
    silence(watch.and_then(|watch| watch.alarm));
}

/// Stops an alarm that nobody needs any more.
fn silence(alarm: Option<Alarm>) {
    if let Some(Alarm { timer, token, .. }) = alarm {
        with_state(|state| state.rings.remove(&token));
        timer.stop();
    }
}

impl Token for AlarmToken {
    fn number(self) -> u64 {
        self.0
    }

    fn of_number(number: u64) -> Self {
        Self(number)
    }

    /// Many leases may end at once, so this only takes note.
    fn ring(self, _ctx: &Context<'_>) {
        let place = with_state(|state| {
            let place = state.rings.remove(&self)?;
            if let Some((_, watch)) = state.waiters.watch(&place) {
                watch.alarm = None; // it has just rung
            }
            Some(place)
        });
        if let Some(lock) = place {
            due::soon(&lock);
        }
    }
}
