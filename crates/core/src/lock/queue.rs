//! Who waits for which lock: first in, first out.
//!
//! Data alone. Blocking clients, waking them and setting alarms is the module's; this says who is
//! next. Nothing of it is stored or replicated: a wait ends with its connection.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use super::claim::Claim;
use crate::time::Millis;

/// One that waits, known by what the module knows it by, an `I`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter<I = u64> {
    /// Unique among all that wait.
    pub id: I,
    owner: Box<[u8]>,
    lease: Millis,
    holders: usize,
}

impl<I> Waiter<I> {
    /// One that waits for this claim.
    pub fn new(id: I, claim: &Claim<'_>) -> Self {
        Self { id, owner: claim.owner.into(), lease: claim.lease, holders: claim.holders }
    }

    /// What it waits for.
    pub fn claim(&self) -> Claim<'_> {
        Claim { owner: &self.owner, lease: self.lease, holders: self.holders }
    }
}

/// A key in a database.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct LockName {
    /// The database's number.
    pub db: i32,
    /// The key's name.
    pub key: Box<[u8]>,
}

/// Those that wait for one key.
#[derive(Debug)]
struct Queue<A, I> {
    place: Arc<LockName>,
    waiters: VecDeque<Waiter<I>>,
    alarm: Option<A>,
}

/// All that wait, by key; and for each key what the module will look after it with (an alarm `A`).
#[derive(Debug)]
pub struct Waiters<A, I = u64> {
    queues: HashMap<Arc<LockName>, Queue<A, I>>,
    places: HashMap<I, Arc<LockName>>,
}

impl<A, I> Default for Waiters<A, I> {
    fn default() -> Self {
        Self { queues: HashMap::new(), places: HashMap::new() }
    }
}

impl<A, I: Copy + Eq + Hash> Waiters<A, I> {
    /// How many wait, for whatever key.
    pub fn total(&self) -> usize {
        self.places.len()
    }

    /// How many wait for this key.
    pub fn count(&self, place: &LockName) -> usize {
        self.queues.get(place).map_or(0, |queue| queue.waiters.len())
    }

    /// The one that is next.
    pub fn head(&self, place: &LockName) -> Option<&Waiter<I>> {
        self.queues.get(place)?.waiters.front()
    }

    /// Whether this owner waits for this key.
    pub fn find(&self, place: &LockName, owner: &[u8]) -> Option<&Waiter<I>> {
        self.queues.get(place)?.waiters.iter().find(|waiter| &*waiter.owner == owner)
    }

    /// Adds one at the end; or in the place of the wait of the same owner, which is returned.
    pub fn join(&mut self, place: Arc<LockName>, waiter: Waiter<I>) -> Option<Waiter<I>> {
        let queue = match self.queues.get_mut(&place) {
            Some(queue) => queue,
            None => {
                let empty = Queue { place: Arc::clone(&place), waiters: VecDeque::new(), alarm: None };
                self.queues.entry(place).or_insert(empty)
            }
        };
        self.places.insert(waiter.id, Arc::clone(&queue.place));
        match queue.waiters.iter_mut().find(|older| older.owner == waiter.owner) {
            Some(older) => {
                let older = std::mem::replace(older, waiter);
                self.places.remove(&older.id);
                Some(older)
            }
            None => {
                queue.waiters.push_back(waiter);
                None
            }
        }
    }

    /// Takes one out, wherever it stands; `None` if it is out already. If it was the last that waited
    /// for its key, the key's alarm is returned too, to be stopped: nobody is left for it to ring for.
    pub fn leave(&mut self, id: I) -> Option<(Waiter<I>, Option<A>)> {
        let place = self.places.remove(&id)?;
        let queue = self.queues.get_mut(&place)?;
        let at = queue.waiters.iter().position(|waiter| waiter.id == id)?;
        let waiter = queue.waiters.remove(at)?;
        let alarm = if queue.waiters.is_empty() {
            self.queues.remove(&place).and_then(|queue| queue.alarm)
        } else {
            None
        };
        Some((waiter, alarm))
    }

    /// The key that one waits for.
    pub fn place(&self, id: I) -> Option<Arc<LockName>> {
        self.places.get(&id).map(Arc::clone)
    }

    /// The same place, shared with the queue; `None` if nobody waits for it.
    pub fn shared(&self, place: &LockName) -> Option<Arc<LockName>> {
        self.queues.get(place).map(|queue| Arc::clone(&queue.place))
    }

    /// The alarm of a key; `None` also if nobody waits for it.
    pub fn alarm(&self, place: &LockName) -> Option<&A> {
        self.queues.get(place)?.alarm.as_ref()
    }

    /// Sets the alarm of a key, or takes it away (`None`). What is returned is no longer kept here,
    /// and is the caller's to stop: `Ok` with the key's alarm before, if it had one; or `Err` with
    /// the very `alarm` that was passed, as nobody waits for the key and so none is kept.
    pub fn set_alarm(&mut self, place: &LockName, alarm: Option<A>) -> Result<Option<A>, Option<A>> {
        match self.queues.get_mut(place) {
            Some(queue) => Ok(std::mem::replace(&mut queue.alarm, alarm)),
            None => Err(alarm),
        }
    }

    /// The keys of one database that somebody waits for; of all with `None`.
    pub fn places(&self, db: Option<i32>) -> Vec<Arc<LockName>> {
        let here = |place: &&Arc<LockName>| db.is_none_or(|db| place.db == db);
        self.queues.keys().filter(here).map(Arc::clone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: &str) -> LockName {
        LockName { db: 0, key: key.as_bytes().into() }
    }

    fn shared(key: &str) -> Arc<LockName> {
        Arc::new(place(key))
    }

    fn waiter(id: u64, owner: &str) -> Waiter {
        Waiter::new(id, &Claim { owner: owner.as_bytes(), lease: Millis::new(1).unwrap(), holders: 1 })
    }

    fn order(waiters: &mut Waiters<()>, key: &str) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some(head) = waiters.head(&place(key)).map(|head| head.id) {
            waiters.leave(head);
            order.push(head);
        }
        order
    }

    #[test]
    fn first_in_is_first_out_key_by_key() {
        let mut waiters = Waiters::default();
        for id in 1..=4 {
            assert!(waiters.join(shared("k"), waiter(id, &id.to_string())).is_none());
        }
        waiters.join(shared("other"), waiter(5, "1"));
        assert_eq!((waiters.total(), waiters.count(&place("k"))), (5, 4));
        assert!(waiters.leave(2).is_some());
        assert!(waiters.leave(2).is_none());
        assert_eq!(order(&mut waiters, "k"), [1, 3, 4]);
        assert_eq!(waiters.total(), 1);
    }

    #[test]
    fn an_owner_that_asks_again_keeps_its_place() {
        let mut waiters = Waiters::default();
        waiters.join(shared("k"), waiter(1, "a"));
        waiters.join(shared("k"), waiter(2, "b"));
        assert_eq!(waiters.join(shared("k"), waiter(3, "a")), Some(waiter(1, "a")));
        assert!(waiters.leave(1).is_none());
        assert_eq!(waiters.find(&place("k"), b"a").map(|waiter| waiter.id), Some(3));
        assert_eq!(order(&mut waiters, "k"), [3, 2]);
    }

    #[test]
    fn nothing_is_left_of_a_queue_that_empties() {
        let mut waiters = Waiters::default();
        waiters.join(shared("k"), waiter(1, "a"));
        assert_eq!(waiters.set_alarm(&place("k"), Some("ring")), Ok(None));
        assert_eq!(waiters.places(Some(0)).len(), 1);
        assert_eq!(waiters.places(Some(1)).len(), 0);
        assert_eq!(waiters.leave(1), Some((waiter(1, "a"), Some("ring"))));
        assert_eq!(waiters.places(None).len(), 0);
        assert_eq!(waiters.set_alarm(&place("k"), Some("ring")), Err(Some("ring")));
    }
}
