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
    /// The lock of a key that is not there yet.
    new: Lock,
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
        let is_ours = matches!(key.value(), Value::Absent) || key.get::<Lock>().is_some();
        if !is_ours {
            return Err(CommandError::WrongType);
        }
        let expiry_ms = key.expires_at_ms();
        let mut key = Self { ctx, name, key, now, expiry_ms, new: Lock::default(), done: None };
        if access == Access::Write && (key.view().has_ended() || key.view().outlasts_all()) {
            key.change();
        }
        Ok(key)
    }

    /// The live leases, with what has been changed so far.
    pub(crate) fn view(&self) -> View<'_> {
        self.key.get::<Lock>().unwrap_or(&self.new).view(self.now, self.expiry_ms)
    }

    /// When this is.
    pub(crate) fn now(&self) -> Nanos {
        self.now
    }

    /// Grants a claim that [`View::admits`]; an error if no fence is left.
    pub(crate) fn grant(&mut self, claim: &Claim<'_>) -> Result<Reply, CommandError> {
        let now = self.now;
        let fence = fences::next(now).ok_or(CommandError::NoFence)?;
        counters::LOCK_GRANTED.add(1);
        let (lock, done) = self.change();
        done.granted += 1;
        Ok(lock.grant(claim, now, fence, &mut done.changes))
    }

    /// Sets what is left of the owner's lease; `None` if it holds nothing.
    pub(crate) fn extend(&mut self, owner: &[u8], lease: Millis) -> Option<Reply> {
        self.view().own(owner)?;
        let now = self.now;
        let (lock, done) = self.change();
        done.extended = true;
        lock.extend(owner, lease, now, &mut done.changes)
    }

    /// Ends the owner's lease; false if it holds nothing.
    pub(crate) fn release(&mut self, owner: &[u8]) -> bool {
        if self.view().own(owner).is_none() {
            return false;
        }
        let (lock, done) = self.change();
        done.released = true;
        lock.release(owner, &mut done.changes)
    }

    /// Tells of the changes: replicas and the AOF, and those who watch or listen.
    pub(crate) fn commit(mut self) -> Result<(), CommandError> {
        let Some(Done { changes, released, extended, granted }) = self.done.take() else {
            return Ok(());
        };
        if self.key.get::<Lock>().unwrap_or(&self.new).is_empty() {
            self.key.delete();
            self.ctx.replicate_del(self.name);
        } else {
            self.store(&changes)?;
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

    /// In the key, on replicas and in the AOF.
    fn store(&mut self, changes: &Changes) -> Result<(), CommandError> {
        if self.key.get::<Lock>().is_none() {
            self.key.set(std::mem::take(&mut self.new))?;
        }
        let expires_at_ms = self.key.get::<Lock>().map(Lock::expires_at_ms);
        if let Some(unix_ms) = expires_at_ms {
            self.key.expire_at(unix_ms);
        }
        if let Some(lock) = self.key.get::<Lock>() {
            effects::replicate(self.ctx, self.name, lock, changes);
        }
        Ok(())
    }

    /// The lock to be changed, settled.
    fn change(&mut self) -> (&mut Lock, &mut Done) {
        let lock = self.key.get_mut::<Lock>().unwrap_or(&mut self.new);
        let (now, expiry_ms) = (self.now, self.expiry_ms.take());
        let done = self.done.get_or_insert_with(|| {
            let changes = lock.settle(now, expiry_ms);
            counters::LOCK_ENDED.add(changes.count_ended() as u64);
            Done { changes, ..Done::default() }
        });
        (lock, done)
    }
}
