//! A key that holds a lock, or could.

use sluice_core::grammar::error::CommandError;
use sluice_core::lock::{Claim, Lock, Reply, View};
use sluice_core::time::{Millis, Nanos};

use super::{effects, fences};
use crate::counters;
use crate::server::{Access, Arg, Context, Key, Value};

/// An open key with the lock in it. What is changed is kept back until [`Self::commit`].
pub(crate) struct LockKey<'c> {
    ctx: &'c Context<'c>,
    name: Arg<'c>,
    key: Key<'c>,
    now: Nanos,
    expiry_ms: Option<u64>,
    change: Option<Changed>,
}

/// A lock as it shall be, and what has been done to it, in this order.
#[derive(Default)]
struct Changed {
    lock: Lock,
    released: bool,
    extended: bool,
    granted: usize,
}

impl<'c> LockKey<'c> {
    /// Opens the key; a key that holds something else is an error, one that is absent is not.
    pub(crate) fn open(ctx: &'c Context<'c>, name: Arg<'c>, access: Access) -> Result<Self, CommandError> {
        let key = ctx.open(name, access);
        let is_ours = matches!(key.value(), Value::Absent) || key.get::<Lock>().is_some();
        if !is_ours {
            return Err(CommandError::WrongType);
        }
        let expiry_ms = key.expires_at_ms();
        Ok(Self { ctx, name, key, now: ctx.now(), expiry_ms, change: None })
    }

    /// The live leases, with what has been changed so far.
    pub(crate) fn view(&self) -> View<'_> {
        match (&self.change, self.key.get::<Lock>()) {
            (Some(change), _) => change.lock.view(self.now, None),
            (None, Some(lock)) => lock.view(self.now, self.expiry_ms),
            (None, None) => View::NOTHING,
        }
    }

    /// Grants a claim that [`View::admits`].
    pub(crate) fn grant(&mut self, claim: &Claim<'_>) -> Reply {
        let (now, fence) = (self.now, fences::next(self.now));
        counters::LOCK_GRANTED.add(1);
        let change = self.change();
        change.granted += 1;
        change.lock.grant(claim, now, fence)
    }

    /// Sets what is left of the owner's lease; `None` if it holds nothing.
    pub(crate) fn extend(&mut self, owner: &[u8], lease: Millis) -> Option<Reply> {
        self.view().own(owner)?;
        let now = self.now;
        let change = self.change();
        change.extended = true;
        change.lock.extend(owner, lease, now)
    }

    /// Ends the owner's lease; false if it holds nothing.
    pub(crate) fn release(&mut self, owner: &[u8]) -> bool {
        if self.view().own(owner).is_none() {
            return false;
        }
        let change = self.change();
        change.released = true;
        change.lock.release(owner)
    }

    /// Carries the changes out: in the key, on replicas and in the AOF, for those who watch.
    pub(crate) fn commit(mut self) -> Result<(), CommandError> {
        let Some(Changed { lock, released, extended, granted }) = self.change.take() else {
            return Ok(());
        };
        if lock.is_empty() {
            self.key.delete();
            self.ctx.replicate_del(self.name);
        } else {
            self.store(lock)?;
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

    /// Replaces the lock by one that came from elsewhere, whatever was there.
    pub(crate) fn replace(ctx: &'c Context<'c>, name: Arg<'c>, lock: Lock) -> Result<(), CommandError> {
        let mut key = Self::open(ctx, name, Access::Write)?;
        key.store(lock)?;
        ctx.signal_modified(name);
        Ok(())
    }

    /// In the key, on replicas and in the AOF.
    fn store(&mut self, lock: Lock) -> Result<(), CommandError> {
        let expires_at_ms = lock.expires_at_ms();
        match self.key.get_mut::<Lock>() {
            Some(stored) => *stored = lock,
            None => self.key.set(lock)?,
        }
        self.key.expire_at(expires_at_ms);
        if let Some(lock) = self.key.get::<Lock>() {
            effects::replicate(self.ctx, self.name, lock);
        }
        Ok(())
    }

    /// The lock to be changed, settled.
    fn change(&mut self) -> &mut Changed {
        let (now, expiry_ms, key) = (self.now, self.expiry_ms, &self.key);
        self.change.get_or_insert_with(|| {
            let mut lock = key.get::<Lock>().cloned().unwrap_or_default();
            counters::LOCK_ENDED.add(lock.settle(now, expiry_ms) as u64);
            Changed { lock, ..Changed::default() }
        })
    }
}
