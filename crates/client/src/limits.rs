//! The limits of one call, in order.

use std::fmt;
use std::hash::{Hash, Hasher};

use sluice_core::limit::call::{Clauses, MAX_CLAUSES};

use crate::limit::{Limit, LimitError};

/// From 1 to 8 limits on one key: a call is granted by all of them, or takes nothing of any.
///
/// The server knows a key by the limits of all its callers. Each call is held to its own limits and
/// counts in those of the others, so limits can change under running callers, and their order does not
/// matter. Those at the same place, here and there, count the same: requests with requests, tokens with
/// tokens.
///
/// Make one with [`Limit::and`], or from a single [`Limit`], a slice, or a text such as
/// `10/s, 1000/1d:align=0`:
///
/// ```
/// use sluice_client::{Limit, Limits};
///
/// const USER: Limits = Limit::per_second(10).and(Limit::per_hour(1000));
/// let configured = [Limit::per_second(10), Limit::per_hour(1000)];
/// assert_eq!(Limits::try_from(&configured[..]), Ok(USER));
/// ```
#[derive(Clone, Copy)]
pub struct Limits {
    /// The limits, and behind them copies that only fill the space.
    limits: [Limit; MAX_CLAUSES],
    len: usize,
}

impl Limits {
    /// How many limits a key can have.
    pub const MAX: usize = MAX_CLAUSES;

    /// One limit.
    pub const fn one(limit: Limit) -> Self {
        Self { limits: [limit; MAX_CLAUSES], len: 1 }
    }

    /// These limits and one more.
    ///
    /// # Panics
    /// If there are eight already; a compile error in a constant. See [`Self::try_and`].
    #[must_use]
    #[allow(clippy::panic, reason = "for constants; try_and is there for what is not one")]
    pub const fn and(self, limit: Limit) -> Self {
        match self.try_and(limit) {
            Ok(limits) => limits,
            Err(error) => panic!("{}", error.text()),
        }
    }

    /// As [`Self::and`], for lists whose length is not known when the program is written.
    pub const fn try_and(mut self, limit: Limit) -> Result<Self, LimitError> {
        let (_, rest) = self.limits.split_at_mut(self.len);
        match rest.first_mut() {
            Some(place) => *place = limit,
            None => return Err(LimitError::Clauses),
        }
        self.len += 1;
        Ok(self)
    }

    /// The limits, in order.
    pub const fn as_slice(&self) -> &[Limit] {
        self.limits.split_at(self.len).0
    }

    /// The same limits, of which the call takes these costs, in order. Missing costs are 0.
    pub fn with_costs(mut self, costs: &[u64]) -> Result<Self, LimitError> {
        if costs.len() > self.len {
            return Err(LimitError::Clauses);
        }
        let costs = costs.iter().copied().chain(std::iter::repeat(0));
        for (limit, cost) in self.limits.iter_mut().take(self.len).zip(costs) {
            *limit = limit.try_cost(cost)?;
        }
        Ok(self)
    }

    pub(crate) fn clauses(&self) -> Clauses {
        self.as_slice().iter().map(Limit::clause).collect()
    }
}

// Here and not beside the rest of `Limit`, which knows nothing of lists.
impl Limit {
    /// Both limits in one call, which is granted by both or takes nothing of either.
    ///
    /// ```
    /// use sluice_client::{Limit, Limits};
    /// const LLM: Limits = Limit::per_minute(60).and(Limit::per_minute(90_000).cost(1500));
    /// ```
    pub const fn and(self, other: Self) -> Limits {
        Limits::one(self).and(other)
    }
}

impl From<Limit> for Limits {
    fn from(limit: Limit) -> Self {
        Self::one(limit)
    }
}

impl From<&Limits> for Limits {
    fn from(limits: &Limits) -> Self {
        *limits
    }
}

impl TryFrom<&[Limit]> for Limits {
    type Error = LimitError;

    fn try_from(limits: &[Limit]) -> Result<Self, LimitError> {
        let (first, rest) = limits.split_first().ok_or(LimitError::Clauses)?;
        rest.iter().try_fold(Self::one(*first), |limits, limit| limits.try_and(*limit))
    }
}

impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Limits {}

impl Hash for Limits {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_one_to_eight() {
        let limits = [Limit::per_second(1); 9];
        assert_eq!(Limits::try_from(&limits[..0]), Err(LimitError::Clauses));
        assert_eq!(Limits::try_from(&limits[..8]).unwrap().as_slice(), &limits[..8]);
        assert_eq!(Limits::try_from(&limits[..9]), Err(LimitError::Clauses));
        assert!(LimitError::Clauses.to_string().ends_with(&format!("from 1 to {} limits", Limits::MAX)));
    }

    #[test]
    fn equality_sees_the_limits_and_nothing_behind_them() {
        let (a, b) = (Limit::per_second(1), Limit::per_hour(2));
        assert_eq!(a.and(b), Limits::one(a).and(b));
        assert_ne!(a.and(b), b.and(a));
        assert_ne!(a.and(b), a.and(b.cost(2)));
        assert_eq!(a.and(b).with_costs(&[5]), Ok(a.cost(5).and(b.cost(0))));
    }
}
