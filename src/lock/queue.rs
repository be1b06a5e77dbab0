//! Who waits for which lock, what each was told in the end, which alarms are set, and which keys are due.
//!
//! Bookkeeping alone: nothing in here calls the server, as [`Guarded`] demands. Blocking clients is
//! [`waiting`](super::waiting), setting alarms is [`alarms`](super::alarms), looking at keys is [`rounds`](super::rounds).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sluice_core::grammar::error::CommandError;
use sluice_core::lock::queue::{self, LockName, Waiters};
use sluice_core::lock::{Claim, Reply};

use crate::counters;
use crate::server::{Arg, Context, Execution, Guarded, Timer, WaitId};

/// One that waits.
pub(crate) type Waiter = queue::Waiter<WaitId>;

/// How a wait ended.
#[derive(Clone)]
pub(crate) enum Ended {
    /// By a grant, which is written.
    Granted(Reply, Waiter),
    /// By its time, by the operator, or because its owner gave it up, asked again on another
    /// connection, or holds the lock already.
    NotGranted(Waiter),
    /// It can never be granted here.
    Failed(CommandError),
}

/// How a key that somebody waits for is watched.
#[derive(Default)]
pub(super) struct Watch {
    /// Rings when the head of the queue may be granted.
    pub(super) alarm: Option<Alarm>,
    /// Whether the key is looked at in the next round anyway.
    is_due: bool,
    /// Since when its slot has been found to be another node's, each time it was asked.
    pub(super) strayed: Option<Instant>,
}

/// An alarm of a key that is set.
pub(super) struct Alarm {
    pub(super) timer: Timer,
    pub(super) token: AlarmToken,
    /// When it rings, in unix ms.
    pub(super) at_ms: u64,
}

/// The number of an alarm.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AlarmToken(pub(super) u64);

/// A grant that its client never heard of.
pub(super) struct Undelivered {
    pub(super) lock: Arc<LockName>,
    pub(super) fence: i64,
    pub(super) waiter: Waiter,
}

/// All of it.
#[derive(Default)]
pub(super) struct State {
    /// Those that wait, and how each key is watched.
    pub(super) waiters: Waiters<Watch, WaitId>,
    /// The waits that are over and whose clients may not have heard of it yet.
    ended: HashMap<WaitId, Over>,
    /// The key that an alarm rings for.
    pub(super) rings: HashMap<AlarmToken, Arc<LockName>>,
    /// The keys that are looked at next.
    due: VecDeque<Arc<LockName>>,
    /// The grants that are to be taken back.
    undelivered: Vec<Undelivered>,
    /// What a transaction or a script has freed that may not be over yet.
    freed: Option<Freed>,
}

/// A wait that is over.
struct Over {
    lock: Arc<LockName>,
    ended: Ended,
    /// Its owner has learned elsewhere that it holds the lock.
    is_known: bool,
}

/// A lock that a transaction or a script has freed.
#[derive(PartialEq, Eq)]
pub(super) struct Freed {
    lock: LockName,
    execution: Execution,
}

static STATE: Guarded<State> = Guarded::new();

/// Whether a grant may not have been heard of yet; a glance that spares most commands the rest.
static IS_PENDING: AtomicBool = AtomicBool::new(false);

pub(super) fn with_state<T>(run: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| {
        let result = run(state);
        counters::LOCK_WAITING.set(state.waiters.total() as u64);
        IS_PENDING.store(!(state.ended.is_empty() && state.undelivered.is_empty()), Ordering::Relaxed);
        result
    })
}

impl State {
    /// Takes one that waits out of its queue, as having ended like this. If it was the last there, nobody needs the key
    /// to be watched any more.
    pub(super) fn end(&mut self, wait: WaitId, ended: impl FnOnce(Waiter) -> Ended) -> Option<Watch> {
        let lock = self.waiters.place(wait)?;
        let (waiter, watch) = self.waiters.leave(wait)?;
        self.ended.insert(wait, Over { lock, ended: ended(waiter), is_known: false });
        watch
    }

    /// One that has been replaced in its queue has ended.
    pub(super) fn replaced(&mut self, lock: Arc<LockName>, waiter: Waiter) {
        self.ended.insert(waiter.id, Over { lock, ended: Ended::NotGranted(waiter), is_known: false });
    }

    /// How a wait has ended, which is now being told. A grant is remembered until it is known to have been heard of.
    pub(super) fn tell(&mut self, wait: WaitId) -> Option<Ended> {
        self.ended.get(&wait).map(|over| over.ended.clone())
    }

    /// A wait is over. The key, if a grant is to be taken back that its client has not heard of.
    pub(super) fn forget(&mut self, wait: WaitId, heard: bool) -> Option<Arc<LockName>> {
        match self.ended.remove(&wait)? {
            Over { lock, ended: Ended::Granted(reply, waiter), is_known: false } if !heard => {
                self.undelivered.push(Undelivered { lock: Arc::clone(&lock), fence: reply.fence, waiter });
                Some(lock)
            }
            _ => None,
        }
    }

    /// An owner is being told that it holds the lock: what it was granted after a wait is not taken back any more.
    fn is_told(&mut self, lock: &LockName, owner: &[u8]) {
        self.undelivered.retain(|grant| *grant.lock != *lock || grant.waiter.claim().owner != owner);
        for over in self.ended.values_mut() {
            if let Ended::Granted(_, waiter) = &over.ended
                && *over.lock == *lock
                && waiter.claim().owner == owner
            {
                over.is_known = true;
            }
        }
    }

    /// Takes note of what a transaction or a script has freed, until it is over: what it does next comes first.
    pub(super) fn set_freed(&mut self, lock: LockName, execution: Execution) {
        self.freed = Some(Freed { lock, execution });
    }

    /// Whether the transaction or script that is running has freed this lock itself.
    pub(super) fn has_freed(&self, lock: &LockName, execution: Execution) -> bool {
        self.freed.as_ref().is_some_and(|freed| freed.lock == *lock && freed.execution == execution)
    }

    /// No transaction and no script is running.
    pub(super) fn nothing_runs(&mut self) {
        self.freed = None;
    }

    /// Whether a grant of this lock is to be taken back.
    pub(super) fn has_undelivered(&self, lock: &LockName) -> bool {
        self.undelivered.iter().any(|grant| *grant.lock == *lock)
    }

    /// The grants of a lock that are to be taken back.
    pub(super) fn take_undelivered(&mut self, lock: &LockName) -> Vec<Undelivered> {
        self.undelivered.extract_if(.., |grant| *grant.lock == *lock).collect()
    }

    /// Nobody waits, and nothing is to be taken back.
    pub(super) fn is_idle(&self) -> bool {
        self.waiters.total() == 0 && self.undelivered.is_empty()
    }

    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    pub(super) fn count_due(&self) -> usize {
        self.due.len()
    }

    /// Puts a key among those that are looked at next, if somebody waits for it.
    pub(super) fn set_due(&mut self, lock: &LockName) {
        if let Some((place, watch)) = self.waiters.watch(lock)
            && !std::mem::replace(&mut watch.is_due, true)
        {
            self.due.push_back(Arc::clone(place));
        }
    }

    /// The same, whether or not somebody waits for it.
    pub(super) fn push_due(&mut self, lock: Arc<LockName>) {
        self.due.push_back(lock);
    }

    /// Puts all keys of a database, or of all, among those that are looked at next.
    pub(super) fn all_due(&mut self, db: Option<i32>) {
        for (place, watch) in self.waiters.watches(db) {
            if !std::mem::replace(&mut watch.is_due, true) {
                self.due.push_back(Arc::clone(place));
            }
        }
        self.due.extend(self.undelivered.iter().map(|grant| Arc::clone(&grant.lock)));
    }

    /// The next key to be looked at.
    pub(super) fn next_due(&mut self) -> Option<Arc<LockName>> {
        let lock = self.due.pop_front()?;
        if let Some((_, watch)) = self.waiters.watch(&lock) {
            watch.is_due = false;
        }
        Some(lock)
    }
}

/// Whether the transaction or script that is running has freed this lock itself.
pub(super) fn is_freed_by_this(ctx: &Context<'_>, lock: &LockName) -> bool {
    let execution = ctx.execution();
    with_state(|state| state.has_freed(lock, execution))
}

/// An owner is being told by a command that it holds a lock.
pub(crate) fn is_told(ctx: &Context<'_>, key: Arg<'_>, owner: &[u8]) {
    if IS_PENDING.load(Ordering::Relaxed) {
        let lock = name_of(ctx, key);
        with_state(|state| state.is_told(&lock, owner));
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

/// How many wait for any lock.
pub(super) fn total() -> usize {
    with_state(|state| state.waiters.total())
}

/// The first `limit` of those who wait for this lock.
pub(crate) fn first(lock: &LockName, limit: usize) -> Vec<Waiter> {
    with_state(|state| state.waiters.at(lock).take(limit).cloned().collect())
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
