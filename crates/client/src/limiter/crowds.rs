//! All [crowds](super::crowd) of a process, and the tasks that ask for them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::ask::{Answer, Question, ask};
use super::crowd::{Begin, Caller, Crowd, Entry, Terms};
use super::gate::Gate;
use super::shares::Shares;
use crate::command;
use crate::decision::Decision;
use crate::error::{Error, Result};
use crate::limit_reply::LimitReply;
use crate::link::Source;
use crate::locked::locked;

/// Below this many keys nothing is swept.
const FEW_KEYS: usize = 1024;

type Call = oneshot::Sender<Result<Decision>>;

impl Caller for Call {
    fn is_gone(&self) -> bool {
        self.is_closed()
    }
}

/// The callers of all keys.
pub(super) struct Crowds<S: Source> {
    gate: Arc<Gate<S>>,
    keys: Mutex<Keys>,
    chance: RandomState,
}

#[derive(Default)]
struct Keys {
    /// Of a key, one crowd for each set of terms: hardly ever more than one.
    crowds: HashMap<Box<[u8]>, Vec<Crowd<Call>>>,
    /// What is over is swept out when there are so many keys.
    sweep_at: usize,
}

/// Which crowd. It is looked up each time, because what is over is swept out.
#[derive(Clone, Copy)]
struct Which<'a> {
    key: &'a [u8],
    terms: &'a Terms,
}

impl Keys {
    fn with<T>(&mut self, which: Which<'_>, now: Instant, act: impl FnOnce(&mut Crowd<Call>) -> T) -> T {
        if let Some(crowds) = self.crowds.get_mut(which.key) {
            if let Some(crowd) = crowds.iter_mut().find(|crowd| crowd.is_of(which.terms)) {
                return act(crowd);
            }
            // Where limits change all the time, those of before are no use.
            crowds.retain(|crowd| !crowd.is_over(now));
        } else {
            self.sweep(now);
        }
        let mut crowd = Crowd::new(*which.terms);
        let outcome = act(&mut crowd);
        self.crowds.entry(which.key.into()).or_default().push(crowd);
        outcome
    }

    fn sweep(&mut self, now: Instant) {
        if self.crowds.len() >= self.sweep_at.max(FEW_KEYS) {
            self.crowds.retain(|_, crowds| {
                crowds.retain(|crowd| !crowd.is_over(now));
                !crowds.is_empty()
            });
            self.sweep_at = self.crowds.len() * 2;
        }
    }
}

impl<S: Source> Crowds<S> {
    pub(super) fn new(gate: Arc<Gate<S>>) -> Self {
        Self { gate, keys: Mutex::default(), chance: RandomState::new() }
    }

    /// Takes a token of each limit that costs one, if they are there now. For those for whom
    /// [`Shares::are_possible`].
    pub(super) async fn acquire(
        self: &Arc<Self>,
        key: &[u8],
        terms: &Terms,
        came: Instant,
    ) -> Result<Decision> {
        let (which, deadline) = (Which { key, terms }, terms.deadline);
        let mut now = came;
        loop {
            let (entry, called) = self.arrive(which, now);
            match entry {
                Entry::Told(decision, begin) => {
                    self.ask_if(begin, which);
                    return Ok(decision);
                }
                Entry::Alone => return self.ask_alone(which).await,
                Entry::Wait(begin) => self.ask_if(begin, which),
            }
            let Some(called) = called else { continue };
            match timeout_at(came + deadline, called).await {
                Ok(Ok(told)) => return told,
                // Whoever asked for this one is gone, with its runtime.
                Ok(Err(_)) => now = Instant::now(),
                // It was not asked for yet, or is not answered: the question has a deadline of its own.
                Err(_) => return Err(Error::TimedOut(deadline)),
            }
        }
    }

    fn arrive(&self, which: Which<'_>, now: Instant) -> (Entry, Option<oneshot::Receiver<Result<Decision>>>) {
        locked(&self.keys).with(which, now, |crowd| {
            let entry = crowd.arrive(now);
            let called = matches!(entry, Entry::Wait(_)).then(|| {
                let (call, called) = oneshot::channel();
                crowd.wait(call);
                called
            });
            (entry, called)
        })
    }

    async fn ask_alone(self: &Arc<Self>, which: Which<'_>) -> Result<Decision> {
        let _over = Over { crowds: self, which, runtime: Handle::current() };
        let command = command::ratelimit_acquire(which.key, which.terms.limits);
        let reply: LimitReply = ask(&self.gate, command, which.terms.deadline).await?;
        Ok(reply.decision())
    }

    fn ask_if(self: &Arc<Self>, begin: Begin, which: Which<'_>) {
        if begin {
            Handle::current().spawn(Asking::new(self, which).run());
        }
    }

    /// Something was given back to a key: what was refused may be there now.
    pub(super) fn open(&self, key: &[u8]) {
        if let Some(crowds) = locked(&self.keys).crowds.get_mut(key) {
            crowds.iter_mut().for_each(Crowd::open);
        }
    }
}

/// One who asks alone, until it is answered or gone.
struct Over<'a, S: Source> {
    crowds: &'a Arc<Crowds<S>>,
    which: Which<'a>,
    /// Where those are asked for who wait: a future may be dropped outside of any runtime.
    runtime: Handle,
}

impl<S: Source> Drop for Over<'_, S> {
    fn drop(&mut self) {
        let begin = locked(&self.crowds.keys).with(self.which, Instant::now(), Crowd::over);
        if begin {
            self.runtime.spawn(Asking::new(self.crowds, self.which).run());
        }
    }
}

/// A task that asks for those who wait, one question after the other, until nobody does.
struct Asking<S: Source> {
    crowds: Arc<Crowds<S>>,
    key: Box<[u8]>,
    terms: Terms,
    done: bool,
}

impl<S: Source> Asking<S> {
    fn new(crowds: &Arc<Crowds<S>>, which: Which<'_>) -> Self {
        Self { crowds: Arc::clone(crowds), key: which.key.into(), terms: *which.terms, done: false }
    }

    async fn run(mut self) {
        while self.once().await {}
        self.done = true;
    }

    /// False when there was nothing to ask.
    async fn once(&self) -> bool {
        let Some(batch) = self.crowd(|crowd| crowd.next(Instant::now())) else { return false };
        let Terms { limits, deadline, .. } = self.terms;
        let command = limits.with_costs(&Shares::costs(&limits, batch.calls));
        let command = command.map(|limits| command::ratelimit_acquire_part(&self.key, limits));
        let (reply, asked) = match command {
            Ok(command) => {
                let question = Question::new(&self.crowds.gate, command, deadline, |_: Answer<_>| {});
                let Answer { reply, asked, .. } = question.await;
                (reply, asked)
            }
            Err(error) => (Err(error.into()), Instant::now()),
        };
        let now = Instant::now();
        let chance = self.crowds.chance.hash_one(now) as f64 / u64::MAX as f64;
        let told = self.crowd(|crowd| crowd.answered(batch, &reply, asked, now, chance));
        for (caller, outcome) in told {
            // Nobody listens where the caller left just now. Its token lapses.
            let _ = caller.send(outcome);
        }
        true
    }

    fn crowd<T>(&self, act: impl FnOnce(&mut Crowd<Call>) -> T) -> T {
        let which = Which { key: &self.key, terms: &self.terms };
        locked(&self.crowds.keys).with(which, Instant::now(), act)
    }
}

impl<S: Source> Drop for Asking<S> {
    fn drop(&mut self) {
        // The runtime ended before the work. Those who wait, on others, ask for themselves.
        if !self.done {
            let abandoned = self.crowd(Crowd::abandon);
            drop(abandoned);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limit::Limit;

    #[test]
    fn of_a_key_whose_limits_change_all_the_time_only_those_are_kept_that_somebody_uses() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        for count in 1..100 {
            let terms =
                Terms { limits: Limit::per_second(count).into(), plan: None, deadline: Duration::ZERO };
            let which = Which { key: b"k", terms: &terms };
            assert_eq!(keys.with(which, now, |crowd| crowd.arrive(now)), Entry::Alone);
            if count > 2 {
                keys.with(which, now, Crowd::over);
            }
        }
        assert_eq!(keys.crowds.values().map(Vec::len).sum::<usize>(), 3, "two that are used, and the last");
    }
}
