//! The limiter: what can be asked of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::FromRedisValue;
use tokio::time::Instant;

use super::ahead::Plan;
use super::ask::{Answer, Question, ask};
use super::crowd;
use super::crowds::Crowds;
use super::gate::Gate;
use super::lane::{Lane, Origin};
use super::local::Engine;
use super::outage::Outage;
use super::permit::{Permit, Taken};
use super::queue::{Queue, Terms};
use super::refusals::Refusals;
use super::shares::Shares;
use crate::command;
use crate::decision::Decision;
use crate::error::{Error, Result};
use crate::limit_reply::LimitReply;
use crate::limits::Limits;
use crate::link::{Source, Way};
use crate::measure;
use crate::wire::{bounded, duration, millis};

/// Limits on the keys of one server, for everything that this process sends.
///
/// Cheap to clone; clones share the connection and the queues. Needs tokio wherever it is awaited.
///
/// ```
/// use std::time::Duration;
/// use sluice_client::{Decision, Limit, Limiter, Outage};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = redis::Client::open(sluice_testing::url())?;
/// // At most two calls a second to the partner, one half a second after the other, over all processes.
/// const PARTNER: Limit = Limit::per_second(2).burst(1);
///
/// let limiter = Limiter::new(client, PARTNER, Outage::Closed).max_wait(Duration::from_secs(30));
///
/// match *limiter.acquire("partner:api").await? {
///     Decision::Denied { retry_after, .. } => println!("the queue is longer than 30 s: {retry_after:?}"),
///     _ => println!("our turn has come: send the request now"),
/// }
/// # Ok(())
/// # }
/// ```
pub struct Limiter<S: Source = redis::Client> {
    pub(super) settings: Arc<Settings<S>>,
}

pub(super) struct Settings<S: Source> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) limits: Limits,
    max_wait: Duration,
    terms: Terms,
    pub(super) outage: Outage,
    /// Clones share it.
    refusals: Option<Arc<Refusals>>,
    ahead: Duration,
    plan: Option<Plan>,
}

pub(super) struct Shared<S: Source> {
    gate: Arc<Gate<S>>,
    queue: Arc<Queue<S>>,
    crowds: Arc<Crowds<S>>,
    pub(super) engine: Arc<Engine>,
}

impl<S: Source> Limiter<S> {
    /// A limiter that waits up to 30 s, gives the server 250 ms to answer, and remembers no refusals.
    ///
    /// `source` is a client, best of all: the limiter then owns a connection, which it makes when it is first
    /// needed and anew when it breaks, does not answer in time or leads to a server that became a replica. A
    /// connection that is ready does too; see [`Source`].
    ///
    /// What happens when the server is out of reach is for the caller to say: there is no choice that suits
    /// everybody.
    pub fn new(source: S, limits: impl Into<Limits>, outage: Outage) -> Self {
        Self::on(Way::Source(source), limits.into(), outage)
    }

    pub(crate) fn on(way: Way<S>, limits: Limits, outage: Outage) -> Self {
        let (gate, engine) = (Arc::new(Gate::new(way)), Arc::new(Engine::default()));
        let queue = Arc::new(Queue::new(Arc::clone(&gate), Arc::clone(&engine)));
        let crowds = Arc::new(Crowds::new(Arc::clone(&gate)));
        let settings = Settings {
            shared: Arc::new(Shared { gate, queue, crowds, engine }),
            limits,
            max_wait: Duration::from_secs(30),
            terms: Terms { deadline: Duration::from_millis(250), heed_holds: false },
            outage,
            refusals: None,
            ahead: Duration::ZERO,
            plan: None,
        };
        Self { settings: Arc::new(settings) }
    }

    /// This limiter's own settings, to be changed.
    fn set(&mut self) -> &mut Settings<S> {
        Arc::make_mut(&mut self.settings)
    }

    /// The longest that [`Self::acquire`] waits for its turn. The server allows up to its setting
    /// `sluice.max-wait-ms` (a minute unless changed) and answers more with
    /// [`Error::MaxWait`](crate::Error::MaxWait).
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.set().max_wait = max_wait;
        self
    }

    /// How long the server has for an answer before it counts as out of reach. A command that has not
    /// been sent by then never is; a turn that is granted later goes to whoever waits behind it, or back.
    ///
    /// When nobody has been answered by the deadline, nothing more is sent but one question after the other
    /// whether the server is there, and until it answers all calls are outages at once
    /// ([`Error::NotAsked`](crate::Error::NotAsked)): what piles up before a server that stands still would
    /// be carried out when it wakes, for callers who are gone.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.set().terms.deadline = bounded(deadline);
        self
    }

    /// Whether [`Self::acquire`] asks, when a turn is due, if a [hold](Self::hold) has moved it since it
    /// was told, and waits again until it has come. Not unless said otherwise: whoever waits for a turn
    /// when a hold is set then goes before the hold is over, while all who ask later are held.
    ///
    /// It costs one round trip that only reads for each turn that was waited for, and none for what
    /// passes at once. If the server is out of reach when a turn is due, [`Outage::Closed`] makes that an
    /// error; otherwise the turn is used.
    #[must_use]
    pub fn heed_holds(mut self, heed: bool) -> Self {
        self.set().terms.heed_holds = heed;
        self
    }

    /// Answers from memory while a key is known to be refused, for up to `keys` keys. That spares the
    /// server what an abuser sends. Grants are never answered from memory. A refund, the end of
    /// a hold or a `DEL` by somebody else is seen only when the refusal is over. When there are more keys, those
    /// asked for least are forgotten. Clones that are made afterwards share it; 0 remembers nothing.
    #[must_use]
    pub fn remember_refusals(mut self, keys: usize) -> Self {
        self.set().refusals = (keys > 0).then(|| Arc::new(Refusals::of(keys)));
        self
    }

    /// Lets [`Self::try_acquire`] take tokens ahead, for the calls of the next moments: on a busy key most
    /// calls then ask nobody. 100 ms is good advice; zero, which it is unless said otherwise, takes none.
    ///
    /// What is taken is good for *h*, which is `ahead` or a quarter of the time in which the limit fills, if
    /// that is less; then it lapses. So the promise of the limit becomes: in any time t,
    /// `burst + count * (t + h) / period` may pass, for any number of processes, also such that crash.
    ///
    /// It is for limits with a burst of four or more of which a call costs 1 or nothing. Of others, of windows
    /// and of keys that are asked for less than three times in h/2, nothing is taken ahead. [`Self::acquire`],
    /// [`Self::force`] and the rest always ask the server.
    ///
    /// - When the limit is used up, callers are refused from memory for about h/2 and at most a second. A refund, the
    ///   end of a hold or a `DEL` by another process is seen then.
    /// - A hold by another process is heeded h later.
    /// - What is told beside the grant, `remaining` and `reset`, is as of the last answer.
    /// - Processes that share a limit which is used up share it by chance, not in order.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sluice_client::{Limit, Limiter, Outage};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = redis::Client::open(sluice_testing::url())?;
    /// let limit = Limit::per_second(100_000);
    /// let limiter = Limiter::new(client, limit, Outage::Open).ahead(Duration::from_millis(100));
    /// assert!(limiter.try_acquire("all:requests").await?.is_granted());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn ahead(mut self, ahead: Duration) -> Self {
        let settings = self.set();
        settings.ahead = ahead;
        settings.plan = Plan::of(&settings.limits, ahead);
        self
    }

    /// The same limiter with other limits or costs: same connection, same queues.
    ///
    /// ```
    /// # use sluice_client::{Limit, Limits, Limiter, Outage};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = redis::Client::open(sluice_testing::url())?;
    /// const LLM: Limits = Limit::per_minute(60).and(Limit::per_minute(90_000));
    /// let limiter = Limiter::new(client, LLM, Outage::Closed);
    /// let estimated = 1500;
    /// let decision = limiter.with(LLM.with_costs(&[1, estimated])?).acquire("tenant:8").await?;
    /// # assert!(decision.is_granted());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with(&self, limits: impl Into<Limits>) -> Self {
        let limits = limits.into();
        let plan = Plan::of(&limits, self.settings.ahead);
        let settings = Settings { limits, plan, ..Settings::clone(&self.settings) };
        Self { settings: Arc::new(settings) }
    }

    /// The limits of each call, with their costs.
    pub fn limits(&self) -> &Limits {
        &self.settings.limits
    }

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

    pub(super) async fn ask<R: FromRedisValue + Send + 'static>(&self, command: redis::Cmd) -> Result<R> {
        ask(&self.settings.shared.gate, command, self.settings.terms.deadline).await
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

    /// Something is asked that ends refusals. What is known of them is forgotten before, in case this is dropped, and
    /// behind, because a call may have been refused meanwhile.
    pub(super) async fn while_forgotten<T>(&self, key: &[u8], ask: impl Future<Output = T>) -> T {
        self.forget(key);
        let outcome = ask.await;
        self.forget(key);
        outcome
    }

    fn forget(&self, key: &[u8]) {
        if self.settings.plan.is_some() {
            self.settings.shared.crowds.open(key);
        }
        if let Some(refusals) = &self.settings.refusals {
            refusals.forget(key);
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

impl<S: Source> Clone for Limiter<S> {
    fn clone(&self) -> Self {
        Self { settings: Arc::clone(&self.settings) }
    }
}

impl<S: Source> Clone for Settings<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), refusals: self.refusals.clone(), ..*self }
    }
}

impl<S: Source> fmt::Debug for Limiter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("limits", &self.settings.limits)
            .field("max_wait", &self.settings.max_wait)
            .field("deadline", &self.settings.terms.deadline)
            .field("heed_holds", &self.settings.terms.heed_holds)
            .field("outage", &self.settings.outage)
            .finish_non_exhaustive()
    }
}
