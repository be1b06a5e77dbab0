//! The way to the server: through the breaker, over the line.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use redis::{Cmd, RedisError, Value};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::breaker::{Breaker, Entry};
use crate::error::{Error, Result};
use crate::link::{Line, Source, Use, Way};
use crate::locked::locked;
use crate::measure;

/// Between two questions whether a silent server is there.
const AGAIN: Duration = Duration::from_millis(250);

/// The server as a limiter sees it.
pub(super) struct Gate<S: Source> {
    line: Line<S>,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    /// Those who wait until they may send, each with its deadline.
    waiting: VecDeque<(Duration, oneshot::Sender<()>)>,
    /// Somebody asks whether the server is there.
    probed: bool,
    /// As it was measured last.
    open: bool,
}

impl State {
    /// What has become of the breaker is measured.
    fn measure(&mut self) {
        let open = self.breaker.is_open();
        if open != self.open {
            self.open = open;
            measure::breaker(open);
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if self.open {
            measure::breaker(false);
        }
    }
}

impl<S: Source> Gate<S> {
    pub(super) fn new(way: Way<S>) -> Self {
        let state = State { breaker: Breaker::new(), waiting: VecDeque::new(), probed: false, open: false };
        Self { line: Line::new(way), state: Mutex::new(state) }
    }

    /// Sends one command and waits for its answer, however long that takes; the caller keeps the time.
    pub(super) async fn send(
        self: &Arc<Self>,
        command: Cmd,
        deadline: Duration,
        sent: &Sent<S>,
    ) -> Result<Value> {
        self.enter(deadline, sent).await?;
        let outcome = self.line.query(&command, &sent.used).await;
        sent.end(is_answer(&outcome));
        Ok(outcome?)
    }

    /// Waits until a command may be sent.
    async fn enter(self: &Arc<Self>, deadline: Duration, sent: &Sent<S>) -> Result<()> {
        loop {
            let called = {
                let mut state = locked(&self.state);
                match state.breaker.enter(Instant::now(), deadline) {
                    Entry::Go => {
                        sent.begin();
                        return Ok(());
                    }
                    Entry::Refused(silent_for) => {
                        self.probe(&mut state, deadline);
                        return Err(Error::NotAsked { silent_for });
                    }
                    Entry::Wait => {
                        let (call, called) = oneshot::channel();
                        state.waiting.push_back((deadline, call));
                        called
                    }
                }
            };
            if (Called { gate: self, call: Some(called) }).comes().await {
                sent.begin();
                return Ok(());
            }
            // There is an outage, which the next look tells.
        }
    }

    /// One command fewer is out: those go who may.
    fn admit(state: &mut State) {
        let now = Instant::now();
        while let Some((deadline, call)) = state.waiting.pop_front() {
            // Whoever is gone is passed over.
            if call.is_closed() {
                continue;
            }
            match state.breaker.enter(now, deadline) {
                Entry::Go => {
                    if call.send(()).is_err() {
                        state.breaker.ended();
                    }
                }
                Entry::Wait => {
                    state.waiting.push_front((deadline, call));
                    return;
                }
                // Dropping the call tells its owner.
                Entry::Refused(_) => {}
            }
        }
    }

    /// Nobody was answered by the deadline.
    fn timed_out(self: &Arc<Self>, sent: Instant, deadline: Duration, used: &Use) {
        self.line.give_up_on(used);
        let mut state = locked(&self.state);
        if state.breaker.timed_out(sent) {
            state.measure();
            event!(warn, "the limiter's server is silent; nothing is sent until it answers");
            self.probe(&mut state, deadline);
        }
        Self::admit(&mut state);
    }

    /// Sees to it that somebody asks whether the server is there.
    fn probe(self: &Arc<Self>, state: &mut State, deadline: Duration) {
        if !state.probed {
            state.probed = true;
            tokio::spawn(Probe(Arc::downgrade(self)).run(deadline));
        }
    }
}

fn is_answer(outcome: &Result<Value, RedisError>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(error) => error.code().is_some(),
    }
}

/// Who waits to be called. One who is gone at the very moment of the call hands the place on.
struct Called<'a, S: Source> {
    gate: &'a Arc<Gate<S>>,
    call: Option<oneshot::Receiver<()>>,
}

impl<S: Source> Called<'_, S> {
    /// False: nobody is admitted now.
    async fn comes(mut self) -> bool {
        let Some(call) = &mut self.call else { return false };
        let admitted = call.await.is_ok();
        self.call = None;
        admitted
    }
}

impl<S: Source> Drop for Called<'_, S> {
    fn drop(&mut self) {
        let Some(mut call) = self.call.take() else { return };
        call.close();
        if call.try_recv().is_ok() {
            let mut state = locked(&self.gate.state);
            state.breaker.ended();
            Gate::<S>::admit(&mut state);
        }
    }
}

/// One command on its way through a gate: whether it is out, and since when.
pub(super) struct Sent<S: Source> {
    gate: Arc<Gate<S>>,
    used: Use,
    at: Mutex<Stage>,
}

#[derive(Clone, Copy)]
enum Stage {
    /// Not out yet.
    Before,
    /// Out, and awaited within its deadline.
    Out(Instant),
    /// Out, and nobody counts on the answer any more.
    Late,
    Over,
}

impl<S: Source> Sent<S> {
    pub(super) fn new(gate: &Arc<Gate<S>>) -> Self {
        Self { gate: Arc::clone(gate), used: Use::default(), at: Mutex::new(Stage::Before) }
    }

    /// Whether the server may get the command, or has got it.
    pub(super) fn is_written(&self) -> bool {
        self.used.is_sent()
    }

    fn begin(&self) {
        *locked(&self.at) = Stage::Out(Instant::now());
    }

    fn end(&self, answered: bool) {
        let stage = std::mem::replace(&mut *locked(&self.at), Stage::Over);
        let now = Instant::now();
        let mut state = locked(&self.gate.state);
        match stage {
            Stage::Out(sent) if answered => state.breaker.answered(sent, now),
            Stage::Out(_) => state.breaker.ended(),
            Stage::Late if answered => state.breaker.alive(now),
            Stage::Before | Stage::Late | Stage::Over => return,
        }
        state.measure();
        Gate::<S>::admit(&mut state);
    }

    /// The deadline is over.
    pub(super) fn time_out(&self, deadline: Duration) {
        let stage = {
            let mut at = locked(&self.at);
            let stage = *at;
            if matches!(stage, Stage::Out(_)) {
                *at = Stage::Late;
            }
            stage
        };
        if let Stage::Out(sent) = stage {
            self.gate.timed_out(sent, deadline, &self.used);
        }
    }
}

impl<S: Source> Drop for Sent<S> {
    fn drop(&mut self) {
        // Dropped while it was out, with its runtime perhaps.
        self.end(false);
    }
}

/// Asks a silent server whether it is there, one PING after the other, each on a connection of its own, until
/// it is or nobody needs it any more.
struct Probe<S: Source>(Weak<Gate<S>>);

impl<S: Source> Probe<S> {
    async fn run(self, deadline: Duration) {
        loop {
            let Some(gate) = self.0.upgrade() else { return };
            if !locked(&gate.state).breaker.is_open() {
                return;
            }
            let used = Use::default();
            let ping = redis::cmd("PING");
            let answer = timeout(deadline, gate.line.query(&ping, &used)).await;
            match answer {
                Ok(outcome) if is_answer(&outcome) => {
                    event!(info, "the limiter's server answers again");
                    let mut state = locked(&gate.state);
                    state.breaker.alive(Instant::now());
                    state.measure();
                    Gate::<S>::admit(&mut state);
                    return;
                }
                Ok(_) => {}
                Err(_) => gate.line.give_up_on(&used),
            }
            drop(gate);
            sleep(AGAIN).await;
        }
    }
}

impl<S: Source> Drop for Probe<S> {
    fn drop(&mut self) {
        // Whoever is refused next starts another, should this one have ended with its runtime.
        if let Some(gate) = self.0.upgrade() {
            locked(&gate.state).probed = false;
        }
    }
}
