//! Who waits for which lock, what each was told in the end, and which alarms are set.
//!
//! Bookkeeping alone: nothing in here calls the server, as [`Guarded`] demands. Blocking clients is
//! [`waiting`](super::waiting), setting alarms is [`alarms`](super::alarms).

use std::collections::HashMap;
use std::sync::Arc;

use sluice_core::lock::queue::{self, LockName, Waiters};
use sluice_core::lock::{Claim, Reply};

use crate::counters;
use crate::server::{Arg, Context, Guarded, Timer, WaitId};

/// One that waits.
pub(super) type Waiter = queue::Waiter<WaitId>;

/// How a wait ended.
pub(crate) enum Ended {
    /// By a grant, which is written.
    Granted(Reply),
    /// By its time, by the operator, or because its owner gave it up, asked again on another
    /// connection, or holds the lock already.
    NotGranted(Waiter),
    /// Something else is in the key.
    WrongType,
}

/// An alarm of a key that is set.
pub(super) struct Alarm {
    pub(super) timer: Timer,
    pub(super) token: AlarmToken,
    /// Rings at the next turn of the server's loop; no other needs to be set.
    pub(super) soon: bool,
}

/// The number of an alarm.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AlarmToken(pub(super) u64);

/// All of it.
#[derive(Default)]
pub(super) struct State {
    /// Those that wait, and the alarm of each key.
    pub(super) waiters: Waiters<Alarm, WaitId>,
    /// The waits that are over and have not been answered yet.
    pub(super) ended: HashMap<WaitId, Ended>,
    /// The key that an alarm rings for.
    pub(super) rings: HashMap<AlarmToken, Arc<LockName>>,
}

static STATE: Guarded<State> = Guarded::new();

pub(super) fn with_state<T>(run: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| {
        let result = run(state);
        counters::LOCK_WAITING.set(state.waiters.total() as u64);
        result
    })
}

impl State {
    /// Takes one that waits out of its queue, as having ended like this. An alarm that is returned
    /// has to be stopped.
    pub(super) fn end(&mut self, wait: WaitId, ended: impl FnOnce(Waiter) -> Ended) -> Option<Alarm> {
        let (waiter, alarm) = self.waiters.leave(wait)?;
        self.ended.insert(wait, ended(waiter));
        alarm
    }
}

/// Whether anybody waits for any lock; a glance that spares most commands the rest.
pub(super) fn is_empty() -> bool {
    counters::LOCK_WAITING.get() == 0
}

/// The name of the lock in a key of the command's, if anybody waits for it.
pub(crate) fn awaited(ctx: &Context<'_>, key: Arg<'_>) -> Option<LockName> {
    if is_empty() {
        return None;
    }
    let lock = name_of(ctx, key);
    (count(&lock) > 0).then_some(lock)
}

/// The name of the lock in a key of the command's.
pub(super) fn name_of(ctx: &Context<'_>, key: Arg<'_>) -> LockName {
    LockName { db: ctx.db(), key: key.bytes().into() }
}

/// How many wait for this lock.
pub(crate) fn count(lock: &LockName) -> usize {
    with_state(|state| state.waiters.count(lock))
}

/// The one that is next.
pub(super) fn head(lock: &LockName) -> Option<Waiter> {
    with_state(|state| state.waiters.head(lock).cloned())
}

/// With how many at the most the one that is next would share the lock.
pub(super) fn head_holders(lock: &LockName) -> Option<usize> {
    with_state(|state| state.waiters.head(lock).map(|head| head.claim().holders))
}

/// Whether an owner waits for this lock.
pub(super) fn find(lock: &LockName, claim: &Claim<'_>) -> bool {
    with_state(|state| state.waiters.find(lock, claim.owner).is_some())
}
