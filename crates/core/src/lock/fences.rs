//! Where fencing tokens come from.

use crate::time::Nanos;

/// Fences are below this: exact in every client that reads numbers as doubles.
pub const FENCE_BOUND: u64 = 1 << 53;

/// How far ahead of this server's clock a fence may be that a client brings in, in µs: 35 years. Far enough for
/// every clock that is merely wrong, and near enough that nobody can use up the fences of a server.
pub const FOREIGN_LEAD: u64 = 1 << 50;

/// The clock counts up to here, the year 2184; from then on fences grow by one a grant. So above whatever a client
/// may bring in there are always 2^50 fences left for grants.
const CLOCK_BOUND: u64 = FENCE_BOUND - 2 * FOREIGN_LEAD;

/// Who brings a fence in that was given elsewhere, or before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An RDB file, an AOF, or the primary: whatever can have been granted.
    Server,
    /// A client with a payload in hand, by RESTORE or MIGRATE.
    Client,
}

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

    /// The next fence; `None` if no larger one is left below [`FENCE_BOUND`], which takes a forged file.
    pub fn next(&mut self, now: Nanos) -> Option<u64> {
        let next = clock(now).max(self.last + 1);
        if next >= FENCE_BOUND {
            return None;
        }
        self.last = next;
        Some(next)
    }

    /// Takes note of a fence that was given elsewhere. True if it is believed.
    ///
    /// Every fence that can be granted is believed of a server. Of a client one is, if it is no more than
    /// [`FOREIGN_LEAD`] ahead of the clock, or is not news: as that bound moves on with the clock, faster than anybody
    /// takes locks, what was granted on top of a fence at the bound can be brought in again too.
    pub fn raise(&mut self, fence: u64, source: Source, now: Nanos) -> bool {
        let bound = match source {
            Source::Server => FENCE_BOUND,
            Source::Client => (clock(now) + FOREIGN_LEAD).max(self.last + 1),
        };
        let believed = (1..bound).contains(&fence);
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

fn clock(now: Nanos) -> u64 {
    now.as_micros().min(CLOCK_BOUND)
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
        let first = fences.next(NOW).unwrap();
        assert_eq!(first, NOW.as_micros());
        assert_eq!(fences.next(NOW), Some(first + 1));
        assert_eq!(fences.next(Nanos(0)), Some(first + 2));
        assert_eq!(fences.ahead_of(NOW), Some(first + 2));
        assert_eq!(fences.ahead_of(at(1)), None);
        assert_eq!(fences.next(at(1)), Some(at(1).as_micros()));
        let in_2500 = Nanos(16_725_225_600_000_000_000);
        assert_eq!(fences.next(in_2500), Some(CLOCK_BOUND));
        assert_eq!(fences.next(in_2500), Some(CLOCK_BOUND + 1));
    }

    #[test]
    fn a_client_brings_in_no_fence_far_ahead_of_the_clock() {
        let mut fences = Fences::new();
        let bound = NOW.as_micros() + FOREIGN_LEAD;
        for broken in [0, bound, FENCE_BOUND - 1, FENCE_BOUND, u64::MAX] {
            assert!(!fences.raise(broken, Source::Client, NOW), "{broken}");
        }
        assert_eq!(fences, Fences::new());
        assert!(fences.raise(bound - 1, Source::Client, NOW));
        assert!(!fences.raise(bound, Source::Client, NOW));
        assert_eq!(fences.next(NOW), Some(bound));
        assert!(fences.raise(bound, Source::Client, NOW), "this server has given it");
        let mut another = Fences::new();
        assert!(another.raise(bound, Source::Client, at(1)), "a moment later, elsewhere");
    }

    #[test]
    fn whatever_was_granted_is_believed_of_a_server_and_the_last_is_the_end() {
        let mut fences = Fences::new();
        assert!(fences.raise(FENCE_BOUND - 2, Source::Server, NOW));
        assert_eq!(fences.next(NOW), Some(FENCE_BOUND - 1));
        assert!(Fences::new().raise(FENCE_BOUND - 1, Source::Server, NOW));
        assert_eq!(fences.next(NOW), None);
        assert!(!fences.raise(FENCE_BOUND, Source::Server, NOW));
        assert!(!fences.raise(0, Source::Server, NOW));
    }
}
