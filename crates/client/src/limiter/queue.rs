//! The turns of all keys: waiting for one, being woken early when somebody ahead gives up, and
//! offering back what nobody here has a use for.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::ask::{Answer, ask, ask_turn};
use super::gate::Gate;
use super::given_up::GivenUp;
use super::in_order::in_order;
use super::lane::{Lane, Origin};
use super::local::Engine;
use super::turns::{Turn, Turns};
use crate::command;
use crate::error::Result;
use crate::limit_reply::LimitReply;
use crate::link::Source;
use crate::locked::locked;

/// Between two tries to return turns that the server did not take: two round trips, but no less and no more
/// than this.
const SHORTLY: Duration = Duration::from_millis(5);
const SOON: Duration = Duration::from_millis(100);

/// What a limiter was told that a wait goes by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// How long the server has for an answer.
    pub(super) deadline: Duration,
    /// Whether turns are asked about that a hold may have moved.
    pub(super) heed_holds: bool,
}

/// All who wait in this process.
pub(super) struct Queue<S: Source> {
    gate: Arc<Gate<S>>,
    engine: Arc<Engine>,
    /// Tells turns of one instant apart.
    next_number: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    lanes: HashMap<Lane, InLane>,
    given_up: GivenUp,
}

/// Those who wait in one lane.
struct InLane {
    turns: Turns<oneshot::Sender<Turn>>,
    /// Somebody gave up, and a task wakes those who have moved up. Until then all wake by themselves,
    /// at the turn they were granted.
    woken_by_task: bool,
}

impl State {
    /// Lets those go whose time has come.
    fn advance(&mut self, lane: &Lane, now: Instant) {
        let Some(InLane { turns, .. }) = self.lanes.get_mut(lane) else { return };
        while let Some((waiter, turn)) = turns.next(now) {
            // Nobody listens when a waiter hangs up just now, at or after its time. Its turn lapses.
            let _ = waiter.send(turn);
        }
        if turns.is_empty() {
            self.lanes.remove(lane);
        }
    }
}

impl<S: Source> Queue<S> {
    pub(super) fn new(gate: Arc<Gate<S>>, engine: Arc<Engine>) -> Self {
        Self { gate, engine, next_number: AtomicU64::new(0), state: Mutex::default() }
    }

    /// A turn as it was told in answer to a question: due after so long, counted from the answer.
    pub(super) fn turn(&self, asked: Instant, due: Instant, act_at: Option<SystemTime>) -> Turn {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        Turn { due, number, act_at, asked, told: asked }
    }

    /// Waits for a turn or, if others give up, an earlier one, and returns the one that was used.
    /// Dropping the future gives the turn up.
    pub(super) async fn wait_for(self: &Arc<Self>, lane: Lane, turn: Turn, terms: Terms) -> Turn {
        let mut called = self.join(&lane, turn);
        let waiting = Waiting { queue: self, runtime: Handle::current(), lane, turn, terms };
        let used = tokio::select! {
            biased;
            used = &mut called => used.ok(),
            () = sleep_until(turn.due) => None,
        };
        // At the latest it goes at the turn it was granted: take it off the list.
        locked(&self.state).advance(&waiting.lane, Instant::now());
        used.or_else(|| called.try_recv().ok()).unwrap_or(turn)
    }

    /// Asks whether a turn that is due still is, and waits again until it is: a hold that was set since
    /// it was told has moved it. Dropping the future gives the turn up.
    pub(super) async fn wait_out_holds(
        self: &Arc<Self>,
        lane: &Lane,
        mut turn: Turn,
        terms: Terms,
    ) -> Result<()> {
        loop {
            let told = Instant::now();
            let left = ask_turn(&self.gate, lane.key(), turn.told, terms.deadline).await?;
            if left.is_zero() {
                return Ok(());
            }
            event!(debug, "a hold has moved a turn", by_ms = left.as_millis());
            let moved = Turn { due: Instant::now() + left, told, ..turn };
            turn = self.wait_for(lane.moved(), moved, terms).await;
        }
    }

    /// An answer to a reservation whose caller is gone: a turn is handed on, if it is still to come.
    pub(super) fn take_late(self: &Arc<Self>, lane: Lane, answer: &Answer<LimitReply>, terms: Terms) {
        let Ok(decision) = answer.reply.as_ref().map(LimitReply::decision) else { return };
        if !decision.wait().is_zero() {
            event!(debug, "a turn came for a caller who is gone");
            let due = answer.answered + decision.wait();
            self.hand_on(lane, self.turn(answer.asked, due, decision.act_at()), terms);
        }
    }

    /// A turn whose waiter is gone.
    fn hand_on(self: &Arc<Self>, lane: Lane, turn: Turn, terms: Terms) {
        drop(self.join(&lane, turn));
        drop(Waiting { queue: self, runtime: Handle::current(), lane, turn, terms });
    }

    fn join(&self, lane: &Lane, turn: Turn) -> oneshot::Receiver<Turn> {
        let (call, called) = oneshot::channel();
        let mut state = locked(&self.state);
        let new = || InLane { turns: Turns::new(), woken_by_task: false };
        state.lanes.entry(lane.clone()).or_insert_with(new).turns.join(turn, call);
        called
    }

    /// A waiter is gone. If its time has not come, those behind it move up.
    fn leave(self: &Arc<Self>, waiter: &Waiting<'_, S>) {
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
        match (lane.origin(), last.act_at) {
            (Origin::Local, Some(act_at)) => self.engine.give_up(lane.key(), lane.limits(), act_at),
            (Origin::Server | Origin::Moved, Some(_)) => self.offer_back(waiter, last),
            (_, None) => event!(debug, "a turn lapses, because its server tells no act"),
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

    /// The server did not take a turn back, because it has granted a later one to somebody. If that is
    /// somebody here, whose answer came only after this turn was offered back, those behind move up, and it is
    /// the last turn that is to be returned. False if it is somebody in another process, who has been told its
    /// time already.
    fn keep(self: &Arc<Self>, lane: &Lane, turn: Turn) -> bool {
        let (now, number) = (Instant::now(), self.next_number.fetch_add(1, Ordering::Relaxed));
        let mut state = locked(&self.state);
        state.advance(lane, now);
        let last = (turn.due > now).then(|| self.move_up(&mut state, lane, Turn { number, ..turn }));
        let Some(last) = last.flatten() else { return false };
        state.given_up.put(lane, last);
        true
    }

    /// A turn that could not be given back is there for newcomers until it is due; then it lapses.
    fn spare(self: &Arc<Self>, lane: &Lane, turn: Turn) {
        if turn.due <= Instant::now() {
            return;
        }
        locked(&self.state).given_up.spare(lane, turn);
        let (queue, lane) = (Arc::clone(self), lane.clone());
        tokio::spawn(async move {
            sleep_until(turn.due).await;
            locked(&queue.state).given_up.forget(&lane, turn);
        });
    }

    /// For a newcomer who would be refused: a turn that was given up and is still here, on its way back to
    /// the server or spare. Those who wait move up if it comes before theirs, and the newcomer has the last.
    /// It was told before this caller came, so the server is asked whether a hold has moved it since; then the
    /// refusal stands.
    pub(super) async fn take_given_up(
        self: &Arc<Self>,
        lane: &Lane,
        max_wait: Duration,
        terms: Terms,
    ) -> Option<Turn> {
        let turn = self.take(lane, max_wait)?;
        let moved = ask_turn(&self.gate, lane.key(), turn.told, terms.deadline).await;
        moved.is_ok_and(|left| left.is_zero()).then_some(turn)
    }

    fn take(self: &Arc<Self>, lane: &Lane, max_wait: Duration) -> Option<Turn> {
        let now = Instant::now();
        let mut state = locked(&self.state);
        state.advance(lane, now);
        let turn = state.given_up.first(lane, now)?;
        let last = state.lanes.get(lane).and_then(|in_lane| in_lane.turns.last());
        let due = last.map_or(turn.due, |last| last.max(turn.due));
        if due.saturating_duration_since(now) > max_wait {
            return None;
        }
        state.given_up.forget(lane, turn);
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let turn = Turn { number, ..turn };
        let Some(last) = self.move_up(&mut state, lane, turn) else { return Some(turn) };
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        Some(Turn { number, ..last })
    }

    /// Those who would go later than this turn move up, and the last turn is free. `None` if nobody would.
    fn move_up(self: &Arc<Self>, state: &mut State, lane: &Lane, turn: Turn) -> Option<Turn> {
        let InLane { turns, woken_by_task } = state.lanes.get_mut(lane)?;
        let last = turns.move_up(turn)?;
        if !mem::replace(woken_by_task, true) {
            tokio::spawn(Arc::clone(self).wake_in_turn(lane.clone()));
        }
        Some(last)
    }

    /// Returns are sent the latest turn first: the server takes a turn back only when nobody stands behind
    /// it, and when several leave at once they stand behind each other.
    fn offer_back(self: &Arc<Self>, waiter: &Waiting<'_, S>, turn: Turn) {
        if !locked(&self.state).given_up.put(&waiter.lane, turn) {
            return;
        }
        let mut returning = Returning {
            queue: Arc::clone(self),
            lane: waiter.lane.clone(),
            terms: waiter.terms,
            done: false,
        };
        waiter.runtime.spawn(async move { while returning.some().await {} });
    }
}

/// The task that returns the turns of one lane.
struct Returning<S: Source> {
    queue: Arc<Queue<S>>,
    lane: Lane,
    terms: Terms,
    done: bool,
}

impl<S: Source> Returning<S> {
    /// Returns the latest turns; false when there was none left. They are sent behind each other without
    /// waiting for the answers, so that a long way to the server does not let the rest of them lapse.
    async fn some(&mut self) -> bool {
        let latest = locked(&self.queue.state).given_up.latest(&self.lane);
        let Some(turns) = latest else {
            self.done = true;
            return false;
        };
        let (asked, kept) = (Instant::now(), AtomicBool::new(false));
        let returned = turns.into_iter().map(|turn| Box::pin(self.give_back(turn, &kept)));
        in_order(returned.collect()).await;
        if kept.into_inner() {
            // Newcomers were granted turns behind these. As long as more of them come than are served, the
            // next try ends the same way: meanwhile those who would be refused may have them.
            sleep((asked.elapsed() * 2).clamp(SHORTLY, SOON)).await;
        }
        true
    }

    async fn give_back(&self, turn: Turn, kept: &AtomicBool) {
        let Some(act_at) = turn.act_at.filter(|_| turn.due > Instant::now()) else { return };
        let outcome = match self.taken_back(act_at).await {
            Ok(false) if self.queue.keep(&self.lane, turn) => return kept.store(true, Ordering::Relaxed),
            Ok(false) if self.terms.heed_holds => self.taken_back_moved(turn, act_at).await,
            outcome => outcome,
        };
        match outcome {
            Ok(true) => {
                event!(debug, "a turn was given back");
                locked(&self.queue.state).given_up.retry_spares(&self.lane);
            }
            Ok(false) => self.queue.spare(&self.lane, turn),
            Err(error) => event!(debug, "a turn lapses", error = error),
        }
    }

    /// The server knows a turn by its act. If a hold that was set since has moved that, others seem to stand
    /// behind it.
    async fn taken_back_moved(&self, turn: Turn, act_at: SystemTime) -> Result<bool> {
        let moved = self.moved_by(turn).await?;
        Ok(!moved.is_zero() && self.taken_back(act_at + moved).await?)
    }

    /// Whether the server took the turn back.
    async fn taken_back(&self, act_at: SystemTime) -> Result<bool> {
        let command = command::ratelimit_give_up_at(self.lane.key(), self.lane.limits(), act_at);
        let reply: LimitReply = ask(&self.queue.gate, command, self.terms.deadline).await?;
        Ok(reply.granted() == 1)
    }

    /// By how much a hold has moved a turn. What is asked of a turn that was told just now is what is left
    /// of a hold; a hold that was set after this turn was told has moved it by more than that.
    async fn moved_by(&self, turn: Turn) -> Result<Duration> {
        let ask = |told| ask_turn(&self.queue.gate, self.lane.key(), told, self.terms.deadline);
        let moved = ask(turn.asked).await?;
        let held = if moved.is_zero() { moved } else { ask(Instant::now()).await? };
        Ok(if moved > held { moved } else { Duration::ZERO })
    }
}

impl<S: Source> Drop for Returning<S> {
    fn drop(&mut self) {
        // The runtime ended before the work: those who come later start another task, on theirs.
        if !self.done {
            locked(&self.queue.state).given_up.abandon(&self.lane);
        }
    }
}

/// One who waits. Dropping it leaves the queue; once its turn has come it is in none any more.
struct Waiting<'a, S: Source> {
    queue: &'a Arc<Queue<S>>,
    /// Where what follows from leaving is done: a future may be dropped outside of any runtime.
    runtime: Handle,
    lane: Lane,
    turn: Turn,
    terms: Terms,
}

impl<S: Source> Drop for Waiting<'_, S> {
    fn drop(&mut self) {
        self.queue.leave(self);
    }
}
