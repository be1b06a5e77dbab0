//! Locks of a server, and one of them: taking it, waiting for it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sluice_core::time::MAX_MS;
use tokio::time::{Instant, timeout, timeout_at};

use super::attempt::{Attempt, conclude, nothing_sent};
use super::claimant::Claimant;
use super::listen::{Heard, Who, listen};
use super::seats::{Place, Seat};
use super::server::Server;
use super::wait::Wait;
use crate::command;
use crate::error::{Error, Result};
use crate::link::{Connect, Way};
use crate::lock_info::LockInfo;
use crate::lock_reply::LockReply;
use crate::measure;
use crate::wire::bounded;

/// Locks of one server or cluster.
///
/// Cheap to clone; clones share a connection. Needs tokio wherever it is awaited.
///
/// ```
/// use std::time::Duration;
/// use sluice_client::{Attempt, Locks};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = sluice_testing::url();
/// let locks = Locks::new(redis::Client::open(url)?);
/// let lock = locks.lock("lock:integration").ttl(Duration::from_secs(60));
///
/// match lock.try_acquire().await? {
///     Attempt::Held { retry_after, .. } => println!("another run is at it, for {retry_after:?}"),
///     Attempt::Acquired(mut guard) => {
///         guard.keep_alive();
///         tokio::select! {
///             () = work(guard.fence()) => { guard.release().await?; }
///             () = guard.lost() => println!("stop: somebody else may hold the lock now"),
///         }
///     }
/// }
/// # Ok(())
/// # }
/// # async fn work(_fence: u64) {}
/// ```
pub struct Locks<K: Connect = redis::Client> {
    server: Arc<Server<K>>,
    label: Option<Arc<str>>,
}

impl<K: Connect> Locks<K> {
    /// Locks over connections of this client, which are made when they are needed. A call has a
    /// second to be answered.
    pub fn new(client: K) -> Self {
        Self::with_deadline(client, Duration::from_secs(1))
    }

    /// As [`Self::new`], with another deadline for each call (a wait for a lock has its own).
    pub fn with_deadline(client: K, deadline: Duration) -> Self {
        Self::on(Way::Source(client), deadline)
    }

    pub(crate) fn on(way: Way<K>, deadline: Duration) -> Self {
        Self { server: Arc::new(Server::new(way, bounded(deadline))), label: None }
    }

    /// What owners are named, before the random part: `LOCK.INFO` then shows who it is that holds a
    /// lock, `batch@host7` perhaps. At most 470 bytes.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.into());
        self
    }

    /// For how many locks this process may wait at once in the server, each with a connection: 64 unless said
    /// otherwise. Any number may wait for one lock. Beyond that, waiting for yet another is
    /// [`Error::TooManyWaits`]. Clones share it.
    #[must_use]
    pub fn waiting_connections(self, connections: usize) -> Self {
        self.server.seats.set_number(connections);
        self
    }

    /// Waits until all that was dropped is released: guards, and attempts and waits that were given up. Call
    /// it last thing before a runtime ends, and drop the guards before: releases that are still under way end
    /// with their runtime, and then the leases have to end the locks.
    ///
    /// While the server is out of reach this lasts as long as the longest of those leases at most; put a
    /// `tokio::time::timeout` around it to wait less.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use sluice_client::Locks;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let client = redis::Client::open(sluice_testing::url())?;
    /// let locks = Locks::new(client);
    /// let outcome = run(&locks).await; // returns early with `?`, and drops its guards then
    /// locks.close().await;
    /// outcome
    /// # }
    /// # async fn run(locks: &Locks) -> Result<(), Box<dyn std::error::Error>> {
    /// #     let _guard = locks.lock("lock:closing").try_acquire().await?;
    /// #     Ok(())
    /// # }
    /// ```
    pub async fn close(&self) {
        self.server.released().await;
    }

    #[cfg(feature = "sync")]
    pub(crate) fn deadline(&self) -> Duration {
        self.server.deadline
    }

    /// The lock in this key, with a lease of 30 s, for one holder.
    pub fn lock(&self, key: impl AsRef<[u8]>) -> Lock<K> {
        Lock { locks: self.clone(), key: key.as_ref().into(), ttl: Duration::from_secs(30), holders: 1 }
    }
}

/// One lock, free or held.
pub struct Lock<K: Connect = redis::Client> {
    locks: Locks<K>,
    key: Arc<[u8]>,
    ttl: Duration,
    holders: usize,
}

impl<K: Connect> Lock<K> {
    /// How long the lock is held, unless it is extended or released: as long as the work takes at the
    /// most, or some seconds with [`Guard::keep_alive`](crate::Guard::keep_alive). After a crash the lock is free when that is over.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = bounded(ttl);
        self
    }

    /// How many may hold it at once, 1 to 1024: a semaphore. Use the same number for a key everywhere.
    #[must_use]
    pub fn holders(mut self, holders: usize) -> Self {
        self.holders = holders;
        self
    }

    /// Takes the lock if it is free.
    ///
    /// When the answer is lost, the server is asked whether the lock was granted; if it does not answer
    /// that either, the call is an error and the lock is released as soon as the server is back. The
    /// same happens when the future is dropped.
    pub async fn try_acquire(&self) -> Result<Attempt<K>> {
        measured(self.attempt().await)
    }

    async fn attempt(&self) -> Result<Attempt<K>> {
        let claimant = self.claimant();
        let command = command::lock_try(&claimant.key, &claimant.owner, claimant.lease, self.holders);
        let sent = Instant::now();
        let reply = claimant.server.ask::<LockReply>(&command).await;
        conclude(claimant, sent, reply).await
    }

    /// Takes the lock, or waits for it, first in, first out, without polling. [`Attempt::Held`] when the time is
    /// over. [`Duration::MAX`] waits without a limit.
    ///
    /// Of all who wait for one lock in this process, one waits in the server, on a connection of its own, for
    /// all of them; the others stand behind it here. So a process with many who wait has one place in the
    /// server's queue, as one with few has.
    ///
    /// Dropping the future gives the wait up; the lock is not held afterwards.
    ///
    /// # Errors
    /// [`Error::TooManyWaits`] if it is not free and this process waits for
    /// [so many](Locks::waiting_connections) other locks already.
    pub async fn acquire(&self, time: Duration) -> Result<Attempt<K>> {
        measured(self.attempt_within(time).await)
    }

    async fn attempt_within(&self, time: Duration) -> Result<Attempt<K>> {
        if time.is_zero() {
            return self.attempt().await;
        }
        let end = Instant::now().checked_add(time).filter(|_| time <= Duration::from_millis(MAX_MS));
        let seat = match self.locks.server.seats.sit(&self.key) {
            Place::Seat(seat) => match self.attempt().await? {
                Attempt::Held { .. } => seat,
                acquired => return Ok(acquired),
            },
            Place::Full(seats) => {
                return match self.attempt().await? {
                    Attempt::Held { .. } => Err(Error::TooManyWaits(seats)),
                    acquired => Ok(acquired),
                };
            }
            Place::Behind(called) => match before(end, called).await {
                Some(Ok(seat)) => seat,
                // The seats are a part of what is waited on here, so they outlive it.
                Some(Err(_)) | None => return Ok(self.held().await),
            },
        };
        self.wait(seat, end).await
    }

    /// Waits in the server, for all who wait here.
    async fn wait(&self, mut seat: Seat<K>, end: Option<Instant>) -> Result<Attempt<K>> {
        loop {
            match self.wait_once(seat, end).await? {
                Waited::Done(attempt) => return Ok(attempt),
                Waited::Lost(_) if end.is_some_and(|end| end <= Instant::now()) => {
                    return Ok(self.held().await);
                }
                Waited::Lost(again) => seat = again,
            }
        }
    }

    async fn wait_once(&self, mut seat: Seat<K>, end: Option<Instant>) -> Result<Waited<K>> {
        let claimant = self.claimant();
        let deadline = claimant.server.deadline;
        let connection = match seat.connection.take() {
            Some(connection) => connection,
            None => match timeout(deadline, claimant.server.connect()).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => return Err(nothing_sent(claimant, error.into())),
                Err(_) => return Err(nothing_sent(claimant, Error::TimedOut(deadline))),
            },
        };
        let sent = Instant::now();
        // Zero has no limit for the server.
        let block = end
            .map_or(Duration::ZERO, |end| end.saturating_duration_since(sent).max(Duration::from_millis(1)));
        let who = Who::of(&claimant);
        let wait = Wait::new(claimant, connection, seat, self.holders, block);
        // The server times the wait; only one that is gone is left here.
        let attempt = match before(end.map(|end| end + deadline), listen(wait, who)).await {
            Some(Heard::Answered(claimant, reply)) => conclude(claimant, sent, reply.map_err(Error::from)),
            Some(Heard::Unheard(claimant)) => conclude(claimant, sent, Err(Error::TimedOut(deadline))),
            Some(Heard::Lost(seat)) => return Ok(Waited::Lost(seat)),
            None => return Err(Error::TimedOut(block + deadline)),
        };
        attempt.await.map(Waited::Done)
    }

    /// What is said to one whose time is over before it was its turn to wait in the server.
    async fn held(&self) -> Attempt<K> {
        let holders = self.info().await.ok().flatten().map(|info| info.holders).unwrap_or_default();
        Attempt::Held {
            fence: holders.iter().map(|holder| holder.fence).max(),
            retry_after: holders.iter().map(|holder| holder.left).min(),
        }
    }

    /// Who holds it, and how many wait; `None` when nobody does either.
    pub async fn info(&self) -> Result<Option<LockInfo>> {
        self.locks.server.ask(&command::lock_info(&self.key)).await
    }

    fn claimant(&self) -> Claimant<K> {
        Claimant::new(&self.locks.server, &self.key, self.locks.label.as_deref(), self.ttl)
    }
}

/// What a wait in the server came to.
enum Waited<K: Connect> {
    Done(Attempt<K>),
    /// The server knows nothing of it any more: another is begun, with the same seat.
    Lost(Seat<K>),
}

/// What an attempt came to is measured.
fn measured<K: Connect>(outcome: Result<Attempt<K>>) -> Result<Attempt<K>> {
    measure::attempted(match &outcome {
        Ok(Attempt::Acquired(_)) => "acquired",
        Ok(Attempt::Held { .. }) => "held",
        Err(_) => "error",
    });
    outcome
}

/// What the future answers before the end, if there is one.
async fn before<F: Future>(end: Option<Instant>, future: F) -> Option<F::Output> {
    match end {
        Some(end) => timeout_at(end, future).await.ok(),
        None => Some(future.await),
    }
}

impl<K: Connect> Clone for Locks<K> {
    fn clone(&self) -> Self {
        Self { server: Arc::clone(&self.server), label: self.label.clone() }
    }
}

impl<K: Connect> Clone for Lock<K> {
    fn clone(&self) -> Self {
        Self { locks: self.locks.clone(), key: Arc::clone(&self.key), ttl: self.ttl, holders: self.holders }
    }
}

impl<K: Connect> fmt::Debug for Locks<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks").field("label", &self.label).finish_non_exhaustive()
    }
}

impl<K: Connect> fmt::Debug for Lock<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("key", &String::from_utf8_lossy(&self.key))
            .field("ttl", &self.ttl)
            .field("holders", &self.holders)
            .finish_non_exhaustive()
    }
}
