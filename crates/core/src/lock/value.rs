//! The stored value: a list of leases, changed by grant, extend and release.

use smallvec::SmallVec;

use super::claim::{Claim, MAX_HOLDERS, Reply};
use super::holder::{Holder, Owner};
use super::view::View;
use crate::time::{Millis, Nanos};

/// The stored value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// In the order of the grants; no owner twice.
    holders: SmallVec<[Holder; 1]>,
}

impl Lock {
    /// A lock with these leases; `None` if there are none, too many, or an owner twice.
    pub fn from_holders(holders: Vec<Holder>) -> Option<Self> {
        if holders.is_empty() || holders.len() > MAX_HOLDERS {
            return None;
        }
        let mut owners: Vec<_> = holders.iter().map(Holder::owner).collect();
        owners.sort_unstable();
        let twice = owners.windows(2).any(|pair| pair.first() == pair.last());
        (!twice).then(|| Self { holders: holders.into_iter().collect() })
    }

    /// All leases, ended ones too.
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// The list, for a server that moves memory to defragment it.
    pub fn holders_mut(&mut self) -> &mut SmallVec<[Holder; 1]> {
        &mut self.holders
    }

    /// Bytes of heap behind the value.
    pub fn heap_bytes(&self) -> usize {
        let list = if self.holders.spilled() { self.holders.capacity() * size_of::<Holder>() } else { 0 };
        let long = self.holders.iter().map(|holder| &holder.owner.0).filter(|owner| owner.spilled());
        list + long.map(SmallVec::capacity).sum::<usize>()
    }

    /// Whether no lease is left.
    pub fn is_empty(&self) -> bool {
        self.holders.is_empty()
    }

    /// When the last lease ends, in unix ms: the key's expiry.
    pub fn expires_at_ms(&self) -> u64 {
        self.holders.iter().map(Holder::deadline_ms).max().unwrap_or(0)
    }

    /// The newest fence, 0 without leases.
    pub fn newest_fence(&self) -> u64 {
        self.holders.iter().map(Holder::fence).max().unwrap_or(0)
    }

    /// The live leases at `now`, of a key that expires at `expiry_ms`, if it does.
    pub fn view(&self, now: Nanos, expiry_ms: Option<u64>) -> View<'_> {
        View::new(&self.holders, now, expiry_ms)
    }

    /// Drops the leases that have ended, and makes those that the key's expiry cuts short say so.
    /// Returns how many had ended.
    pub fn settle(&mut self, now: Nanos, expiry_ms: Option<u64>) -> usize {
        let before = self.holders.len();
        let now_ms = now.as_millis();
        for holder in &mut self.holders {
            holder.deadline_ms = holder.deadline_ms.min(expiry_ms.unwrap_or(u64::MAX));
        }
        self.holders.retain(|holder| now_ms < holder.deadline_ms);
        before - self.holders.len()
    }

    /// Grants a claim that [`View::admits`], on a settled lock.
    pub fn grant(&mut self, claim: &Claim<'_>, now: Nanos, fence: u64) -> Reply {
        let acquired_ms = now.as_millis();
        let deadline_ms = acquired_ms + claim.lease.get();
        self.holders.push(Holder { owner: Owner::new(claim.owner), fence, deadline_ms, acquired_ms });
        Reply::held(fence, claim.lease.get())
    }

    /// Sets what is left of the owner's lease, longer or shorter. On a settled lock; `None` if the
    /// owner holds nothing.
    pub fn extend(&mut self, owner: &[u8], lease: Millis, now: Nanos) -> Option<Reply> {
        let holder = self.holders.iter_mut().find(|holder| holder.owner() == owner)?;
        holder.deadline_ms = now.as_millis() + lease.get();
        Some(Reply::held(holder.fence, lease.get()))
    }

    /// Ends the owner's lease. On a settled lock; false if the owner holds nothing.
    pub fn release(&mut self, owner: &[u8]) -> bool {
        let before = self.holders.len();
        self.holders.retain(|holder| holder.owner() != owner);
        self.holders.len() < before
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
            lock.grant(&claim(owner, *lease, 9), NOW, fence as u64 + 1);
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
        assert_eq!(lock.settle(at(20), expiry), 1);
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
        let minute = Millis::new(60_000).unwrap();
        assert_eq!(lock.extend(b"a", minute, NOW), Some(Reply { held: 1, fence: 1, ms: 60_000 }));
        assert_eq!(lock.extend(b"b", minute, NOW), None);
        lock.settle(at(60_000), None);
        assert_eq!(lock.extend(b"a", minute, at(60_000)), None);
    }

    #[test]
    fn only_the_holder_releases() {
        let mut lock = lock(&[("a", 10), ("b", 10)]);
        assert!(!lock.release(b"c"));
        assert!(lock.release(b"a"));
        assert!(!lock.release(b"a"));
        assert_eq!(lock.holders().len(), 1);
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
}
