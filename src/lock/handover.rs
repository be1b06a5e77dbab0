//! Granting the lock to those who wait.
//!
//! Strictly first in, first out: only the head of a queue is granted, by [`admit`]. That happens in
//! the RELEASE itself, before a TRY or an ACQUIRE of somebody else, or when the key's alarm rings:
//! at the end of the lease that stands in the way, and soon after a stranger has deleted, renamed
//! or overwritten the lock. A grant is written before its client is woken.

use sluice_core::lock::queue::LockName;

use super::key::LockKey;
use super::queue::{self, AlarmToken, Ended, with_state};
use super::{alarms, waiting};
use crate::server::{Access, Arg, Context, OwnedArg, Token, WaitId, wake};

/// How soon to look again when the server may not write now, in ms.
const PAUSED_MS: u64 = 10;

/// Waits that have ended, and whose clients have not been told yet.
#[must_use = "clients that are not woken wait until their time is up"]
#[derive(Default)]
pub(crate) struct Woken(Vec<WaitId>);

impl Woken {
    /// Tells them. Only once the key is written, as they are told that it is, and closed, as each is
    /// answered before this returns.
    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(wake);
    }
}

/// Grants the lock to those at the head of its queue, as far as it goes.
pub(super) fn admit(lock: &LockName, key: &mut LockKey<'_>) -> Woken {
    let mut woken = Vec::new();
    while let Some(head) = queue::head(lock) {
        let claim = head.claim();
        let granted = if key.view().own(claim.owner).is_some() {
            None // it has got it on another connection
        } else if key.view().admits(claim.holders) {
            Some(key.grant(&claim))
        } else {
            break;
        };
        let ended = |waiter| granted.map_or(Ended::NotGranted(waiter), Ended::Granted);
        alarms::silence(with_state(|state| state.end(head.id, ended)));
        woken.push(head.id);
    }
    Woken(woken)
}

/// After a RELEASE, which may have made room: cancels the owner's own wait and grants the lock to
/// those who come next.
///
/// Inside MULTI and scripts the grant waits for their end, so that what they do next comes first.
pub(crate) fn after_release(ctx: &Context<'_>, name: Arg<'_>, owner: &[u8], key: &mut LockKey<'_>) -> Woken {
    let Some(lock) = queue::awaited(ctx, name) else { return Woken::default() };
    let mut woken = Vec::from_iter(waiting::cancel(&lock, owner));
    if ctx.may_block() {
        woken.extend(admit(&lock, key).0);
    }
    alarms::watch(&lock, key);
    Woken(woken)
}

/// Whether the head of the queue could be granted, had it been looked at.
pub(super) fn head_fits(lock: &LockName, key: &LockKey<'_>) -> bool {
    queue::head_holders(lock).is_none_or(|holders| key.view().admits(holders))
}

impl Token for AlarmToken {
    fn number(self) -> u64 {
        self.0
    }

    fn of_number(number: u64) -> Self {
        Self(number)
    }

    fn ring(self, ctx: &Context<'_>) {
        if let Some(lock) = with_state(|state| state.rings.remove(&self)) {
            look(ctx, &lock);
        }
    }
}

/// Looks whether the head of a queue can be granted now.
fn look(ctx: &Context<'_>, lock: &LockName) {
    with_state(|state| state.waiters.set_alarm(lock, None).ok()); // it has just rung
    if queue::count(lock) == 0 {
        return;
    }
    if !ctx.may_write() {
        return alarms::set(lock, PAUSED_MS);
    }
    ctx.select_db(lock.db);
    let name = OwnedArg::new(&lock.key);
    if !ctx.owns(name.arg()) {
        // The slot has moved: the server is about to send all who wait -MOVED.
        return alarms::set(lock, alarms::CHECK_MS);
    }
    hand_over(ctx, name.arg(), lock).wake();
}

/// Writes what the head of the queue, and those behind it, can be given.
fn hand_over(ctx: &Context<'_>, name: Arg<'_>, lock: &LockName) -> Woken {
    let Ok(mut key) = LockKey::open(ctx, name, Access::Write) else {
        return dismiss(lock);
    };
    let woken = admit(lock, &mut key);
    alarms::watch(lock, &key);
    // Cannot fail: the key holds a lock or nothing. If it did, leases would end by themselves.
    let _ = key.commit();
    woken
}

/// Something else is in the key: all who wait are told so.
fn dismiss(lock: &LockName) -> Woken {
    let mut woken = Vec::new();
    while let Some(head) = queue::head(lock) {
        alarms::silence(with_state(|state| state.end(head.id, |_| Ended::WrongType)));
        woken.push(head.id);
    }
    Woken(woken)
}
