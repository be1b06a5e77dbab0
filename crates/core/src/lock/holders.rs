//! The leases of one lock, in the order of the grants, no owner twice.
//!
//! Nearly every lock has one holder, and a list of one is all it takes. A semaphore of many is kept with an index by
//! owner and one by deadline, so that a call on it does not look at every holder.

use std::collections::BTreeMap;
use std::hash::RandomState;

use hashlink::LinkedHashMap;
use smallvec::SmallVec;

use super::holder::Holder;
use crate::time::MAX_MS;

/// Up to so many are a plain list.
const FEW: usize = 8;

#[derive(Debug, Clone)]
pub(super) enum Holders {
    Few(SmallVec<[Holder; 1]>),
    Many(Box<Many>),
}

/// More than a few.
#[derive(Debug, Clone, Default)]
pub(super) struct Many {
    /// By owner, in the order of the grants; each with its number in that order. Owners are chosen by clients: a hash
    /// that nobody can foresee.
    by_owner: LinkedHashMap<Box<[u8]>, (u64, Holder), RandomState>,
    /// The owners by deadline; those with the same one by their numbers.
    by_deadline: BTreeMap<(u64, u64), Box<[u8]>>,
    /// The number of the newest.
    last: u64,
}

impl Default for Holders {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl PartialEq for Holders {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Holders {}

impl Holders {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(list) => list.len(),
            Self::Many(many) => many.by_owner.len(),
        }
    }

    /// All of them, if they are few: what nearly every lock is asked by.
    #[inline]
    pub(super) fn few(&self) -> Option<&[Holder]> {
        match self {
            Self::Few(list) => Some(list),
            Self::Many(_) => None,
        }
    }

    /// In the order of the grants.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Holder> {
        let (few, many) = match self {
            Self::Few(list) => (Some(list), None),
            Self::Many(many) => (None, Some(many)),
        };
        let many = many.into_iter().flat_map(|many| many.by_owner.values().map(|(_, holder)| holder));
        few.into_iter().flatten().chain(many)
    }

    pub(super) fn find(&self, owner: &[u8]) -> Option<&Holder> {
        match self {
            Self::Few(list) => list.iter().find(|holder| holder.owner() == owner),
            Self::Many(many) => many.by_owner.get(owner).map(|(_, holder)| holder),
        }
    }

    /// Adds one at the end, whose owner is not among them.
    pub(super) fn push(&mut self, holder: Holder) {
        match self {
            Self::Few(list) if list.len() < FEW => list.push(holder),
            Self::Few(list) => {
                let mut many = Box::<Many>::default();
                std::mem::take(list).into_iter().chain([holder]).for_each(|holder| many.push(holder));
                *self = Self::Many(many);
            }
            Self::Many(many) => many.push(holder),
        }
    }

    /// Gives the lease of an owner another deadline; its fence, or `None` if it has none.
    pub(super) fn set_deadline(&mut self, owner: &[u8], deadline_ms: u64) -> Option<u64> {
        match self {
            Self::Few(list) => {
                let holder = list.iter_mut().find(|holder| holder.owner() == owner)?;
                holder.deadline_ms = deadline_ms;
                Some(holder.fence)
            }
            Self::Many(many) => {
                let (_, holder) = many.by_owner.get(owner)?;
                let holder = Holder { deadline_ms, ..holder.clone() };
                let fence = holder.fence;
                many.replace(holder).then_some(fence)
            }
        }
    }

    /// Puts one in the place of its owner's; false if that has none.
    pub(super) fn replace(&mut self, holder: Holder) -> bool {
        let place = match self {
            Self::Few(list) => list.iter_mut().find(|older| older.owner() == holder.owner()),
            Self::Many(many) => return many.replace(holder),
        };
        place.map(|older| *older = holder).is_some()
    }

    pub(super) fn remove(&mut self, owner: &[u8]) -> Option<Holder> {
        match self {
            Self::Few(list) => {
                let at = list.iter().position(|holder| holder.owner() == owner)?;
                Some(list.remove(at))
            }
            Self::Many(many) => many.remove(owner),
        }
    }

    /// Takes out one that ends at `now_ms` or before, if there is one.
    pub(super) fn pop_ended(&mut self, now_ms: u64) -> Option<Holder> {
        match self {
            Self::Few(list) => {
                let at = list.iter().position(|holder| holder.deadline_ms <= now_ms)?;
                Some(list.remove(at))
            }
            Self::Many(many) => {
                let (&(deadline_ms, _), owner) = many.by_deadline.first_key_value()?;
                let owner = (deadline_ms <= now_ms).then(|| owner.clone())?;
                many.remove(&owner)
            }
        }
    }

    /// The latest deadline, in unix ms; 0 without any.
    pub(super) fn last_deadline_ms(&self) -> u64 {
        match self {
            Self::Few(list) => list.iter().map(Holder::deadline_ms).max().unwrap_or(0),
            Self::Many(many) => {
                many.by_deadline.last_key_value().map_or(0, |((deadline_ms, _), _)| *deadline_ms)
            }
        }
    }

    /// Whether any says an end that does not hold at this time: see [`Holder::end_ms`].
    pub(super) fn need_cut(&self, now_ms: u64, expiry_ms: u64) -> bool {
        match self {
            Self::Few(list) => {
                list.iter().any(|holder| holder.end_ms(now_ms, expiry_ms) != holder.deadline_ms)
            }
            Self::Many(_) => {
                let last_ms = self.last_deadline_ms();
                expiry_ms < last_ms || last_ms.saturating_sub(now_ms) > MAX_MS
            }
        }
    }

    /// Makes every one say the end that holds.
    pub(super) fn cut(&mut self, now_ms: u64, expiry_ms: u64) {
        for holder in std::mem::take(self).into_iter() {
            self.push(holder.cut(now_ms, expiry_ms));
        }
    }

    /// The deadlines behind `now_ms`, ascending, of many; `None` of few, who are counted one by one.
    pub(super) fn deadlines_behind(&self, now_ms: u64) -> Option<Deadlines<'_>> {
        let Self::Many(many) = self else { return None };
        let ended = many.by_deadline.range(..=(now_ms, u64::MAX)).count();
        Some(Deadlines { many, now_ms, len: many.by_deadline.len() - ended })
    }

    fn into_iter(self) -> impl Iterator<Item = Holder> {
        let (few, many) = match self {
            Self::Few(list) => (list, None),
            Self::Many(many) => (SmallVec::new(), Some(many)),
        };
        let many = many.into_iter().flat_map(|many| many.by_owner.into_iter().map(|(_, (_, holder))| holder));
        few.into_iter().chain(many)
    }
}

/// See [`Holders::deadlines_behind`].
pub(super) struct Deadlines<'a> {
    many: &'a Many,
    now_ms: u64,
    len: usize,
}

impl Deadlines<'_> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The one that so many are before.
    pub(super) fn nth(&self, n: usize) -> Option<u64> {
        let mut behind = self.many.by_deadline.range((self.now_ms, u64::MAX)..);
        behind.nth(n).map(|((deadline_ms, _), _)| *deadline_ms)
    }
}

impl Many {
    fn push(&mut self, holder: Holder) {
        self.last += 1;
        let owner: Box<[u8]> = holder.owner().into();
        self.index(self.last, &holder);
        self.by_owner.insert(owner, (self.last, holder));
    }

    fn replace(&mut self, holder: Holder) -> bool {
        let Some((number, place)) = self.by_owner.get_mut(holder.owner()) else { return false };
        let number = *number;
        let older = std::mem::replace(place, holder.clone());
        self.by_deadline.remove(&(older.deadline_ms, number));
        self.index(number, &holder);
        true
    }

    fn remove(&mut self, owner: &[u8]) -> Option<Holder> {
        let (number, holder) = self.by_owner.remove(owner)?;
        self.by_deadline.remove(&(holder.deadline_ms, number));
        Some(holder)
    }

    fn index(&mut self, number: u64, holder: &Holder) {
        self.by_deadline.insert((holder.deadline_ms, number), holder.owner().into());
    }

    /// Bytes of heap behind it, as far as the two indexes can be told: what they hold, and what a place costs.
    pub(super) fn heap_bytes(&self) -> usize {
        let place = 4 * size_of::<usize>();
        let each = 2 * place + size_of::<(u64, Holder)>() + size_of::<((u64, u64), Box<[u8]>)>();
        let owners: usize = self.by_owner.keys().map(|owner| 2 * owner.len()).sum();
        size_of::<Self>() + self.by_owner.len() * each + owners
    }
}
