//! The limiter: what it is made of, and what it is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::FromRedisValue;

use super::ahead::Plan;
use super::ask::ask;
use super::crowds::Crowds;
use super::gate::Gate;
use super::local::Engine;
use super::outage::Outage;
use super::queue::{Queue, Terms};
use super::refusals::Refusals;
use crate::error::Result;
use crate::limits::Limits;
use crate::link::{Source, Way};
use crate::wire::bounded;

/// Limits on the keys of one server, for everything that this process sends.
///
/// Cheap to clone; clones share the connection and the queues. Needs tokio wherever it is awaited. Where several runtimes
/// share one, all of them have to run all the time: connections and questions are seen to by tasks of whichever caller
/// came first, and callers elsewhere who wait for one whose runtime stands still, between two calls of `block_on` perhaps,
/// are told of an outage at their deadline. Code that blocks has a limiter of its own, with the feature `sync`.
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
    pub(super) max_wait: Duration,
    pub(super) terms: Terms,
    pub(super) outage: Outage,
    /// Clones share it.
    pub(super) refusals: Option<Arc<Refusals>>,
    ahead: Duration,
    pub(super) plan: Option<Plan>,
}

pub(super) struct Shared<S: Source> {
    pub(super) gate: Arc<Gate<S>>,
    pub(super) queue: Arc<Queue<S>>,
    pub(super) crowds: Arc<Crowds<S>>,
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

    pub(super) async fn ask<R: FromRedisValue + Send + 'static>(&self, command: redis::Cmd) -> Result<R> {
        ask(&self.settings.shared.gate, command, self.settings.terms.deadline).await
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
