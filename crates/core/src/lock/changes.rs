//! What has been done to a lock, so that replicas and the AOF need not be told the whole of it each time.

use super::holder::{Holder, Owner};

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
    out: Vec<Owner>,
    put: Vec<Owner>,
    ended: usize,
    /// The whole lock is to be told.
    whole: bool,
}

impl Changes {
    /// An owner is out of a lock that has so many holders now. Nothing is written down of a lock of one: that is as
    /// short as any change of it.
    pub(super) fn out(&mut self, owner: Owner, left: usize) {
        match left {
            0 | 1 => self.whole = true,
            _ => self.out.push(owner),
        }
    }

    /// The lease of an owner is new, or another, in a lock that has so many holders now.
    pub(super) fn put(&mut self, owner: &[u8], now: usize) {
        match now {
            0 | 1 => self.whole = true,
            _ => self.put.push(Owner::new(owner)),
        }
    }

    /// [`Self::out`], by itself.
    pub(super) fn ended(&mut self, owner: Owner, left: usize) {
        self.ended += 1;
        self.out(owner, left);
    }

    /// Leases are other than they were, not by anybody's call.
    pub(super) fn cut(&mut self) {
        self.whole = true;
    }

    /// How many of the owners that are out had let their leases end.
    pub fn count_ended(&self) -> usize {
        self.ended
    }

    /// Those who are out, then those put in, as they have to be told; `None` where the whole lock is told instead, which
    /// takes so many words: it is no longer than they are, or leases were cut.
    pub(super) fn told(&self, whole: usize) -> Option<(&[Owner], &[Owner])> {
        let words = 2 * self.out.len() + 5 * self.put.len();
        (!self.whole && words < whole).then_some((&self.out, &self.put))
    }
}
