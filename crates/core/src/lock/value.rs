//! The stored value: a list of leases, changed by grant, extend and release.

use smallvec::SmallVec;

use super::changes::{Change, Changes};
use super::claim::{Claim, MAX_HOLDERS, Reply};
use super::holder::{Holder, Owner};
use super::holders::Holders;
use super::view::View;
use crate::time::{Millis, Nanos};

/// The stored value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    holders: Holders,
}

impl Lock {
    /// A lock with these leases; `None` if there are none, too many, or an owner twice.
    pub fn from_holders(holders: Vec<Holder>) -> Option<Self> {
        if holders.is_empty() || holders.len() > MAX_HOLDERS {
            return None;
        }
        let mut lock = Self::default();
        for holder in holders {
            if lock.holders.find(holder.owner()).is_some() {
                return None;
            }
            lock.holders.push(holder);
        }
        Some(lock)
    }

    /// All leases, ended ones too, in the order of the grants.
    pub fn holders(&self) -> impl DoubleEndedIterator<Item = &Holder> {
        self.holders.iter()
    }

    /// How many leases there are, ended ones too.
    pub fn len(&self) -> usize {
        self.holders.len()
    }

    /// Whether no lease is left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The list, for a server that moves memory to defragment it. `None` of a lock with so many holders that it is
    /// kept in search trees, whose blocks nobody else can move.
    pub fn list_mut(&mut self) -> Option<&mut SmallVec<[Holder; 1]>> {
        match &mut self.holders {
            Holders::Few(list) => Some(list),
            Holders::Many(_) => None,
        }
    }

    /// Bytes of heap behind the value.
    pub fn heap_bytes(&self) -> usize {
        let list = match &self.holders {
            Holders::Few(list) if list.spilled() => list.capacity() * size_of::<Holder>(),
            Holders::Few(_) => 0,
            Holders::Many(many) => many.heap_bytes(),
        };
        let long = self.holders().map(|holder| &holder.owner.0).filter(|owner| owner.spilled());
        list + long.map(SmallVec::capacity).sum::<usize>()
    }

    /// When the last lease ends, in unix ms: the key's expiry.
    pub fn expires_at_ms(&self) -> u64 {
        self.holders.last_deadline_ms()
    }

    /// The live leases at `now`, of a key that expires at `expiry_ms`, if it does.
    pub fn view(&self, now: Nanos, expiry_ms: Option<u64>) -> View<'_> {
        View::new(&self.holders, now, expiry_ms)
    }

    /// Drops the leases that have ended, and makes those that the key's expiry, or the longest time there is, cuts
    /// short say so. What comes before every other change.
    pub fn settle(&mut self, now: Nanos, expiry_ms: Option<u64>) -> Changes {
        let mut changes = Changes::default();
        let (now_ms, expiry_ms) = (now.as_millis(), expiry_ms.unwrap_or(u64::MAX));
        if self.holders.need_cut(now_ms, expiry_ms) {
            self.holders.cut(now_ms, expiry_ms);
            changes.cut();
        }
        while let Some(ended) = self.holders.pop_ended(now_ms) {
            changes.ended(ended.owner, self.len());
        }
        changes
    }

    /// Grants a claim that [`View::admits`], on a settled lock.
    pub fn grant(&mut self, claim: &Claim<'_>, now: Nanos, fence: u64, changes: &mut Changes) -> Reply {
        let acquired_ms = now.as_millis();
        let deadline_ms = acquired_ms + claim.lease.get();
        self.holders.push(Holder { owner: Owner::new(claim.owner), fence, deadline_ms, acquired_ms });
        changes.put(claim.owner, self.len());
        Reply::held(fence, claim.lease.get())
    }

    /// Sets what is left of the owner's lease, longer or shorter. On a settled lock; `None` if the
    /// owner holds nothing.
    pub fn extend(
        &mut self,
        owner: &[u8],
        lease: Millis,
        now: Nanos,
        changes: &mut Changes,
    ) -> Option<Reply> {
        let fence = self.holders.set_deadline(owner, now.as_millis() + lease.get())?;
        changes.put(owner, self.len());
        Some(Reply::held(fence, lease.get()))
    }

    /// Ends the owner's lease. On a settled lock; false if the owner holds nothing.
    pub fn release(&mut self, owner: &[u8], changes: &mut Changes) -> bool {
        let released = self.holders.remove(owner);
        released.map(|holder| changes.out(holder.owner, self.len())).is_some()
    }

    /// Does to this lock what was done to the one that the changes are told of. Doing it again changes nothing. False,
    /// and not all is done, if there would be too many holders.
    pub fn apply(&mut self, changes: Vec<Change>) -> bool {
        for change in changes {
            match change {
                Change::Out(owner) => drop(self.holders.remove(&owner)),
                Change::Put(holder) => {
                    if self.holders.find(holder.owner()).is_some() {
                        self.holders.replace(holder);
                    } else if self.len() < MAX_HOLDERS {
                        self.holders.push(holder);
                    } else {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// What was done to this lock, as it is told to others: the changes that lead another copy of it to what it is now,
    /// first all who are out, then those put in, so that both keep the same order. `None` where the whole lock is told
    /// instead.
    pub fn told<'a>(
        &'a self,
        changes: &'a Changes,
    ) -> Option<impl Iterator<Item = Change<&'a [u8], &'a Holder>>> {
        let (out, put) = changes.told(1 + 4 * self.len())?;
        let out = out.iter().map(|owner| Change::Out(&owner.0[..]));
        // One that was put in and is out again is told as out.
        let put = put.iter().filter_map(|owner| self.holders.find(&owner.0)).map(Change::Put);
        Some(out.chain(put))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::claim::NOBODY;
    use crate::lock::fences::FENCE_BOUND;
    use crate::lock::holder::MAX_OWNER_LEN;

    const NOW: Nanos = Nanos(1_000_000_000_000_000);

    fn at(ms: u64) -> Nanos {
        Nanos(NOW.0 + ms * 1_000_000)
    }

    fn claim(owner: &str, lease: u64, holders: usize) -> Claim<'_> {
        Claim { owner: owner.as_bytes(), lease: Millis::new(lease).unwrap(), holders }
    }

    fn lock(leases: &[(&str, u64)]) -> Lock {
        let mut lock = Lock::default();
        for (fence, (owner, lease)) in leases.iter().enumerate() {
            lock.grant(&claim(owner, *lease, 9), NOW, fence as u64 + 1, &mut Changes::default());
        }
        lock
    }

    #[test]
    fn a_lease_is_live_before_its_deadline_and_not_at_it() {
        let lock = lock(&[("a", 20)]);
        assert!(!lock.view(at(19), None).admits(1));
        assert!(lock.view(at(20), None).admits(1));
        assert_eq!(lock.view(at(20), None).refusal(1), Reply { held: 0, fence: 0, ms: NOBODY });
        assert!(lock.view(at(20), None).has_ended());
    }

    #[test]
    fn the_expiry_of_the_key_ends_a_lease_too_and_its_absence_ends_none_later() {
        let mut lock = lock(&[("a", 100), ("b", 10)]);
        let expiry = Some(at(50).as_millis());
        assert_eq!(lock.view(at(20), expiry).own(b"a"), Some(Reply { held: 0, fence: 1, ms: 30 }));
        assert!(lock.view(at(50), expiry).admits(1));
        assert_eq!(lock.settle(at(20), expiry).count_ended(), 1);
        assert_eq!(lock.expires_at_ms(), at(50).as_millis());
        assert!(lock.view(at(100), None).admits(1));
    }

    #[test]
    fn retry_is_when_fewer_than_n_hold() {
        let lock = lock(&[("a", 30), ("b", 10), ("c", 20)]);
        let view = lock.view(NOW, None);
        for (holders, ms) in [(1, 30), (2, 20), (3, 10), (4, 10)] {
            assert_eq!(view.refusal(holders), Reply { held: 0, fence: 3, ms }, "HOLDERS {holders}");
        }
        assert_eq!(view.not_yours(), Reply { held: 0, fence: 3, ms: 10 });
        assert!(view.admits(4) && !view.admits(3));
    }

    #[test]
    fn extend_sets_and_never_revives() {
        let mut lock = lock(&[("a", 3_600_000)]);
        let extend = |lock: &mut Lock, owner: &str, now| {
            lock.extend(owner.as_bytes(), Millis::new(60_000).unwrap(), now, &mut Changes::default())
        };
        assert_eq!(extend(&mut lock, "a", NOW), Some(Reply { held: 1, fence: 1, ms: 60_000 }));
        assert_eq!(extend(&mut lock, "b", NOW), None);
        lock.settle(at(60_000), None);
        assert_eq!(extend(&mut lock, "a", at(60_000)), None);
    }

    #[test]
    fn only_the_holder_releases() {
        let mut lock = lock(&[("a", 10), ("b", 10)]);
        let changes = &mut Changes::default();
        assert!(!lock.release(b"c", changes));
        assert!(lock.release(b"a", changes));
        assert!(!lock.release(b"a", changes));
        assert_eq!(lock.len(), 1);
    }

    #[test]
    fn stored_leases_are_checked() {
        let owner = [b'o'; MAX_OWNER_LEN + 1];
        assert!(Holder::new(&owner[1..], FENCE_BOUND - 1, 1, 1).is_some());
        assert!(Holder::new(&owner, 1, 1, 1).is_none());
        assert!(Holder::new(b"", 1, 1, 1).is_none());
        assert!(Holder::new(b"a", 0, 1, 1).is_none());
        assert!(Holder::new(b"a", FENCE_BOUND, 1, 1).is_none());
        assert!(Holder::new(b"a", 1, 1 << 53, 1).is_none());
        assert!(Holder::new(b"a", 1, 1, 1 << 53).is_none());
        let holder = |name: &str| Holder::new(name.as_bytes(), 1, 1, 1).unwrap();
        assert!(Lock::from_holders(vec![]).is_none());
        assert!(Lock::from_holders(vec![holder("a"), holder("b"), holder("a")]).is_none());
        assert!(Lock::from_holders(vec![holder("a"), holder("b")]).is_some());
        let many = |n: usize| (0..n).map(|i| holder(&i.to_string())).collect();
        assert!(Lock::from_holders(many(MAX_HOLDERS)).is_some());
        assert!(Lock::from_holders(many(MAX_HOLDERS + 1)).is_none());
    }

    #[test]
    fn a_lease_that_would_outlast_all_is_cut_to_what_it_was_given() {
        let mut lock = Lock::default();
        let in_2100 = Nanos(4_102_444_800_000_000_000);
        lock.grant(&claim("a", 60_000, 1), in_2100, 1, &mut Changes::default());
        assert!(lock.view(NOW, None).outlasts_all());
        assert_eq!(lock.view(NOW, None).own(b"a"), Some(Reply { held: 0, fence: 1, ms: 60_000 }));
        lock.settle(NOW, None);
        assert!(!lock.view(NOW, None).outlasts_all());
        assert!(lock.view(at(60_000), None).admits(1));
        assert!(!lock.view(at(59_999), None).admits(1));
    }

    /// What a copy is told of a lock of many, in a few words a call, leads it to the same.
    #[test]
    fn many_holders_are_told_one_by_one() {
        let (mut lock, mut copy) = (Lock::default(), Lock::default());
        let mut tell = |lock: &Lock, changes: &Changes| {
            let Some(told) = lock.told(changes) else {
                copy = lock.clone();
                return usize::MAX;
            };
            let told: Vec<Change> = told
                .map(|change| match change {
                    Change::Out(owner) => Change::Out(owner.into()),
                    Change::Put(holder) => Change::Put(holder.clone()),
                })
                .collect();
            assert!(copy.apply(told.clone()) && copy.apply(told.clone()));
            assert_eq!(&copy, lock);
            told.len()
        };
        for n in 0..1000_u64 {
            let mut changes = lock.settle(at(n), None);
            lock.grant(&claim(&n.to_string(), 10_000 - n, 1024), at(n), n + 1, &mut changes);
            let told = tell(&lock, &changes);
            assert!(told == 1 || n < 2, "{n}: {told}");
        }
        assert_eq!(lock.view(at(2000), None).count(), 1000);
        let mut changes = lock.settle(at(2000), None);
        assert!(lock.release(b"500", &mut changes));
        lock.grant(&claim("500", 1, 1024), at(2000), 2000, &mut changes);
        lock.extend(b"7", Millis::new(1).unwrap(), at(2000), &mut changes);
        assert_eq!(tell(&lock, &changes), 3);
        let changes = lock.settle(at(2001), None);
        assert_eq!(changes.count_ended(), 2);
        assert_eq!(tell(&lock, &changes), 2);
        assert_eq!(lock.holders().map(Holder::fence).next_back(), Some(1000));
    }
}
