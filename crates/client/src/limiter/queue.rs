//! The turns of all keys: waiting for one, being woken early when somebody ahead gives up, and
//! offering back what nobody here has a use for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::ConnectionLike;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::outage::Engine;
use super::request;
use super::turns::{Turn, Turns};
use crate::Limits;
use crate::command;

/// Where a turn comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    Server,
    Local,
}

/// What turns have to have in common to be exchanged: the same key, limits and costs. Made for every
/// reservation and passed around, so it is one pointer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place(Arc<Common>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Common {
    key: Box<[u8]>,
    limits: Limits,
    origin: Origin,
}

impl Place {
    pub(super) fn new(key: &[u8], limits: Limits, origin: Origin) -> Self {
        Self(Arc::new(Common { key: key.into(), limits, origin }))
    }
}

/// All who wait in this process.
pub(super) struct Queue<C> {
    connection: C,
    engine: Arc<Engine>,
    coming: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    places: HashMap<Place, Waiters>,
    /// Turns on their way back to the server. An entry exists while a task sees to it.
    returns: HashMap<Place, Vec<Instant>>,
}

struct Waiters {
    turns: Turns<oneshot::Sender<()>>,
    /// Somebody gave up, and a task wakes those who have moved up. Until then all wake by themselves,
    /// at the turn they came with.
    driven: bool,
}

impl State {
    /// Lets those go whose time has come.
    fn advance(&mut self, place: &Place, now: Instant) {
        let Some(Waiters { turns, .. }) = self.places.get_mut(place) else { return };
        while let Some(waiter) = turns.next(now) {
            // Whoever does not listen any more is about to leave, at or after its time: it lapses.
            let _ = waiter.send(());
        }
        if turns.is_empty() {
            self.places.remove(place);
        }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Queue<C> {
    pub(super) fn new(connection: C, engine: Arc<Engine>) -> Self {
        Self { connection, engine, coming: AtomicU64::new(0), state: Mutex::default() }
    }

    /// Waits for a turn that is due at `due` or, if others give up, earlier. Dropping the future
    /// gives the turn up.
    pub(super) async fn wait_for(self: &Arc<Self>, place: Place, due: Instant, deadline: Duration) {
        let (turn, mut called) = self.join(&place, due);
        let waiting = Waiting { queue: self, runtime: Handle::current(), place, turn, deadline };
        tokio::select! {
            biased;
            _ = &mut called => {}
            () = sleep_until(due) => {}
        }
        // At the time it came with, its turn has come, whatever happened ahead of it.
        locked(&self.state).advance(&waiting.place, Instant::now());
    }

    /// A turn whose waiter is gone.
    pub(super) fn hand_on(self: &Arc<Self>, place: Place, due: Instant, deadline: Duration) {
        let (turn, _) = self.join(&place, due);
        drop(Waiting { queue: self, runtime: Handle::current(), place, turn, deadline });
    }

    fn join(&self, place: &Place, due: Instant) -> (Turn, oneshot::Receiver<()>) {
        let (call, called) = oneshot::channel();
        let turn = (due, self.coming.fetch_add(1, Ordering::Relaxed));
        let mut state = locked(&self.state);
        let new = || Waiters { turns: Turns::new(), driven: false };
        state.places.entry(place.clone()).or_insert_with(new).turns.join(turn, call);
        (turn, called)
    }

    /// A waiter is gone. If its time has not come, those behind it move up.
    fn leave(self: &Arc<Self>, waiter: &Waiting<'_, C>) {
        let (place, now) = (&waiter.place, Instant::now());
        let mut state = locked(&self.state);
        state.advance(place, now);
        let Some(Waiters { turns, driven }) = state.places.get_mut(place) else { return };
        let Some(last) = turns.leave(waiter.turn) else { return };
        if turns.is_empty() {
            state.places.remove(place);
        } else if !std::mem::replace(driven, true) {
            waiter.runtime.spawn(Arc::clone(self).drive(place.clone()));
        }
        drop(state);
        match place.0.origin {
            Origin::Local => {
                self.engine.give_up(&place.0.key, &place.0.limits, last.saturating_duration_since(now));
            }
            Origin::Server => self.offer_back(waiter, last),
        }
    }

    /// Lets everybody of a place go at the turn they have now, until nobody is left.
    async fn drive(self: Arc<Self>, place: Place) {
        loop {
            let first = locked(&self.state).places.get(&place).and_then(|waiters| waiters.turns.first());
            let Some(due) = first else { return };
            sleep_until(due).await;
            locked(&self.state).advance(&place, Instant::now());
        }
    }

    /// The server kept a turn, because somebody stands behind it. If that is somebody here, who was
    /// being told its own turn when this one was given up, those behind move up, and it is the last
    /// turn that is to be returned.
    fn keep(self: &Arc<Self>, place: &Place, due: Instant) {
        let (now, number) = (Instant::now(), self.coming.fetch_add(1, Ordering::Relaxed));
        let mut state = locked(&self.state);
        state.advance(place, now);
        let Some(Waiters { turns, driven }) = state.places.get_mut(place).filter(|_| due > now) else {
            return;
        };
        let Some(last) = turns.move_up((due, number)) else { return };
        if !std::mem::replace(driven, true) {
            tokio::spawn(Arc::clone(self).drive(place.clone()));
        }
        state.returns.entry(place.clone()).or_default().push(last);
    }

    /// Returns are sent one after the other, the latest turn first: the server takes a turn back only
    /// when nobody stands behind it, and when several leave at once they stand behind each other.
    fn offer_back(self: &Arc<Self>, waiter: &Waiting<'_, C>, due: Instant) {
        let mut state = locked(&self.state);
        if let Some(returns) = state.returns.get_mut(&waiter.place) {
            returns.push(due);
            return;
        }
        state.returns.insert(waiter.place.clone(), vec![due]);
        drop(state);
        let mut returning = Returning {
            queue: Arc::clone(self),
            place: waiter.place.clone(),
            deadline: waiter.deadline,
            done: false,
        };
        waiter.runtime.spawn(async move { while returning.one().await {} });
    }
}

/// The task that returns the turns of one place.
struct Returning<C: ConnectionLike + Clone + Send + Sync + 'static> {
    queue: Arc<Queue<C>>,
    place: Place,
    deadline: Duration,
    done: bool,
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Returning<C> {
    /// Returns the latest turn; false when there was none left.
    async fn one(&mut self) -> bool {
        let Some(due) = self.latest() else { return false };
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            let command = command::ratelimit_give_up(&self.place.0.key, self.place.0.limits, left);
            match request::ask(self.queue.connection.clone(), command, self.deadline).await {
                Ok(reply) => {
                    event!(debug, "a turn was offered back", taken = reply.granted());
                    if reply.granted() == 0 {
                        self.queue.keep(&self.place, due);
                    }
                }
                Err(error) => event!(debug, "a turn lapses", error = error),
            }
        }
        true
    }

    fn latest(&mut self) -> Option<Instant> {
        let mut state = locked(&self.queue.state);
        let returns = state.returns.get_mut(&self.place)?;
        returns.sort_unstable();
        let latest = returns.pop();
        if latest.is_none() {
            state.returns.remove(&self.place);
            self.done = true;
        }
        latest
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Drop for Returning<C> {
    fn drop(&mut self) {
        // The runtime ended before the work: those who come later start another task, on theirs.
        if !self.done {
            locked(&self.queue.state).returns.remove(&self.place);
        }
    }
}

/// One who waits; leaves when dropped, which means nothing once its time has come.
struct Waiting<'a, C: ConnectionLike + Clone + Send + Sync + 'static> {
    queue: &'a Arc<Queue<C>>,
    /// Where what follows from leaving is done: a future may be dropped outside of any runtime.
    runtime: Handle,
    place: Place,
    turn: Turn,
    deadline: Duration,
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Drop for Waiting<'_, C> {
    fn drop(&mut self) {
        self.queue.leave(self);
    }
}

/// What is locked here is never left half changed, so a panic elsewhere does not matter.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
