//! How a wait begins, and how it ends but by a grant. (Grants are [`handover`](super::handover)'s.)
//!
//! Nobody is in the queue whose client has gone.

use std::sync::Arc;

use sluice_core::grammar::error::CommandError;
use sluice_core::lock::Claim;
use sluice_core::lock::queue::LockName;

use super::key::LockKey;
use super::queue::{Ended, Waiter, with_state};
use super::{alarms, queue};
use crate::server::{Access, Arg, Context, WaitId, wake};
use crate::{config, counters};

/// Whether one more may wait for this key: as many as the setting allows, and always an owner that
/// waits already, as it takes its own place.
pub(crate) fn check_room(ctx: &Context<'_>, name: Arg<'_>, claim: &Claim<'_>) -> Result<(), CommandError> {
    let lock = queue::name_of(ctx, name);
    let full = queue::count(&lock) >= config::max_waiters() && !queue::find(&lock, claim);
    if full { Err(CommandError::TooManyWaiters) } else { Ok(()) }
}

/// Puts a client that is blocked already into the queue. Its owner's older wait ends. Not with the
/// key open.
pub(crate) fn join(ctx: &Context<'_>, name: Arg<'_>, wait: WaitId, claim: &Claim<'_>) {
    let lock = Arc::new(queue::name_of(ctx, name));
    let older = with_state(|state| {
        let older = state.waiters.join(Arc::clone(&lock), Waiter::new(wait, claim))?;
        let id = older.id;
        state.ended.insert(id, Ended::NotGranted(older));
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

/// Cancels the wait of an owner: the one to [`wake`] once the key is written.
pub(super) fn cancel(lock: &LockName, owner: &[u8]) -> Option<WaitId> {
    let (wait, alarm) = with_state(|state| {
        let wait = state.waiters.find(lock, owner)?.id;
        Some((wait, state.end(wait, Ended::NotGranted)))
    })?;
    alarms::silence(alarm);
    Some(wait)
}

/// How a wait has ended that is now to be answered. If nobody has ended it, its time is up or the
/// operator has ended it. `None` for one that is not known, which there should not be.
pub(crate) fn end(wait: WaitId) -> Option<Ended> {
    with_state(|state| state.ended.remove(&wait)).or_else(|| {
        counters::LOCK_WAIT_TIMEOUTS.add(1);
        leave(wait).map(Ended::NotGranted)
    })
}

/// The last that is heard of a wait: most have ended before, others end here, as their clients have
/// gone.
pub(crate) fn forget(wait: WaitId) {
    with_state(|state| state.ended.remove(&wait));
    leave(wait);
}

/// Takes one out of its queue; whoever is behind it may be next.
fn leave(wait: WaitId) -> Option<Waiter> {
    let (lock, (waiter, alarm)) =
        with_state(|state| state.waiters.place(wait).zip(state.waiters.leave(wait)))?;
    alarms::silence(alarm);
    alarms::set(&lock, 0);
    Some(waiter)
}
