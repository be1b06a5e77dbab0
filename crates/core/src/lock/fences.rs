//! Where fencing tokens come from.

use crate::time::Nanos;

/// Fences are below this: exact in every client that reads numbers as doubles.
pub const FENCE_BOUND: u64 = 1 << 53;

/// Fences that come from elsewhere are below this, about the year 2219 in µs. One broken value just
/// under [`FENCE_BOUND`] would use up all fences for good; so 2^50 of them are kept for grants.
pub const LOADED_FENCE_BOUND: u64 = FENCE_BOUND - (1 << 50);

/// The clock counts up to here, the year 2184; from then on fences grow by one a grant. So every
/// fence that is given can be loaded again.
const CLOCK_BOUND: u64 = LOADED_FENCE_BOUND - (1 << 50);

/// The source of fencing tokens: `max(now in unix µs, last + 1)`, so every one is larger than all
/// before it, whatever was deleted, flushed or restarted in between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fences {
    last: u64,
}

impl Fences {
    /// No fence given yet.
    pub const fn new() -> Self {
        Self { last: 0 }
    }

    /// The next fence.
    pub fn next(&mut self, now: Nanos) -> u64 {
        self.last = now.as_micros().min(CLOCK_BOUND).max(self.last + 1);
        self.last
    }

    /// Takes note of a fence that was given elsewhere: by the primary, or before a restart. True
    /// if it is believed: from 1 to below [`LOADED_FENCE_BOUND`].
    pub fn raise(&mut self, fence: u64) -> bool {
        let believed = (1..LOADED_FENCE_BOUND).contains(&fence);
        if believed {
            self.last = self.last.max(fence);
        }
        believed
    }

    /// The last fence, if the clock has not caught up with it: what has to survive a restart.
    pub fn ahead_of(&self, now: Nanos) -> Option<u64> {
        (self.last > now.as_micros()).then_some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos(1_000_000_000_000_000);

    fn at(ms: u64) -> Nanos {
        Nanos(NOW.0 + ms * 1_000_000)
    }

    #[test]
    fn fences_grow_whatever_the_clock_does() {
        let mut fences = Fences::new();
        let first = fences.next(NOW);
        assert_eq!(first, NOW.as_micros());
        assert_eq!(fences.next(NOW), first + 1);
        assert_eq!(fences.next(Nanos(0)), first + 2);
        assert_eq!(fences.ahead_of(NOW), Some(first + 2));
        assert_eq!(fences.ahead_of(at(1)), None);
        assert_eq!(fences.next(at(1)), at(1).as_micros());
        let in_2500 = Nanos(16_725_225_600_000_000_000);
        assert_eq!(fences.next(in_2500), CLOCK_BOUND);
        assert_eq!(fences.next(in_2500), CLOCK_BOUND + 1);
    }

    #[test]
    fn a_fence_from_elsewhere_raises_unless_it_would_use_all_up() {
        let mut fences = Fences::new();
        assert!(fences.raise(5));
        assert!(fences.raise(LOADED_FENCE_BOUND - 1));
        assert_eq!(fences.next(NOW), LOADED_FENCE_BOUND);
        let before = fences;
        for broken in [0, LOADED_FENCE_BOUND, FENCE_BOUND - 1, FENCE_BOUND, u64::MAX] {
            assert!(!fences.raise(broken), "{broken}");
        }
        assert_eq!(fences, before);
    }
}
