//! What a server has after a crash or a failover has been true once, and recently enough.
//!
//! A key that one client alone changes, one call after the other, goes through a sequence of states, a `Track`. What is
//! found later has to be one of them: none that was followed by an answered change, unless changes may be lost, and none
//! that was asked for only later.

/// A deadline that was made of what INFO says, in whole ms, is so exact.
const SHOWN_MS: i64 = 2;

/// A key and the states that one client has brought it through.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) key: String,
    /// Before the first step.
    base: State,
    steps: Vec<Step>,
}

/// A change of the key.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) invoked_us: i64,
    /// None: the reply did not come, so nobody knows whether it happened.
    pub(crate) replied_us: Option<i64>,
    /// What the key is after it.
    pub(crate) state: State,
}

/// What a client knows of the value of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Tokens used, of a limit that gives none back in the time of a run.
    Used(i64),
    /// Who holds a lock, by owner.
    Held(Vec<Holder>),
}

/// A lease as far as a client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) owner: String,
    /// None: the reply that would have told it did not come.
    pub(crate) fence: Option<i64>,
    /// The deadline, unix ms, is in here.
    pub(crate) deadline_ms: (i64, i64),
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Used(i64),
    /// Owner, fence, deadline in unix ms.
    Held(Vec<(String, i64, i64)>),
}

/// Which steps have to be there and which may be, unix µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instants {
    /// What was answered before has to be there.
    pub(crate) answered_before_us: i64,
    /// What was asked for later cannot.
    pub(crate) asked_before_us: i64,
}

/// How much of what a key went through is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// How many answered steps that should be there are not.
    pub(crate) lost: usize,
    /// How long before `answered_before_us` the oldest of them was answered.
    pub(crate) lost_us: i64,
}

impl Track {
    /// A key that nobody has touched.
    pub(crate) fn new(key: String, base: State) -> Self {
        Self { key, base, steps: Vec::new() }
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The newest state, whether or not its step was answered.
    pub(crate) fn state(&self) -> &State {
        self.steps.last().map_or(&self.base, |step| &step.state)
    }

    /// Which state that is.
    ///
    /// # Errors
    /// That it is none of those that can be.
    pub(crate) fn judge(&self, found: &Found, instants: Instants) -> Result<Kept, String> {
        let answered = |step: &Step| step.replied_us.is_some_and(|at| at < instants.answered_before_us);
        let least = self.steps.iter().rposition(answered).map_or(0, |index| index + 1);
        let most = self.steps.iter().take_while(|step| step.invoked_us < instants.asked_before_us).count();
        let states = [&self.base].into_iter().chain(self.steps.iter().map(|step| &step.state));
        let states: Vec<_> = states.take(most + 1).collect();
        let Some(steps) = states.iter().rposition(|state| state.matches(found)) else {
            return Err(format!(
                "{}: found {found:?}, which never was; known since step {least} of {}: {:?}",
                self.key,
                self.steps.len(),
                &states[least.min(most)..]
            ));
        };
        let missing = &self.steps[steps..least.max(steps)];
        let oldest = missing.iter().filter_map(|step| step.replied_us).min();
        Ok(Kept {
            lost: missing.iter().filter(|step| answered(step)).count(),
            lost_us: oldest.map_or(0, |at| instants.answered_before_us - at),
        })
    }

    /// From now on it is what was found.
    pub(crate) fn settle(&mut self, found: &Found) {
        self.steps.clear();
        self.base = match found {
            Found::Used(tokens) => State::Used(*tokens),
            Found::Held(holders) => State::Held(
                holders
                    .iter()
                    .map(|(owner, fence, deadline)| Holder {
                        owner: owner.clone(),
                        fence: Some(*fence),
                        deadline_ms: (*deadline, *deadline),
                    })
                    .collect(),
            ),
        };
    }
}

impl State {
    fn matches(&self, found: &Found) -> bool {
        match (self, found) {
            (Self::Used(known), Found::Used(tokens)) => known == tokens,
            (Self::Held(known), Found::Held(holders)) => {
                known.len() == holders.len()
                    && known.iter().all(|holder| holders.iter().any(|found| holder.matches(found)))
            }
            _ => false,
        }
    }
}

impl Holder {
    fn matches(&self, (owner, fence, deadline_ms): &(String, i64, i64)) -> bool {
        self.owner == *owner
            && self.fence.is_none_or(|known| known == *fence)
            && (self.deadline_ms.0 - SHOWN_MS..=self.deadline_ms.1 + SHOWN_MS).contains(deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: Instants = Instants { answered_before_us: 100, asked_before_us: 100 };

    fn counted() -> Track {
        let mut track = Track::new("k".to_owned(), State::Used(0));
        for (at, replied_us, used) in [(10, Some(11), 1), (20, Some(21), 2), (30, Some(31), 4), (40, None, 5)]
        {
            track.push(Step { invoked_us: at, replied_us, state: State::Used(used) });
        }
        track
    }

    #[test]
    fn an_answered_change_has_to_be_there_and_one_in_doubt_may() {
        let kept = |used| counted().judge(&Found::Used(used), CRASH).unwrap();
        assert_eq!(kept(5), Kept { lost: 0, lost_us: 0 });
        assert_eq!(kept(4), Kept { lost: 0, lost_us: 0 });
        assert_eq!(kept(2), Kept { lost: 1, lost_us: 69 });
        assert_eq!(kept(0), Kept { lost: 3, lost_us: 89 });
    }

    #[test]
    fn a_token_counted_twice_or_half_is_found() {
        for used in [3, 6, 9] {
            assert!(counted().judge(&Found::Used(used), CRASH).unwrap_err().contains("never was"));
        }
    }

    #[test]
    fn a_snapshot_holds_nothing_later() {
        let snapshot = Instants { answered_before_us: 15, asked_before_us: 25 };
        assert_eq!(counted().judge(&Found::Used(2), snapshot).unwrap().lost, 0);
        assert_eq!(counted().judge(&Found::Used(1), snapshot).unwrap().lost, 0);
        assert_eq!(counted().judge(&Found::Used(0), snapshot).unwrap().lost, 1);
        assert!(counted().judge(&Found::Used(4), snapshot).is_err());
    }

    #[test]
    fn a_lock_comes_back_with_owner_fence_and_deadline() {
        let holder = Holder { owner: "A".to_owned(), fence: Some(7), deadline_ms: (100, 102) };
        let mut track = Track::new("k".to_owned(), State::Held(Vec::new()));
        track.push(Step { invoked_us: 1, replied_us: Some(2), state: State::Held(vec![holder]) });
        let found = |owner: &str, fence, deadline| {
            track.judge(&Found::Held(vec![(owner.to_owned(), fence, deadline)]), CRASH).is_ok()
        };
        assert!(found("A", 7, 101));
        assert!(!found("B", 7, 101));
        assert!(!found("A", 8, 101));
        assert!(!found("A", 7, 105));
        assert_eq!(track.judge(&Found::Held(Vec::new()), CRASH).unwrap().lost, 1);
    }
}
