//! What has been done to a lock, so that replicas and the AOF need not be told the whole of it each time.

use smallvec::SmallVec;

use super::holder::{Holder, Owner};
use super::value::Lock;

/// One change, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<O = Box<[u8]>, H = Holder> {
    /// This owner holds nothing any more.
    Out(O),
    /// This lease is added, or replaces its owner's.
    Put(H),
}

impl Change {
    /// The lease that it brings.
    pub fn holder(&self) -> Option<&Holder> {
        match self {
            Self::Put(holder) => Some(holder),
            Self::Out(_) => None,
        }
    }
}

/// What has been done to a lock since it was last told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    out: SmallVec<[Owner; 1]>,
    put: SmallVec<[Owner; 1]>,
    ended: usize,
    cut: bool,
}

impl Changes {
    pub(super) fn out(&mut self, owner: Owner) {
        self.out.push(owner);
    }

    pub(super) fn put(&mut self, owner: Owner) {
        self.put.push(owner);
    }

    pub(super) fn ended(&mut self, owner: Owner) {
        self.ended += 1;
        self.out.push(owner);
    }

    pub(super) fn cut(&mut self) {
        self.cut = true;
    }

    /// How many of the owners that are out had let their leases end.
    pub fn count_ended(&self) -> usize {
        self.ended
    }

    /// The changes that lead another copy of the lock to what `lock` is now: first all who are out, then those put in,
    /// so that both keep the same order. `None` where the whole lock is told instead: it is no longer than they are, or
    /// leases were cut.
    pub fn told<'a>(&'a self, lock: &'a Lock) -> Option<impl Iterator<Item = Change<&'a [u8], &'a Holder>>> {
        let words = 2 * self.out.len() + 5 * self.put.len();
        let whole = 1 + 4 * lock.len();
        let out = self.out.iter().map(|owner| Change::Out(&owner.0[..]));
        // One that was put in and is out again is told as out; the last that was put in its place is told once or more.
        let put = self.put.iter().filter_map(|owner| lock.find(&owner.0)).map(Change::Put);
        (!self.cut && words < whole).then(|| out.chain(put))
    }
}
