//! The turns of all keys: waiting for one, being woken early when somebody ahead gives up, and
//! offering back what nobody here has a use for.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::ConnectionLike;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::ask::ask;
use super::lane::{Lane, Origin};
use super::local::Engine;
use super::locked::locked;
use super::turns::{Turn, Turns};
use crate::command;

/// All who wait in this process.
pub(super) struct Queue<C> {
    connection: C,
    engine: Arc<Engine>,
    /// Tells turns of one instant apart.
    next_number: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lanes: HashMap<Lane, InLane>,
    /// Turns on their way back to the server. An entry exists while a task sees to it.
    returns: HashMap<Lane, Vec<Instant>>,
}

/// Those who wait in one lane.
struct InLane {
    turns: Turns<oneshot::Sender<()>>,
    /// Somebody gave up, and a task wakes those who have moved up. Until then all wake by themselves,
    /// at the turn they were granted.
    woken_by_task: bool,
}

impl State {
    /// Lets those go whose time has come.
    fn advance(&mut self, lane: &Lane, now: Instant) {
        let Some(InLane { turns, .. }) = self.lanes.get_mut(lane) else { return };
        while let Some(waiter) = turns.next(now) {
            // Nobody listens when a waiter hangs up just now, at or after its time. Its turn lapses.
            let _ = waiter.send(());
        }
        if turns.is_empty() {
            self.lanes.remove(lane);
        }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Queue<C> {
    pub(super) fn new(connection: C, engine: Arc<Engine>) -> Self {
        Self { connection, engine, next_number: AtomicU64::new(0), state: Mutex::default() }
    }

    /// Waits for a turn that is due at `due` or, if others give up, earlier. Dropping the future
    /// gives the turn up.
    pub(super) async fn wait_for(self: &Arc<Self>, lane: Lane, due: Instant, deadline: Duration) {
        let (turn, mut called) = self.join(&lane, due);
        let waiting = Waiting { queue: self, runtime: Handle::current(), lane, turn, deadline };
        tokio::select! {
            biased;
            _ = &mut called => {}
            () = sleep_until(due) => {}
        }
        // At the latest it goes at the turn it was granted: take it off the list.
        locked(&self.state).advance(&waiting.lane, Instant::now());
    }

    /// A turn whose waiter is gone.
    pub(super) fn hand_on(self: &Arc<Self>, lane: Lane, due: Instant, deadline: Duration) {
        let (turn, _) = self.join(&lane, due);
        drop(Waiting { queue: self, runtime: Handle::current(), lane, turn, deadline });
    }

    fn join(&self, lane: &Lane, due: Instant) -> (Turn, oneshot::Receiver<()>) {
        let (call, called) = oneshot::channel();
        let turn = (due, self.next_number.fetch_add(1, Ordering::Relaxed));
        let mut state = locked(&self.state);
        let new = || InLane { turns: Turns::new(), woken_by_task: false };
        state.lanes.entry(lane.clone()).or_insert_with(new).turns.join(turn, call);
        (turn, called)
    }

    /// A waiter is gone. If its time has not come, those behind it move up.
    fn leave(self: &Arc<Self>, waiter: &Waiting<'_, C>) {
        let (lane, now) = (&waiter.lane, Instant::now());
        let mut state = locked(&self.state);
        state.advance(lane, now);
        let Some(InLane { turns, woken_by_task }) = state.lanes.get_mut(lane) else { return };
        let Some(last) = turns.leave(waiter.turn) else { return };
        if turns.is_empty() {
            state.lanes.remove(lane);
        } else if !mem::replace(woken_by_task, true) {
            waiter.runtime.spawn(Arc::clone(self).wake_in_turn(lane.clone()));
        }
        drop(state);
        match lane.origin() {
            Origin::Local => {
                self.engine.give_up(lane.key(), lane.limits(), last.saturating_duration_since(now));
            }
            Origin::Server => self.offer_back(waiter, last),
        }
    }

    /// Lets everybody in a lane go at the turn they have now, until nobody is left.
    async fn wake_in_turn(self: Arc<Self>, lane: Lane) {
        loop {
            let first = locked(&self.state).lanes.get(&lane).and_then(|in_lane| in_lane.turns.first());
            let Some(due) = first else { return };
            sleep_until(due).await;
            locked(&self.state).advance(&lane, Instant::now());
        }
    }

    /// The server did not take a turn back, because it has granted a later one to somebody. That may be
    /// somebody here, whose answer came only after this turn was offered back. Then those behind move up,
    /// and it is the last turn that is to be returned. If it is somebody in another process, who has been
    /// told its time already, the turn lapses.
    fn keep(self: &Arc<Self>, lane: &Lane, due: Instant) {
        let (now, number) = (Instant::now(), self.next_number.fetch_add(1, Ordering::Relaxed));
        let mut state = locked(&self.state);
        state.advance(lane, now);
        let Some(InLane { turns, woken_by_task }) = state.lanes.get_mut(lane).filter(|_| due > now) else {
            return;
        };
        let Some(last) = turns.move_up((due, number)) else { return };
        if !mem::replace(woken_by_task, true) {
            tokio::spawn(Arc::clone(self).wake_in_turn(lane.clone()));
        }
        state.returns.entry(lane.clone()).or_default().push(last);
    }

    /// Returns are sent one after the other, the latest turn first: the server takes a turn back only
    /// when nobody stands behind it, and when several leave at once they stand behind each other.
    fn offer_back(self: &Arc<Self>, waiter: &Waiting<'_, C>, due: Instant) {
        let mut state = locked(&self.state);
        if let Some(returns) = state.returns.get_mut(&waiter.lane) {
            returns.push(due);
            return;
        }
        state.returns.insert(waiter.lane.clone(), vec![due]);
        drop(state);
        let mut returning = Returning {
            queue: Arc::clone(self),
            lane: waiter.lane.clone(),
            deadline: waiter.deadline,
            done: false,
        };
        waiter.runtime.spawn(async move { while returning.one().await {} });
    }
}

/// The task that returns the turns of one lane.
struct Returning<C: ConnectionLike + Clone + Send + Sync + 'static> {
    queue: Arc<Queue<C>>,
    lane: Lane,
    deadline: Duration,
    done: bool,
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Returning<C> {
    /// Returns the latest turn; false when there was none left.
    async fn one(&mut self) -> bool {
        let Some(due) = self.latest() else { return false };
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            let command = command::ratelimit_give_up(self.lane.key(), self.lane.limits(), left);
            match ask(self.queue.connection.clone(), command, self.deadline).await {
                Ok(reply) => {
                    event!(debug, "a turn was offered back", taken = reply.granted());
                    if reply.granted() == 0 {
                        self.queue.keep(&self.lane, due);
                    }
                }
                Err(error) => event!(debug, "a turn lapses", error = error),
            }
        }
        true
    }

    fn latest(&mut self) -> Option<Instant> {
        let mut state = locked(&self.queue.state);
        let returns = state.returns.get_mut(&self.lane)?;
        returns.sort_unstable();
        let latest = returns.pop();
        if latest.is_none() {
            state.returns.remove(&self.lane);
            self.done = true;
        }
        latest
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Drop for Returning<C> {
    fn drop(&mut self) {
        // The runtime ended before the work: those who come later start another task, on theirs.
        if !self.done {
            locked(&self.queue.state).returns.remove(&self.lane);
        }
    }
}

/// One who waits. Dropping it leaves the queue; once its turn has come it is in none any more.
struct Waiting<'a, C: ConnectionLike + Clone + Send + Sync + 'static> {
    queue: &'a Arc<Queue<C>>,
    /// Where what follows from leaving is done: a future may be dropped outside of any runtime.
    runtime: Handle,
    lane: Lane,
    turn: Turn,
    deadline: Duration,
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Drop for Waiting<'_, C> {
    fn drop(&mut self) {
        self.queue.leave(self);
    }
}
