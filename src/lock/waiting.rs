//! How a wait begins, and how it ends but by a grant. (Grants are [`handover`](super::handover)'s.)
//!
//! Nobody is in the queue whose client has gone.

use std::sync::Arc;

use sluice_core::grammar::error::CommandError;
use sluice_core::lock::Claim;
use sluice_core::time::Millis;

use super::key::LockKey;
use super::queue::{Ended, Waiter, with_state};
use super::{alarms, due, handover, queue};
use crate::server::{Access, Arg, Context, WaitId, wake};
use crate::{config, counters};

/// Whether one more may wait for this key: as many as the settings allow, and always an owner that
/// waits already, as it takes its own place.
pub(crate) fn check_room(ctx: &Context<'_>, name: Arg<'_>, claim: &Claim<'_>) -> Result<(), CommandError> {
    let lock = queue::name_of(ctx, name);
    if queue::find(&lock, claim) {
        Ok(())
    } else if queue::count(&lock) >= config::max_waiters() {
        Err(CommandError::TooManyWaiters)
    } else if queue::total() >= config::max_waiters_total() {
        Err(CommandError::TooManyWaitersInAll)
    } else {
        Ok(())
    }
}

/// Puts a client that is blocked already into the queue, to wait for so long at the most. Its owner's older wait ends.
/// Not with the key open.
pub(crate) fn join(ctx: &Context<'_>, name: Arg<'_>, wait: WaitId, claim: &Claim<'_>, limit: Millis) {
    let lock = Arc::new(queue::name_of(ctx, name));
    let waiter = Waiter::new(wait, claim, ctx.now(), limit);
    let older = with_state(|state| {
        let older = state.waiters.join(Arc::clone(&lock), waiter)?;
        let id = older.id;
        state.replaced(Arc::clone(&lock), older);
        Some(id)
    });
    if let Some(older) = older {
        wake(older);
    }
    // Opened a moment ago; if it could not be opened now, there would be nothing to watch.
    if let Ok(key) = LockKey::open(ctx, name, Access::Read) {
        alarms::watch(&lock, &key);
    }
}

/// How a wait has ended that is now to be answered. If nobody has ended it, the operator has, or the server, as its time
/// is up. `None` for one that is not known, which there should not be.
///
/// The lock is not looked at: this may be in the middle of anybody's CLIENT UNBLOCK.
pub(crate) fn end(wait: WaitId) -> Option<Ended> {
    with_state(|state| state.tell(wait)).or_else(|| leave_in_vain(wait))
}

/// The time of a wait is up: if it is the first in the queue and the lock is free by now, it has it.
pub(crate) fn time_is_up(ctx: &Context<'_>, wait: WaitId) {
    if let Some(lock) = with_state(|state| state.waiters.place(wait)) {
        handover::look(ctx, &lock);
    }
    // From now on it is in nobody's way, also where it is answered a little later.
    if with_state(|state| state.waiters.place(wait)).is_some() {
        counters::LOCK_WAIT_TIMEOUTS.add(1);
        let (lock, watch) =
            with_state(|state| (state.waiters.place(wait), state.end(wait, Ended::NotGranted)));
        alarms::end(watch);
        if let Some(lock) = lock {
            due::soon(&lock);
        }
    }
}

/// The last that is heard of a wait: most have ended before, others end here, as their clients have
/// gone. Whoever was granted the lock and has not `heard` of it does not keep it.
pub(crate) fn forget(wait: WaitId, heard: bool) {
    if let Some(lock) = with_state(|state| state.forget(wait, heard)) {
        due::soon_anyway(lock);
    }
    leave(wait);
}

fn leave_in_vain(wait: WaitId) -> Option<Ended> {
    counters::LOCK_WAIT_TIMEOUTS.add(1);
    leave(wait).map(Ended::NotGranted)
}

/// Takes one out of its queue; whoever is behind it may be next.
fn leave(wait: WaitId) -> Option<Waiter> {
    let (lock, (waiter, watch)) =
        with_state(|state| state.waiters.place(wait).zip(state.waiters.leave(wait)))?;
    alarms::end(watch);
    due::soon(&lock);
    Some(waiter)
}
