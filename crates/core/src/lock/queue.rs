//! Who waits for which lock: first in, first out.
//!
//! Data alone. Blocking clients, waking them and setting alarms is the module's; this says who is
//! next. Nothing of it is stored or replicated: a wait ends with its connection. Joining and leaving take the same time
//! however many wait.

use std::collections::HashMap;
use std::hash::{Hash, RandomState};
use std::sync::Arc;

use hashlink::LinkedHashMap;

use super::claim::Claim;
use crate::time::{Millis, Nanos};

/// One that waits, known by what the module knows it by, an `I`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter<I = u64> {
    /// Unique among all that wait.
    pub id: I,
    owner: Arc<[u8]>,
    lease: Millis,
    holders: usize,
    since_ms: u64,
    limit: Millis,
}

impl<I> Waiter<I> {
    /// One that waits for this claim from `now` on, for `limit` at the most; without limit if that is 0.
    pub fn new(id: I, claim: &Claim<'_>, now: Nanos, limit: Millis) -> Self {
        let Claim { owner, lease, holders } = *claim;
        Self { id, owner: owner.into(), lease, holders, since_ms: now.as_millis(), limit }
    }

    /// What it waits for.
    pub fn claim(&self) -> Claim<'_> {
        Claim { owner: &self.owner, lease: self.lease, holders: self.holders }
    }

    /// How long it has waited at `now`, in ms.
    pub fn waited_ms(&self, now: Nanos) -> u64 {
        now.as_millis().saturating_sub(self.since_ms)
    }

    /// How long it is going to wait at the most, in ms; `None` if it waits without limit.
    pub fn left_ms(&self, now: Nanos) -> Option<u64> {
        (self.limit != Millis::ZERO).then(|| self.limit.get().saturating_sub(self.waited_ms(now)))
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
struct Queue<W, I> {
    place: Arc<LockName>,
    /// By owner, in the order of their coming. Owners are chosen by clients: a hash that nobody can foresee.
    waiters: LinkedHashMap<Arc<[u8]>, Waiter<I>, RandomState>,
    watch: W,
}

/// All that wait, by key; and for each key what the module watches it with, a `W`.
#[derive(Debug)]
pub struct Waiters<W, I = u64> {
    queues: HashMap<Arc<LockName>, Queue<W, I>>,
    /// Where each stands: its key, and its owner there.
    stands: HashMap<I, (Arc<LockName>, Arc<[u8]>)>,
}

impl<W, I> Default for Waiters<W, I> {
    fn default() -> Self {
        Self { queues: HashMap::new(), stands: HashMap::new() }
    }
}

impl<W: Default, I: Copy + Eq + Hash> Waiters<W, I> {
    /// How many wait, for whatever key.
    pub fn total(&self) -> usize {
        self.stands.len()
    }

    /// How many wait for this key.
    pub fn count(&self, place: &LockName) -> usize {
        self.queues.get(place).map_or(0, |queue| queue.waiters.len())
    }

    /// Those that wait for this key, in the order of their coming.
    pub fn at(&self, place: &LockName) -> impl Iterator<Item = &Waiter<I>> {
        self.queues.get(place).into_iter().flat_map(|queue| queue.waiters.values())
    }

    /// The one that is next.
    pub fn head(&self, place: &LockName) -> Option<&Waiter<I>> {
        self.at(place).next()
    }

    /// The wait of this owner for this key.
    pub fn find(&self, place: &LockName, owner: &[u8]) -> Option<&Waiter<I>> {
        self.queues.get(place)?.waiters.get(owner)
    }

    /// Adds one at the end; or in the place of the wait of the same owner, which is returned.
    pub fn join(&mut self, place: Arc<LockName>, waiter: Waiter<I>) -> Option<Waiter<I>> {
        let queue = match self.queues.get_mut(&place) {
            Some(queue) => queue,
            None => {
                let queue = Queue {
                    place: Arc::clone(&place),
                    waiters: LinkedHashMap::default(),
                    watch: W::default(),
                };
                self.queues.entry(place).or_insert(queue)
            }
        };
        let owner = Arc::clone(&waiter.owner);
        self.stands.insert(waiter.id, (Arc::clone(&queue.place), Arc::clone(&owner)));
        let older = queue.waiters.replace(owner, waiter)?;
        self.stands.remove(&older.id);
        Some(older)
    }

    /// Takes one out, wherever it stands; `None` if it is out already. If it was the last that waited
    /// for its key, what watched the key is returned too, to be stopped: there is nobody left to watch it for.
    pub fn leave(&mut self, id: I) -> Option<(Waiter<I>, Option<W>)> {
        let (place, owner) = self.stands.remove(&id)?;
        let queue = self.queues.get_mut(&place)?;
        let waiter = queue.waiters.remove(&owner)?;
        let is_last = queue.waiters.is_empty();
        let watch = if is_last { self.queues.remove(&place).map(|queue| queue.watch) } else { None };
        Some((waiter, watch))
    }

    /// The key that one waits for.
    pub fn place(&self, id: I) -> Option<Arc<LockName>> {
        self.stands.get(&id).map(|(place, _)| Arc::clone(place))
    }

    /// The same place, shared with the queue, and what watches it; `None` if nobody waits for it.
    pub fn watch(&mut self, place: &LockName) -> Option<(&Arc<LockName>, &mut W)> {
        self.queues.get_mut(place).map(|queue| (&queue.place, &mut queue.watch))
    }

    /// The keys of one database that somebody waits for, and what watches each; of all with `None`.
    pub fn watches(&mut self, db: Option<i32>) -> impl Iterator<Item = (&Arc<LockName>, &mut W)> {
        let here = move |queue: &&mut Queue<W, I>| db.is_none_or(|db| queue.place.db == db);
        self.queues.values_mut().filter(here).map(|queue| (&queue.place, &mut queue.watch))
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
        let claim = Claim { owner: owner.as_bytes(), lease: Millis::new(1).unwrap(), holders: 1 };
        Waiter::new(id, &claim, Nanos(5_000_000), Millis::new(100 * id).unwrap())
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
        *waiters.watch(&place("k")).unwrap().1 = Some("alarm");
        assert_eq!(waiters.watches(Some(0)).count(), 1);
        assert_eq!(waiters.watches(Some(1)).count(), 0);
        assert_eq!(waiters.leave(1), Some((waiter(1, "a"), Some(Some("alarm")))));
        assert_eq!(waiters.watches(None).count(), 0);
        assert!(waiters.watch(&place("k")).is_none());
    }

    #[test]
    fn a_wait_tells_how_long_it_has_been_and_will_be() {
        let waiter = waiter(1, "a");
        assert_eq!((waiter.waited_ms(Nanos(35_000_000)), waiter.left_ms(Nanos(35_000_000))), (30, Some(70)));
        assert_eq!((waiter.waited_ms(Nanos(0)), waiter.left_ms(Nanos(0))), (0, Some(100)));
        assert_eq!(waiter.left_ms(Nanos(500_000_000)), Some(0));
        let claim = Claim { owner: b"b", lease: Millis::new(1).unwrap(), holders: 1 };
        assert_eq!(Waiter::new(2, &claim, Nanos(0), Millis::ZERO).left_ms(Nanos(1)), None);
    }
}
