//! Who waits for one key and limits in this process, and at which times they may go.
//!
//! The server grants each caller a *turn*: a time at which it may go ahead. Kept here are two lists as
//! long as each other: the turns in the order of time, and the waiters in the order in which they go.
//! The first waiter goes at the first turn, the second at the second, and so on. So when a waiter hangs
//! up, the *last* turn is taken out, and everybody behind the one who left has moved up:
//!
//! ```text
//! turns      1 s   2 s   3 s   4 s
//! waiters    A     B     C     D         B hangs up
//!
//! turns      1 s   2 s   3 s             nobody here needs the turn at 4 s: it is given back
//! waiters    A     C     D
//! ```
//!
//! A newcomer stands behind as many waiters as there are turns earlier than its own. Only the turns in
//! the list count, not those that the waiters were granted once. In the example D was granted 4 s but
//! goes at 3 s; the server may grant the turn at 4 s again, to E, and that E goes after D even if the
//! answer took a different time and E's turn comes out as 3.99 s.
//!
//! Nobody ever goes later than the turn they were granted, because waiters only move up. So a waiter
//! whose own turn has come may go without looking at the lists.

use std::collections::{BTreeSet, VecDeque};
use std::time::SystemTime;

use tokio::time::Instant;

/// A time at which somebody has been told to go ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    /// When it is due, on this process's clock.
    pub(super) due: Instant,
    /// Tells turns of one instant apart: who was granted one first has the smaller number.
    pub(super) number: u64,
    /// When it was due by the clock of whoever granted it: its name, to give it back by. `None` of a
    /// server that does not tell.
    pub(super) act_at: Option<SystemTime>,
    /// When it was asked for. Holds that were set before that are in `act_at` already.
    pub(super) asked: Instant,
    /// When it was last asked about. Holds that were set before that are in `due` already.
    pub(super) told: Instant,
}

/// The turns of one key and limits, with a `W` for each that waits.
pub(super) struct Turns<W> {
    turns: BTreeSet<Turn>,
    /// In the order in which they go, each with the number of the turn that it was granted.
    waiters: VecDeque<(u64, W)>,
}

impl<W> Turns<W> {
    pub(super) const fn new() -> Self {
        Self { turns: BTreeSet::new(), waiters: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// A waiter comes, with the turn that it was granted.
    pub(super) fn join(&mut self, turn: Turn, waiter: W) {
        let behind = self.turns.range(turn..).count();
        self.turns.insert(turn);
        self.waiters.insert(self.waiters.len().saturating_sub(behind), (turn.number, waiter));
    }

    /// Takes out those whose time has come, the first of them first, each with the turn that it uses.
    pub(super) fn next(&mut self, now: Instant) -> Option<(W, Turn)> {
        self.turns.first().filter(|turn| turn.due <= now)?;
        let turn = self.turns.pop_first()?;
        self.waiters.pop_front().map(|(_, waiter)| (waiter, turn))
    }

    /// When the first turn is due.
    pub(super) fn first(&self) -> Option<Instant> {
        self.turns.first().map(|turn| turn.due)
    }

    /// When the last turn is due.
    pub(super) fn last(&self) -> Option<Instant> {
        self.turns.last().map(|turn| turn.due)
    }

    /// A turn that was given up could not be given back, so it can be used here. If anybody here is to go
    /// later than that, all of those move up, and the last turn is free. `None` if nobody is.
    pub(super) fn move_up(&mut self, turn: Turn) -> Option<Turn> {
        if self.turns.last().is_none_or(|last| *last <= turn) {
            return None;
        }
        self.turns.insert(turn);
        self.turns.pop_last()
    }

    /// A waiter leaves, and the last turn is free: nobody here has a use for it. `None` if the time of
    /// the waiter has come already: then there is nothing to give up. Call [`Self::next`] first.
    pub(super) fn leave(&mut self, waiter: Turn) -> Option<Turn> {
        // A waiter is a few bytes: reading over thousands takes less than the command that gives the turn back.
        let place = self.waiters.iter().position(|(number, _)| *number == waiter.number)?;
        self.waiters.remove(place);
        self.turns.pop_last()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn turn(due: Instant, number: u64) -> Turn {
        Turn { due, number, act_at: Some(UNIX_EPOCH), asked: due, told: due }
    }

    /// Four who wait, at 1, 2, 3 and 4 s.
    fn four(start: Instant) -> Turns<u64> {
        let mut turns = Turns::new();
        for n in 1..=4 {
            turns.join(turn(at(start, n), n), n);
        }
        turns
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// Which turn is free when the waiter leaves who came with this one.
    fn leave(turns: &mut Turns<u64>, start: Instant, n: u64) -> Option<u64> {
        turns.leave(turn(at(start, n), n)).map(|turn| turn.number)
    }

    fn due(turns: &mut Turns<u64>, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| turns.next(now)).map(|(waiter, _)| waiter).collect()
    }

    #[test]
    fn everybody_goes_at_their_time() {
        let start = Instant::now();
        let mut turns = four(start);
        assert_eq!(due(&mut turns, start), []);
        assert_eq!(due(&mut turns, at(start, 1)), [1]);
        assert_eq!(due(&mut turns, at(start, 3)), [2, 3]);
        assert_eq!(due(&mut turns, at(start, 9)), [4]);
        assert!(turns.is_empty());
    }

    #[test]
    fn whoever_moved_up_uses_the_turn_of_the_one_ahead() {
        let start = Instant::now();
        let mut turns = four(start);
        assert!(leave(&mut turns, start, 1).is_some());
        assert_eq!(turns.next(at(start, 1)), Some((2, turn(at(start, 1), 1))));
    }

    #[test]
    fn all_behind_one_who_leaves_move_up_and_the_last_turn_is_free() {
        let start = Instant::now();
        let mut turns = four(start);
        let freed = leave(&mut turns, start, 2);
        assert_eq!(freed, Some(4));
        assert_eq!(turns.first(), Some(at(start, 1)));
        assert_eq!(due(&mut turns, at(start, 1)), [1]);
        assert_eq!(due(&mut turns, at(start, 2)), [3]);
        assert_eq!(due(&mut turns, at(start, 3)), [4]);
    }

    #[test]
    fn the_last_who_leaves_frees_their_own_turn() {
        let start = Instant::now();
        let mut turns = four(start);
        let freed = leave(&mut turns, start, 4);
        assert_eq!(freed, Some(4));
        for n in [1, 2, 3] {
            assert!(leave(&mut turns, start, n).is_some());
        }
        assert!(turns.is_empty() && turns.turns.is_empty());
    }

    #[test]
    fn who_has_gone_has_nothing_to_give_up() {
        let start = Instant::now();
        let mut turns = four(start);
        assert_eq!(due(&mut turns, at(start, 1)), [1]);
        assert_eq!(leave(&mut turns, start, 1), None);
        assert_eq!(due(&mut turns, at(start, 2)), [2]);
    }

    #[test]
    fn whoever_comes_later_stands_behind_those_who_moved_up() {
        let start = Instant::now();
        let mut turns = four(start);
        assert_eq!(leave(&mut turns, start, 1), Some(4));
        assert_eq!(leave(&mut turns, start, 2), Some(3));
        // The turns at 3 and 4 s were given back, and come again, a moment earlier by other latencies;
        // the answers are read the wrong way round.
        let moment = Duration::from_millis(1);
        turns.join(turn(at(start, 4) - moment, 6), 6);
        turns.join(turn(at(start, 3) - moment, 5), 5);
        assert_eq!(due(&mut turns, at(start, 1)), [3]);
        assert_eq!(due(&mut turns, at(start, 2)), [4]);
        assert_eq!(due(&mut turns, at(start, 3)), [5]);
        assert_eq!(due(&mut turns, at(start, 4)), [6]);
        assert!(turns.is_empty());
    }

    #[test]
    fn a_turn_that_was_kept_moves_those_up_who_stand_behind_it() {
        let start = Instant::now();
        let mut turns = four(start);
        assert_eq!(turns.move_up(turn(at(start, 5), 5)), None);
        let early = turn(start + Duration::from_millis(1500), 6);
        assert_eq!(turns.move_up(early).map(|turn| turn.due), Some(at(start, 4)));
        assert_eq!(due(&mut turns, at(start, 1)), [1]);
        assert_eq!(due(&mut turns, start + Duration::from_millis(1500)), [2]);
        assert_eq!(due(&mut turns, at(start, 2)), [3]);
        assert_eq!(due(&mut turns, at(start, 3)), [4]);
        assert!(turns.is_empty() && turns.turns.is_empty());
    }

    #[test]
    fn nobody_ever_goes_later_than_the_turn_they_came_with() {
        let start = Instant::now();
        let mut turns = four(start);
        // An answer that was read late belongs where its time puts it.
        turns.join(turn(start + Duration::from_millis(2500), 5), 5);
        assert!(leave(&mut turns, start, 1).is_some());
        assert_eq!(due(&mut turns, at(start, 1)), [2]);
        assert_eq!(due(&mut turns, at(start, 2)), [5]);
        assert_eq!(due(&mut turns, start + Duration::from_millis(2500)), [3]);
        assert_eq!(due(&mut turns, at(start, 3)), [4]);
        assert!(turns.is_empty());
    }
}
