//! When to look at a key that somebody waits for: one alarm for each such key.

use std::sync::atomic::{AtomicU64, Ordering};

use sluice_core::lock::queue::LockName;

use super::key::LockKey;
use super::queue::{self, Alarm, AlarmToken, with_state};
use crate::server::{Arg, Context, Timer};

/// How long a key is left alone at the most, in ms: a clock that was set, or an expiry that a
/// stranger changed, rings no alarm.
pub(super) const CHECK_MS: u64 = 1_000;

/// Sets the alarm of a key for when the head of its queue may be granted.
pub(super) fn watch(lock: &LockName, key: &LockKey<'_>) {
    if let Some(holders) = queue::head_holders(lock) {
        let view = key.view();
        let ms = if view.admits(holders) { 0 } else { view.opens_in_ms(holders).unwrap_or(0) };
        set(lock, ms.min(CHECK_MS));
    }
}

/// [`watch`], if anybody waits for this key of the command's.
pub(crate) fn watch_if_any(ctx: &Context<'_>, name: Arg<'_>, key: &LockKey<'_>) {
    if let Some(lock) = queue::awaited(ctx, name) {
        watch(&lock, key);
    }
}

/// Has a key looked at as soon as the running command is over, if anybody waits for it.
pub(super) fn look_soon(db: i32, key: &[u8]) {
    if !queue::is_empty() {
        set(&LockName { db, key: key.into() }, 0);
    }
}

/// The same for all keys of a database, or of all.
pub(crate) fn look_soon_at_all(db: Option<i32>) {
    for lock in with_state(|state| state.waiters.places(db)) {
        set(&lock, 0);
    }
}

/// Sets the alarm of a key in place of the one before, unless that one rings soon anyway.
pub(super) fn set(lock: &LockName, ms: u64) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let shared = with_state(|state| {
        let rings_soon = state.waiters.alarm(lock).is_some_and(|alarm| alarm.soon);
        state.waiters.shared(lock).filter(|_| !rings_soon)
    });
    let Some(shared) = shared else { return };
    let token = AlarmToken(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    let alarm = Alarm { timer: Timer::set(ms, token), token, soon: ms == 0 };
    let unused = with_state(|state| {
        state.rings.insert(token, shared);
        state.waiters.set_alarm(lock, Some(alarm)).unwrap_or_else(|unused| unused)
    });
    silence(unused);
}

/// Stops an alarm that nobody needs any more.
pub(super) fn silence(alarm: Option<Alarm>) {
    if let Some(Alarm { timer, token, .. }) = alarm {
        with_state(|state| state.rings.remove(&token));
        timer.stop();
    }
}
