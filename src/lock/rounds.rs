//! Looking at the keys that somebody waits for: those whose time has come, in small portions, so that nobody else is
//! kept waiting, however many there are.

use std::time::{Duration, Instant};

use super::due::{self, PAUSED_MS, Round, SLICE};
use super::queue::with_state;
use super::{handover, stall};
use crate::server::{Context, Guarded, Token};

/// How long a key is left alone at the most: its expiry changed by a stranger rings no alarm, and the server's timers
/// sleep through a clock that goes back and comes right.
const CHECK: Duration = Duration::from_secs(1);

impl Token for Round {
    fn number(self) -> u64 {
        0
    }

    fn of_number(_: u64) -> Self {
        Self
    }

    fn ring(self, ctx: &Context<'_>) {
        due::has_rung();
        go(ctx);
    }
}

/// Looks at the keys that are due, as far as the slice goes.
fn go(ctx: &Context<'_>) {
    let began = Instant::now();
    with_state(|state| state.nothing_runs());
    if ctx.is_paused() {
        // Nobody can be granted anything: one timer for all of them, not one for each.
        return due::start_in(PAUSED_MS);
    }
    // Not those that become due by this.
    for _ in 0..with_state(|state| state.count_due()) {
        let Some(lock) = with_state(|state| state.next_due()) else { break };
        handover::look(ctx, &lock);
        if began.elapsed() >= SLICE {
            break;
        }
    }
    due::start();
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
