//! What can be asked of a limiter.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ask::{Answer, Question};
use super::crowd;
use super::lane::{Lane, Origin};
use super::outage::Outage;
use super::permit::{Permit, Taken};
use super::queue::Terms;
use super::settings::{Limiter, Settings};
use super::shares::Shares;
use crate::command;
use crate::decision::Decision;
use crate::error::{Error, Result};
use crate::limit_reply::LimitReply;
use crate::link::Source;
use crate::measure;
use crate::wire::{duration, millis};

impl<S: Source> Limiter<S> {
    /// Waits its turn: first in, first out over all processes, in the order of arrival at the server.
    ///
    /// It is granted when it is time to go ahead (the `wait` of the answer is zero), and denied at
    /// once when the queue is longer than [`Self::max_wait`].
    ///
    /// Dropping the future gives the turn up: everybody in this process who waits for the same key and
    /// limits moves up by one, and the last of their turns is offered back to the server, which takes
    /// it unless somebody else stands behind it. While it is here, a newcomer of this process who would be refused
    /// gets it. Once the turn has come, nothing is given back.
    ///
    /// What is spaced is when this returns. What the caller sends then takes its own time, so where the other side
    /// counts each gap, limit to a little less than it allows.
    pub async fn acquire(&self, key: impl AsRef<[u8]>) -> Result<Permit<S>> {
        let key = key.as_ref();
        let Reserved { mut decision, asked, answered, lane } = self.turn(key).await?;
        let (queue, terms) = (&self.settings.shared.queue, self.settings.terms);
        let taken = Taken { of: lane.origin(), turn: true };
        let turn = if let Decision::Denied { .. } = decision {
            let max_wait = self.settings.max_wait;
            let Some(turn) = queue.take_given_up(&lane, max_wait, terms).await else {
                return Ok(self.permit(key, decision.to_those_who_wait(max_wait), taken));
            };
            decision = decision.with_a_turn(turn.due.saturating_duration_since(answered), turn.act_at);
            turn
        } else {
            queue.turn(asked, answered + decision.wait(), decision.act_at())
        };
        if decision.wait().is_zero() {
            if decision.is_granted() {
                measure::waited(Duration::ZERO);
            }
            return Ok(self.permit(key, decision, taken));
        }
        let used = queue.wait_for(lane.clone(), turn, terms).await;
        if terms.heed_holds && lane.origin() == Origin::Server {
            match queue.wait_out_holds(&lane, used, terms).await {
                Err(error) if self.settings.outage == Outage::Closed || !error.is_unreachable() => {
                    return Err(error);
                }
                Err(error) => event!(warn, "a turn is used unasked for holds", error = error),
                Ok(()) => {}
            }
        }
        let waited = answered.elapsed();
        measure::waited(waited);
        Ok(self.permit(key, decision.acted(waited, used.act_at), taken))
    }

    /// Takes a turn, and does not wait for it: sleep for the [`wait`](Decision::wait) of the answer and then go
    /// ahead, or [cancel](Permit::cancel) it. [`Self::acquire`] does the sleeping, asks about holds, and hands turns
    /// that are given up on within this process; this is for those who have to know when it will be.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sluice_client::{Limit, Limiter};
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::in_process(Limit::per_minute(1));
    /// assert!(limiter.reserve("report").await?.wait().is_zero());
    /// let turn = limiter.with(Limit::per_minute(1)).max_wait(Duration::from_secs(60)).reserve("report").await?;
    /// if turn.wait() > Duration::from_secs(10) {
    ///     assert!(turn.cancel().await?, "nobody stands behind it");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reserve(&self, key: impl AsRef<[u8]>) -> Result<Permit<S>> {
        let Reserved { decision, answered, lane, .. } = self.turn(key.as_ref()).await?;
        let decision = decision.to_those_who_wait(self.settings.max_wait).later(answered.elapsed());
        Ok(self.permit(key.as_ref(), decision, Taken { of: lane.origin(), turn: true }))
    }

    fn permit(&self, key: &[u8], decision: Decision, taken: Taken) -> Permit<S> {
        measure::decided(&decision);
        Permit { limiter: self.clone(), key: key.into(), decision, taken }
    }

    /// Asks for a turn, of the server or of what knows in its place.
    async fn turn(&self, key: &[u8]) -> Result<Reserved> {
        let (limits, max_wait, terms) = (self.settings.limits, self.settings.max_wait, self.settings.terms);
        let lane = Lane::new(key, limits, Origin::Server);
        if let Some(decision) = self.remembered(key, max_wait) {
            let now = Instant::now();
            return Ok(Reserved { decision, asked: now, answered: now, lane });
        }
        let command = command::ratelimit_reserve(key, limits, max_wait);
        let for_nobody = {
            let (queue, lane) = (Arc::clone(&self.settings.shared.queue), lane.clone());
            move |answer: Answer<LimitReply>| queue.take_late(lane, &answer, terms)
        };
        let question = Question::new(&self.settings.shared.gate, command, terms.deadline, for_nobody);
        let Answer { reply, asked, answered } = question.await;
        let (decision, lane) = match reply {
            Ok(reply) => {
                let decision = reply.decision();
                self.remember(key, asked, decision);
                (decision, lane)
            }
            Err(error) => {
                let decision = self.in_outage(error, key, max_wait)?;
                (decision, Lane::new(key, limits, Origin::Local))
            }
        };
        Ok(Reserved { decision, asked, answered, lane })
    }

    /// Takes the tokens if they are all there now.
    ///
    /// Where a call costs 1 or nothing of each limit, at most two questions for one key and limits are out at a
    /// time: those who come meanwhile are asked for together, with `COST n PARTIAL`, and the first go. To the
    /// server that is the same as if each had asked; in its `INFO sluice` it is one call. One that costs more
    /// asks for itself.
    pub async fn try_acquire(&self, key: impl AsRef<[u8]>) -> Result<Permit<S>> {
        let permit = |decision, of| self.permit(key.as_ref(), decision, Taken { of, turn: false });
        if let Some(refusal) = self.remembered(key.as_ref(), Duration::ZERO) {
            return Ok(permit(refusal, Origin::Server));
        }
        let asked = Instant::now();
        match self.take(key.as_ref(), asked).await {
            Ok(decision) => {
                self.remember(key.as_ref(), asked, decision);
                Ok(permit(decision, Origin::Server))
            }
            Err(error) => {
                let decision = self.in_outage(error, key.as_ref(), Duration::ZERO)?;
                Ok(permit(decision, Origin::Local))
            }
        }
    }

    async fn take(&self, key: &[u8], now: Instant) -> Result<Decision> {
        if Shares::are_possible(&self.settings.limits) {
            let Settings { limits, plan, terms: Terms { deadline, .. }, ref shared, .. } = *self.settings;
            return shared.crowds.acquire(key, &crowd::Terms { limits, plan, deadline }, now).await;
        }
        let reply: LimitReply = self.ask(command::ratelimit_acquire(key, self.settings.limits)).await?;
        Ok(reply.decision())
    }

    /// Takes the tokens, into debt if need be, whatever [`Outage`] says: an outage is an error.
    pub async fn force(&self, key: impl AsRef<[u8]>) -> Result<Decision> {
        let reply: LimitReply =
            self.ask(command::ratelimit_force(key.as_ref(), self.settings.limits)).await?;
        let decision = reply.forced();
        measure::decided(&decision);
        Ok(decision)
    }

    /// Holds a key, whatever [`Outage`] says: nobody acts before that time is over. A ban, or a partner
    /// that answered 429 with `Retry-After`. What was used stays used, [`Self::try_acquire`] is refused
    /// until the end, and [`Self::acquire`] queues behind it. Answers for how long the key is held now:
    /// a hold only grows.
    ///
    /// Turns that were given before move behind the end. Those who wait for one hear of it if their
    /// limiter is told to [`heed_holds`](Self::heed_holds).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sluice_client::{Limit, Limiter, Outage};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = redis::Client::open(sluice_testing::url())?;
    /// let partner = Limiter::new(client, Limit::per_second(2).burst(1), Outage::Closed).heed_holds(true);
    /// let retry_after = Duration::from_secs(20); // as the partner's 429 says
    /// let held = partner.hold("partner:slow", retry_after).await?;
    /// assert!(held >= retry_after);
    /// # partner.end_hold("partner:slow").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn hold(&self, key: impl AsRef<[u8]>, time: Duration) -> Result<Duration> {
        self.ask(command::ratelimit_hold(key.as_ref(), time)).await.map(duration)
    }

    /// Ends a hold: turns that had moved behind it come sooner by what was left of it. Whoever has asked
    /// about a turn before sleeps as long as it was told.
    pub async fn end_hold(&self, key: impl AsRef<[u8]>) -> Result<()> {
        let ask = self.ask(command::ratelimit_end_hold(key.as_ref()));
        self.while_forgotten(key.as_ref(), ask).await.map(|_: i64| ())
    }

    /// What the caller chose for when nobody answers; any other error stays one.
    fn in_outage(&self, error: Error, key: &[u8], max_wait: Duration) -> Result<Decision> {
        if !error.is_unreachable() {
            return Err(error);
        }
        event!(warn, "the limiter's server is out of reach", error = error);
        measure::outage(&error);
        match self.settings.outage {
            Outage::Closed => Err(error),
            Outage::Open => Ok(Decision::Unchecked),
            Outage::Local { one_of } => {
                Ok(self.settings.shared.engine.acquire(key, &self.settings.limits, one_of, millis(max_wait)))
            }
        }
    }

    fn remembered(&self, key: &[u8], max_wait: Duration) -> Option<Decision> {
        self.settings.refusals.as_ref()?.find(key, &self.settings.limits, Instant::now(), max_wait)
    }

    fn remember(&self, key: &[u8], asked: Instant, decision: Decision) {
        if let Some(refusals) = self.settings.refusals.as_ref().filter(|_| decision.retry_after().is_some()) {
            refusals.put(key, self.settings.limits, asked, decision);
        }
    }
}

/// What became of a reservation.
struct Reserved {
    decision: Decision,
    asked: Instant,
    answered: Instant,
    /// Whose turn it is, or would be.
    lane: Lane,
}
