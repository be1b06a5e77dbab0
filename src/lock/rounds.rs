//! Looking at the keys that somebody waits for: those whose time has come, in small portions, so that nobody else is
//! kept waiting, however many there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sluice_core::lock::queue::LockName;

use super::queue::{self, with_state};
use super::{handover, stall};
use crate::server::{Context, Guarded, Timer, Token};

/// How long a round may take at a time; then the server goes on with its clients, and the round after that.
pub(super) const SLICE: Duration = Duration::from_millis(1);

/// How long a key is left alone at the most: its expiry changed by a stranger rings no alarm, and the server's timers
/// sleep through a clock that goes back and comes right.
const CHECK: Duration = Duration::from_secs(1);

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
struct Round;

static IS_SET: AtomicBool = AtomicBool::new(false);

fn start() {
    if with_state(|state| state.is_due()) && !IS_SET.swap(true, Ordering::Relaxed) {
        Timer::set(0, Round);
    }
}

impl Token for Round {
    fn number(self) -> u64 {
        0
    }

    fn of_number(_: u64) -> Self {
        Self
    }

    fn ring(self, ctx: &Context<'_>) {
        IS_SET.store(false, Ordering::Relaxed);
        go(ctx);
    }
}

/// Looks at the keys that are due, as far as the slice goes.
fn go(ctx: &Context<'_>) {
    let began = Instant::now();
    // Not those that become due by this.
    for _ in 0..with_state(|state| state.count_due()) {
        let Some(lock) = with_state(|state| state.next_due()) else { break };
        handover::look(ctx, &lock);
        if began.elapsed() >= SLICE {
            break;
        }
    }
    start();
}

/// The server does its regular jobs: looks at every key once in a while, and at those that are due and have not been
/// looked at, as their timer sleeps.
pub(crate) fn cron(ctx: &Context<'_>) {
    static LAST: Guarded<Option<Instant>> = Guarded::new();
    stall::tick();
    if with_state(|state| state.is_idle()) {
        return;
    }
    let now = Instant::now();
    let is_time = LAST.with(|last| {
        let is_time = last.is_none_or(|last| now.saturating_duration_since(last) >= CHECK);
        if is_time {
            *last = Some(now);
        }
        is_time
    });
    if is_time {
        with_state(|state| state.all_due(None));
    }
    go(ctx);
}

/// As [`soon`], of a key that perhaps nobody waits for.
pub(super) fn soon_anyway(lock: Arc<LockName>) {
    with_state(|state| state.push_due(lock));
    start();
}
