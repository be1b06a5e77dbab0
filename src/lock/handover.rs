//! Granting the lock to those who wait.
//!
//! Strictly first in, first out: only the head of a queue is granted, by [`admit`]. That happens in
//! the RELEASE itself, before a TRY or an ACQUIRE of somebody else, or when the key is looked at:
//! at the end of the lease that stands in the way, and soon after a stranger has deleted, renamed
//! or overwritten the lock. A grant is written before its client is woken.

use std::time::{Duration, Instant};

use sluice_core::grammar::error::CommandError;
use sluice_core::lock::queue::LockName;

use super::due::{self, PAUSED_MS, SLICE};
use super::key::LockKey;
use super::queue::{self, Ended, with_state};
use super::{alarms, stall};
use crate::counters;
use crate::server::{Access, Arg, Context, OwnedArg, WaitId, is_still_permitted, wake};

/// How soon to look again where the server would refuse a client's write, in ms.
const REFUSED_MS: u64 = 100;

/// How soon to look again where the slot is not ours, in ms; and how long it may be so before those who wait are told.
/// The server itself redirects within a second whoever waits for a slot that has moved.
const STRAYED_MS: u64 = 1_000;
const STRAYED_LONG: Duration = Duration::from_secs(5);

/// Waits that have ended, and whose clients have not been told yet.
#[must_use = "clients that are not woken wait until their time is up"]
#[derive(Default)]
pub(crate) struct Woken(Vec<WaitId>);

impl Woken {
    /// Tells them. Only once the key is written, as they are told that it is, and closed, as each may be
    /// answered before this returns.
    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(wake);
    }
}

/// Whether a command may hand the lock on that it has just found free, or made so. What a transaction or a script has
/// freed is theirs to take again until they are over.
pub(super) fn is_time(ctx: &Context<'_>) -> bool {
    ctx.may_block() && stall::quiet_ms() == 0
}

/// Grants the lock to those at the head of its queue, as far as it goes, and for no longer than a slice: the key is then
/// due again.
pub(super) fn admit(lock: &LockName, name: Arg<'_>, key: &mut LockKey<'_>) -> Woken {
    let began = Instant::now();
    let mut woken = Vec::new();
    while let Some(head) = queue::head(lock) {
        if !woken.is_empty() && began.elapsed() >= SLICE {
            break;
        }
        let claim = head.claim();
        let granted = if key.view().own(claim.owner).is_some() {
            None // it has got it on another connection
        } else if !key.view().admits(claim.holders) {
            break;
        } else if !is_still_permitted(head.id, name) {
            Some(Err(CommandError::NoPermission))
        } else {
            Some(key.grant(&claim))
        };
        let ended = |waiter| match granted {
            None => Ended::NotGranted(waiter),
            Some(Ok(reply)) => Ended::Granted(reply, waiter),
            Some(Err(error)) => Ended::Failed(error),
        };
        alarms::end(with_state(|state| state.end(head.id, ended)));
        woken.push(head.id);
    }
    Woken(woken)
}

/// After a RELEASE, which may have made room: cancels the owner's own wait and grants the lock to
/// those who come next.
///
/// Inside MULTI and scripts the grant waits for their end, so that what they do next with what they have `released` comes
/// first.
pub(crate) fn after_release(
    ctx: &Context<'_>,
    name: Arg<'_>,
    owner: &[u8],
    key: &mut LockKey<'_>,
    released: bool,
) -> Woken {
    let Some(lock) = queue::awaited(ctx, name) else { return Woken::default() };
    let mut woken = Vec::from_iter(cancel(&lock, owner));
    if is_time(ctx) {
        woken.extend(admit(&lock, name, key).0);
    }
    alarms::watch(&lock, key);
    if released && !ctx.may_block() {
        with_state(|state| state.set_freed(lock, ctx.execution()));
    }
    Woken(woken)
}

/// Cancels the wait of an owner: the one to [`wake`] once the key is written.
fn cancel(lock: &LockName, owner: &[u8]) -> Option<WaitId> {
    let (wait, watch) = with_state(|state| {
        let wait = state.waiters.find(lock, owner)?.id;
        Some((wait, state.end(wait, Ended::NotGranted)))
    })?;
    alarms::end(watch);
    Some(wait)
}

/// Whether the wait of the head of the queue is over: it can be granted, or has got the lock on another connection.
fn is_head_over(lock: &LockName, key: &LockKey<'_>) -> bool {
    queue::head(lock).is_none_or(|head| {
        let (view, claim) = (key.view(), head.claim());
        view.admits(claim.holders) || view.own(claim.owner).is_some()
    })
}

/// Looks whether the head of a queue can be granted now, outside of anybody's command.
pub(super) fn look(ctx: &Context<'_>, lock: &LockName) {
    let takes_back = with_state(|state| state.has_undelivered(lock));
    if queue::count(lock) == 0 && !takes_back {
        return;
    }
    if ctx.is_read_only_replica() {
        // In the middle of a failover that may yet be called off, all who wait go on waiting.
        return match ctx.is_paused() {
            true => alarms::set(lock, PAUSED_MS),
            false => dismiss(lock, CommandError::Unblocked).wake(),
        };
    }
    ctx.select_db(lock.db);
    let name = OwnedArg::new(&lock.key);
    match LockKey::open_outside(ctx, name.arg(), Access::Read) {
        Ok(key) if !takes_back && !is_head_over(lock, &key) && !key.view().outlasts_all() => {
            // Whatever became of its slot meanwhile, it is held here.
            with_state(|state| state.waiters.watch(lock).map(|(_, watch)| watch.strayed = None));
            return alarms::watch(lock, &key);
        }
        Ok(_) => {}
        Err(error) => return dismiss(lock, error).wake(),
    }
    match obstacle(ctx, name.arg(), lock) {
        None => hand_over(ctx, name.arg(), lock).wake(),
        Some(Obstacle::Passes(ms)) => alarms::set(lock, ms),
        Some(Obstacle::Stays(error)) => dismiss(lock, error).wake(),
    }
}

/// What keeps the server from writing of its own accord.
enum Obstacle {
    /// Look again, in so many ms.
    Passes(u64),
    /// Nobody will be granted the lock here.
    Stays(CommandError),
}

/// A grant is a write: it is made only where and when a client's would be, and never by a server that may have been
/// replaced while it slept.
fn obstacle(ctx: &Context<'_>, name: Arg<'_>, lock: &LockName) -> Option<Obstacle> {
    if ctx.is_paused() {
        return Some(Obstacle::Passes(PAUSED_MS));
    }
    let quiet_ms = stall::quiet_ms();
    if quiet_ms > 0 {
        return Some(Obstacle::Passes(quiet_ms));
    }
    let owns = ctx.owns(name);
    let strayed = with_state(|state| {
        let (_, watch) = state.waiters.watch(lock)?;
        watch.strayed = if owns { None } else { Some(watch.strayed.unwrap_or_else(Instant::now)) };
        watch.strayed
    });
    if !owns {
        return Some(match strayed {
            Some(since) if since.elapsed() < STRAYED_LONG => Obstacle::Passes(STRAYED_MS),
            _ => Obstacle::Stays(CommandError::SlotMoves),
        });
    }
    (!ctx.takes_writes(name)).then_some(Obstacle::Passes(REFUSED_MS))
}

/// Writes what the head of the queue, and those behind it, can be given.
fn hand_over(ctx: &Context<'_>, name: Arg<'_>, lock: &LockName) -> Woken {
    let mut key = match LockKey::open_outside(ctx, name, Access::Write) {
        Ok(key) => key,
        Err(CommandError::TryAgain) => {
            alarms::set(lock, PAUSED_MS);
            return Woken::default();
        }
        Err(error) => return dismiss(lock, error),
    };
    take_back(lock, &mut key);
    let woken = admit(lock, name, &mut key);
    alarms::watch(lock, &key);
    // Cannot fail: the key holds a lock or nothing. If it did, leases would end by themselves.
    let _ = key.commit();
    woken
}

/// Ends the leases whose clients have never heard of them.
fn take_back(lock: &LockName, key: &mut LockKey<'_>) {
    for grant in with_state(|state| state.take_undelivered(lock)) {
        let owner = grant.waiter.claim().owner;
        let is_held = key.view().find(owner).is_some_and(|(holder, _)| holder.fence() as i64 == grant.fence);
        if is_held && key.release(owner) {
            counters::LOCK_UNDELIVERED.add(1);
        }
    }
}

/// All who wait are told that they do so in vain, as many as a slice lets.
fn dismiss(lock: &LockName, error: CommandError) -> Woken {
    let began = Instant::now();
    let mut woken = Vec::new();
    with_state(|state| drop(state.take_undelivered(lock))); // whatever is there now, it is none of them
    while let Some(head) = queue::head(lock) {
        alarms::end(with_state(|state| state.end(head.id, |_| Ended::Failed(error))));
        woken.push(head.id);
        if began.elapsed() >= SLICE {
            due::soon(lock);
            break;
        }
    }
    Woken(woken)
}
