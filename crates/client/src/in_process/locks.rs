//! The LOCK commands, and who is granted a lock that becomes free: strictly first in, first out.

use std::collections::HashMap;
use std::sync::Arc;

use redis::Value;
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::settings::{MAX_WAITERS, MAX_WAITERS_TOTAL};
use sluice_core::lock::queue::{LockName, Waiter, Waiters};
use sluice_core::lock::{Claim, Fences, Reply, View};
use sluice_core::time::{Millis, Nanos};
use tokio::sync::{Notify, oneshot};

use super::keys::Keys;
use super::reply::{integers, map, number, text};

/// So many of those who wait are shown.
const SHOWN: usize = 100;

/// Fences, and all who wait.
#[derive(Default)]
pub(super) struct Desk {
    fences: Fences,
    waiters: Waiters<()>,
    calls: HashMap<u64, Call>,
    last_id: u64,
}

/// How one that waits is reached.
struct Call {
    told: oneshot::Sender<Reply>,
    /// To look whether it is granted by now, and when to look next.
    look: Arc<Notify>,
}

/// One that waits from now on.
pub(super) struct Joined {
    pub(super) id: u64,
    pub(super) told: oneshot::Receiver<Reply>,
    pub(super) look: Arc<Notify>,
    /// Zero: without limit.
    pub(super) limit: Millis,
}

/// How an attempt went.
enum Attempt {
    Answered(Reply),
    /// Others hold it, or wait for it.
    Refused(Reply),
}

impl Desk {
    /// LOCK.TRY, and LOCK.ACQUIRE where nobody may wait.
    pub(super) fn try_lock(
        &mut self,
        keys: &mut Keys,
        key: &[u8],
        claim: &Claim<'_>,
        now: Nanos,
    ) -> Result<Value, CommandError> {
        match self.attempt(keys, key, claim, now)? {
            Attempt::Answered(reply) | Attempt::Refused(reply) => Ok(three(reply)),
        }
    }

    /// LOCK.ACQUIRE: the answer, or a place in the queue.
    pub(super) fn acquire(
        &mut self,
        keys: &mut Keys,
        key: &[u8],
        (claim, limit): (&Claim<'_>, Millis),
        now: Nanos,
    ) -> Result<Result<Value, Joined>, CommandError> {
        match self.attempt(keys, key, claim, now)? {
            Attempt::Answered(reply) => Ok(Ok(three(reply))),
            Attempt::Refused(_) => {
                self.check_room(&name(key), claim)?;
                let joined = self.join(keys, key, claim, now, limit);
                self.call_head(key);
                Ok(Err(joined))
            }
        }
    }

    /// Those who wait come first, in case the lock has become free and none of them has looked yet.
    fn attempt(
        &mut self,
        keys: &mut Keys,
        key: &[u8],
        claim: &Claim<'_>,
        now: Nanos,
    ) -> Result<Attempt, CommandError> {
        keys.lock(key, now)?;
        self.admit(keys, key, now);
        let view = view(keys, key, now);
        if let Some(own) = view.own(claim.owner) {
            return Ok(Attempt::Answered(own));
        }
        if self.waiters.count(&name(key)) > 0 || !view.admits(claim.holders) {
            return Ok(Attempt::Refused(view.refusal(claim.holders)));
        }
        self.grant(keys, key, claim, now).map(Attempt::Answered)
    }

    fn grant(
        &mut self,
        keys: &mut Keys,
        key: &[u8],
        claim: &Claim<'_>,
        now: Nanos,
    ) -> Result<Reply, CommandError> {
        let fence = self.fences.next(now).ok_or(CommandError::NoFence)?;
        Ok(keys.change_lock(key, now, |lock, changes| lock.grant(claim, now, fence, changes)))
    }

    fn check_room(&self, name: &LockName, claim: &Claim<'_>) -> Result<(), CommandError> {
        let many = |waiting: usize, most: i64| i64::try_from(waiting).is_ok_and(|waiting| waiting >= most);
        if self.waiters.find(name, claim.owner).is_some() {
            Ok(())
        } else if many(self.waiters.count(name), MAX_WAITERS.default) {
            Err(CommandError::TooManyWaiters)
        } else if many(self.waiters.total(), MAX_WAITERS_TOTAL.default) {
            Err(CommandError::TooManyWaitersInAll)
        } else {
            Ok(())
        }
    }

    /// The same owner's older wait ends, which is told that it holds nothing.
    fn join(&mut self, keys: &Keys, key: &[u8], claim: &Claim<'_>, now: Nanos, limit: Millis) -> Joined {
        self.last_id += 1;
        let (id, look, (tell, told)) = (self.last_id, Arc::new(Notify::new()), oneshot::channel());
        self.calls.insert(id, Call { told: tell, look: Arc::clone(&look) });
        let older = self.waiters.join(Arc::new(name(key)), Waiter::new(id, claim, now, limit));
        if let Some(older) = older {
            self.tell(older.id, in_vain(&view(keys, key, now), &older));
        }
        Joined { id, told, look, limit }
    }

    fn tell(&mut self, id: u64, reply: Reply) {
        if let Some(call) = self.calls.remove(&id) {
            // Whoever has gone takes itself out, and gives back what it was granted.
            let _ = call.told.send(reply);
        }
    }

    /// Grants the lock to those at the head of its queue, as far as it goes.
    fn admit(&mut self, keys: &mut Keys, key: &[u8], now: Nanos) {
        if keys.lock(key, now).is_err() {
            return; // limits are there now, and those who wait wait until they are gone
        }
        let name = name(key);
        while let Some(head) = self.waiters.head(&name) {
            let view = view(keys, key, now);
            let (id, owner, lease, holders) = {
                let claim = head.claim();
                (head.id, Vec::from(claim.owner), claim.lease, claim.holders)
            };
            let claim = Claim { owner: &owner, lease, holders };
            let reply = match view.own(claim.owner) {
                Some(own) => own, // it has got it by another command
                None if !view.admits(claim.holders) => return,
                None => match self.grant(keys, key, &claim, now) {
                    Ok(reply) => reply,
                    Err(_) => return,
                },
            };
            self.waiters.leave(id);
            self.tell(id, reply);
        }
    }

    /// Something has changed: grants what can be granted, and lets the first of the others look when it is next.
    pub(super) fn changed(&mut self, keys: &mut Keys, key: &[u8], now: Nanos) {
        self.admit(keys, key, now);
        self.call_head(key);
    }

    fn call_head(&self, key: &[u8]) {
        let head = self.waiters.head(&name(key)).and_then(|head| self.calls.get(&head.id));
        if let Some(call) = head {
            call.look.notify_one();
        }
    }

    /// The clock has been set: whoever is first anywhere looks again.
    pub(super) fn clock_was_set(&mut self, keys: &mut Keys, now: Nanos) {
        let names: Vec<_> = self.waiters.watches(None).map(|(name, ())| Arc::clone(name)).collect();
        names.iter().for_each(|name| self.changed(keys, &name.key, now));
    }

    /// In how many ms one that waits has to look again, if it is for it to look: if it is the first.
    pub(super) fn look(&mut self, keys: &mut Keys, id: u64, now: Nanos) -> Option<u64> {
        let name = self.waiters.place(id)?;
        self.admit(keys, &name.key, now);
        match self.waiters.head(&name) {
            Some(head) if head.id == id => view(keys, &name.key, now).opens_in_ms(head.claim().holders),
            _ => {
                self.call_head(&name.key);
                None
            }
        }
    }

    /// The time of a wait is up.
    pub(super) fn time_is_up(&mut self, keys: &mut Keys, id: u64, now: Nanos) {
        let Some(name) = self.waiters.place(id) else { return };
        self.changed(keys, &name.key, now);
        let Some((waiter, _)) = self.waiters.leave(id) else { return };
        self.tell(id, in_vain(&view(keys, &name.key, now), &waiter));
        self.changed(keys, &name.key, now);
    }

    /// Nobody waits any longer for the answer to a wait. The place of the wait, if it is not over.
    pub(super) fn forget(&mut self, keys: &mut Keys, id: u64, now: Nanos) {
        let name = self.waiters.place(id);
        self.calls.remove(&id);
        self.waiters.leave(id);
        if let Some(name) = name {
            self.changed(keys, &name.key, now);
        }
    }

    /// LOCK.EXTEND
    pub(super) fn extend(
        &mut self,
        keys: &mut Keys,
        key: &[u8],
        (owner, lease): (&[u8], Millis),
        now: Nanos,
    ) -> Result<Value, CommandError> {
        keys.lock(key, now)?;
        let extended = keys.change_lock(key, now, |lock, changes| lock.extend(owner, lease, now, changes));
        let reply = extended.unwrap_or_else(|| view(keys, key, now).not_yours());
        self.changed(keys, key, now);
        Ok(three(reply))
    }

    /// LOCK.RELEASE
    pub(super) fn release(
        &mut self,
        keys: &mut Keys,
        key: &[u8],
        owner: &[u8],
        now: Nanos,
    ) -> Result<Value, CommandError> {
        keys.lock(key, now)?;
        let released = keys.change_lock(key, now, |lock, changes| lock.release(owner, changes));
        let id = self.waiters.find(&name(key), owner).map(|waiter| waiter.id);
        if let Some((waiter, _)) = id.and_then(|id| self.waiters.leave(id)) {
            self.tell(waiter.id, in_vain(&view(keys, key, now), &waiter));
        }
        self.changed(keys, key, now);
        Ok(Value::Int(i64::from(released)))
    }

    /// LOCK.INFO
    pub(super) fn info(&self, keys: &Keys, key: &[u8], now: Nanos) -> Result<Value, CommandError> {
        keys.lock(key, now)?;
        let (view, name) = (view(keys, key, now), name(key));
        let waiting = self.waiters.count(&name);
        if view.count() == 0 && waiting == 0 {
            return Ok(Value::Nil);
        }
        let holders = view.live().map(|(holder, left_ms)| {
            map(vec![
                ("owner", text(holder.owner())),
                ("fence", number(holder.fence())),
                ("ttl-ms", number(left_ms)),
                ("held-ms", number(view.held_ms(holder))),
            ])
        });
        let waiters = self.waiters.at(&name).take(SHOWN).map(|waiter| {
            map(vec![
                ("owner", text(waiter.claim().owner)),
                ("holders", number(waiter.claim().holders as u64)),
                ("waited-ms", number(waiter.waited_ms(now))),
                ("left-ms", waiter.left_ms(now).map_or(Value::Int(-1), number)),
            ])
        });
        Ok(map(vec![
            ("holders", Value::Array(holders.collect())),
            ("waiting", number(waiting as u64)),
            ("waiters", Value::Array(waiters.collect())),
        ]))
    }
}

/// What is told to one who has waited in vain.
fn in_vain(view: &View<'_>, waiter: &Waiter) -> Reply {
    let claim = waiter.claim();
    view.own(claim.owner).unwrap_or_else(|| view.refusal(claim.holders))
}

fn name(key: &[u8]) -> LockName {
    LockName { db: 0, key: key.into() }
}

/// Nobody holds what is no lock.
fn view<'a>(keys: &'a Keys, key: &[u8], now: Nanos) -> View<'a> {
    keys.lock(key, now).ok().flatten().map_or(View::NOTHING, |lock| lock.view(now, None))
}

pub(super) fn three(reply: Reply) -> Value {
    integers([reply.held, reply.fence, reply.ms])
}
