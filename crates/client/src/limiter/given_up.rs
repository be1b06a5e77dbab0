//! Turns that were given up: on their way back to the server, or spare. Pure: time is a parameter.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

use super::lane::Lane;
use super::turns::Turn;

/// How many turns go back to the server at once.
const TOGETHER: usize = 64;

/// The turns of all lanes that nobody here has a use for.
#[derive(Default)]
pub(super) struct GivenUp {
    /// To be returned. An entry exists while a task sees to it.
    returns: HashMap<Lane, Vec<Turn>>,
    /// Those that the server did not take back, until they are due.
    spares: HashMap<Lane, BTreeSet<Turn>>,
}

impl GivenUp {
    /// A turn is to be returned. True if a task has to see to it from now on.
    pub(super) fn put(&mut self, lane: &Lane, turn: Turn) -> bool {
        if let Some(returns) = self.returns.get_mut(lane) {
            returns.push(turn);
            return false;
        }
        self.returns.insert(lane.clone(), vec![turn]);
        true
    }

    /// The server did not take a turn back: it is there for newcomers.
    pub(super) fn spare(&mut self, lane: &Lane, turn: Turn) {
        self.spares.entry(lane.clone()).or_default().insert(turn);
    }

    /// A turn has gone back. It may have been what stood behind those that did not.
    pub(super) fn retry_spares(&mut self, lane: &Lane) {
        if let (Some(spares), Some(returns)) = (self.spares.remove(lane), self.returns.get_mut(lane)) {
            returns.extend(spares);
        }
    }

    /// The earliest that is still to come.
    pub(super) fn first(&self, lane: &Lane, now: Instant) -> Option<Turn> {
        let returns = self.returns.get(lane).into_iter().flatten();
        let all = returns.chain(self.spares.get(lane).into_iter().flatten());
        all.copied().filter(|turn| turn.due > now).min()
    }

    /// Somebody uses a turn, or its time is over.
    pub(super) fn forget(&mut self, lane: &Lane, turn: Turn) {
        if let Some(returns) = self.returns.get_mut(lane) {
            returns.retain(|other| *other != turn);
        }
        if let Some(spares) = self.spares.get_mut(lane) {
            spares.remove(&turn);
            if spares.is_empty() {
                self.spares.remove(lane);
            }
        }
    }

    /// Takes out the latest that are to be returned, up to a number, the very latest first. None: there are
    /// none left, and the task that sees to them ends.
    pub(super) fn latest(&mut self, lane: &Lane) -> Option<Vec<Turn>> {
        let returns = self.returns.get_mut(lane).filter(|returns| !returns.is_empty());
        let Some(returns) = returns else {
            self.abandon(lane);
            return None;
        };
        returns.sort_unstable_by_key(|turn| turn.act_at);
        let rest = returns.len().saturating_sub(TOGETHER);
        Some(returns.drain(rest..).rev().collect())
    }

    /// The task that sees to them has ended: those who come later start another.
    pub(super) fn abandon(&mut self, lane: &Lane) {
        self.returns.remove(lane);
    }
}
