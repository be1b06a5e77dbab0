//! Which keys are to be looked at next, and the timer for it. What looks at them is [`rounds`](super::rounds).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluice_core::lock::queue::LockName;

use super::queue::{self, with_state};
use crate::server::Timer;

/// How long a round may take at a time; then the server goes on with its clients, and the round after that.
pub(super) const SLICE: Duration = Duration::from_millis(1);

/// How soon to look again while clients are paused, in ms.
pub(super) const PAUSED_MS: u64 = 10;

/// Has a key looked at as soon as what is running now is over, if anybody waits for it.
pub(super) fn look_soon(db: i32, key: &[u8]) {
    if !queue::is_empty() {
        soon(&LockName { db, key: key.into() });
    }
}

/// The same for all keys of a database, or of all.
pub(crate) fn look_soon_at_all(db: Option<i32>) {
    with_state(|state| state.all_due(db));
    start();
}

/// Has a key looked at in the next round, if anybody waits for it.
pub(super) fn soon(lock: &LockName) {
    with_state(|state| state.set_due(lock));
    start();
}

/// A round is the next thing that a timer does.
#[derive(Clone, Copy)]
pub(super) struct Round;

static IS_SET: AtomicBool = AtomicBool::new(false);

/// Sets the timer, if there is anything to look at and it is not set.
pub(super) fn start() {
    start_in(0);
}

/// The same, for so many ms from now.
pub(super) fn start_in(ms: u64) {
    if with_state(|state| state.is_due()) && !IS_SET.swap(true, Ordering::Relaxed) {
        Timer::set(ms, Round);
    }
}

/// The timer has rung.
pub(super) fn has_rung() {
    IS_SET.store(false, Ordering::Relaxed);
}

/// As [`soon`], of a key that perhaps nobody waits for.
pub(super) fn soon_anyway(lock: Arc<LockName>) {
    with_state(|state| state.push_due(lock));
    start();
}
