//! A key that holds a lock, or could.

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::lock::Load;
use sluice_core::lock::{Changes, Claim, Lock, Reply, View};
use sluice_core::time::{Millis, Nanos};

use super::{effects, fences};
use crate::counters;
use crate::server::{Access, Arg, Context, Key, Value};

/// An open key with the lock in it. What is changed is changed in the value at once; replicas, the AOF and those who watch
/// hear of it at [`Self::commit`], which nothing may come in the way of.
pub(crate) struct LockKey<'c> {
    ctx: &'c Context<'c>,
    name: Arg<'c>,
    key: Key<'c>,
    now: Nanos,
    expiry_ms: Option<u64>,
    done: Option<Done>,
}

/// What has been done to the lock.
#[derive(Default)]
struct Done {
    changes: Changes,
    released: bool,
    extended: bool,
    granted: usize,
}

impl<'c> LockKey<'c> {
    /// Opens the key; a key that holds something else is an error, one that is absent is not.
    ///
    /// Opened to write, a lock is put right that only a stranger or a bad clock can have left: one whose leases have all
    /// ended and whose key has no expiry, and leases from a time that was never there.
    pub(crate) fn open(ctx: &'c Context<'c>, name: Arg<'c>, access: Access) -> Result<Self, CommandError> {
        Self::open_at(ctx, name, access, ctx.now())
    }

    /// The same outside of commands.
    pub(crate) fn open_outside(
        ctx: &'c Context<'c>,
        name: Arg<'c>,
        access: Access,
    ) -> Result<Self, CommandError> {
        Self::open_at(ctx, name, access, ctx.wall_now())
    }

    fn open_at(
        ctx: &'c Context<'c>,
        name: Arg<'c>,
        access: Access,
        now: Nanos,
    ) -> Result<Self, CommandError> {
        let key = ctx.open(name, access)?;
        let expiry_ms = key.expires_at_ms();
        let wants_care = match key.get::<Lock>() {
            Some(lock) => lock.view(now, expiry_ms).wants_care(),
            None if matches!(key.value(), Value::Absent) => false,
            None => return Err(CommandError::WrongType),
        };
        let mut key = Self { ctx, name, key, now, expiry_ms, done: None };
        if wants_care && access == Access::Write {
            key.change();
        }
        Ok(key)
    }

    /// The live leases, with what has been changed so far.
    pub(crate) fn view(&self) -> View<'_> {
        self.key.get::<Lock>().map_or(View::NOTHING, |lock| lock.view(self.now, self.expiry_ms))
    }

    /// When this is.
    pub(crate) fn now(&self) -> Nanos {
        self.now
    }

    /// Grants a claim that [`View::admits`]; an error if no fence is left.
    pub(crate) fn grant(&mut self, claim: &Claim<'_>) -> Result<Reply, CommandError> {
        let now = self.now;
        let fence = fences::next(now).ok_or(CommandError::NoFence)?;
        if self.key.get::<Lock>().is_none() {
            self.key.set(Lock::default())?;
        }
        let (lock, done) = self.change().ok_or(CommandError::Server)?;
        counters::LOCK_GRANTED.add(1);
        done.granted += 1;
        Ok(lock.grant(claim, now, fence, &mut done.changes))
    }

    /// Sets what is left of the owner's lease; `None` if it holds nothing.
    pub(crate) fn extend(&mut self, owner: &[u8], lease: Millis) -> Option<Reply> {
        self.view().own(owner)?;
        let now = self.now;
        let (lock, done) = self.change()?;
        done.extended = true;
        lock.extend(owner, lease, now, &mut done.changes)
    }

    /// Ends the owner's lease; false if it holds nothing.
    pub(crate) fn release(&mut self, owner: &[u8]) -> bool {
        if self.view().own(owner).is_none() {
            return false;
        }
        let Some((lock, done)) = self.change() else { return false };
        done.released = true;
        lock.release(owner, &mut done.changes)
    }

    /// Tells of the changes: replicas and the AOF, and those who watch or listen.
    pub(crate) fn commit(mut self) -> Result<(), CommandError> {
        let Some(Done { changes, released, extended, granted }) = self.done.take() else {
            return Ok(());
        };
        let lock = self.key.get::<Lock>().ok_or(CommandError::Server)?;
        if lock.is_empty() {
            self.key.delete();
            self.ctx.replicate_del(self.name);
        } else {
            let expires_at_ms = lock.expires_at_ms();
            effects::replicate(self.ctx, self.name, lock, &changes);
            self.key.expire_at(expires_at_ms);
        }
        self.ctx.signal_modified(self.name);
        drop(self.key); // those who are told may open it
        let events = [
            (c"lock.released", released.into()),
            (c"lock.extended", extended.into()),
            (c"lock.acquired", granted),
        ];
        for (event, times) in events {
            (0..times).for_each(|_| self.ctx.notify(event, self.name));
        }
        Ok(())
    }

    /// What `LOCK.LOAD` brings, in place of whatever is there if that is no lock. The command replicates itself.
    pub(crate) fn load(ctx: &Context<'_>, name: Arg<'_>, load: Load) -> Result<(), CommandError> {
        let mut key = ctx.open(name, Access::Write)?;
        if key.get::<Lock>().is_none() {
            key.set(Lock::default())?;
        }
        let lock = key.get_mut::<Lock>().ok_or(CommandError::Server)?;
        let fits = match load {
            Load::Whole(whole) => {
                *lock = whole;
                true
            }
            Load::Changes(changes) => lock.apply(changes),
        };
        let (is_empty, expires_at_ms) = (lock.is_empty(), lock.expires_at_ms());
        if is_empty {
            key.delete();
        } else {
            key.expire_at(expires_at_ms);
        }
        if !fits {
            return Err(CommandError::Holders);
        }
        ctx.signal_modified(name);
        ctx.replicate_as_it_is();
        Ok(())
    }

    /// The lock to be changed, settled; `None` if there is none.
    fn change(&mut self) -> Option<(&mut Lock, &mut Done)> {
        let lock = self.key.get_mut::<Lock>()?;
        let (now, expiry_ms) = (self.now, self.expiry_ms.take());
        let done = self.done.get_or_insert_with(|| {
            let changes = lock.settle(now, expiry_ms);
            counters::LOCK_ENDED.add(changes.count_ended() as u64);
            Done { changes, ..Done::default() }
        });
        Some((lock, done))
    }
}
