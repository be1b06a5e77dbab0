//! Locks of a server, and one of them: taking it, waiting for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sluice_core::time::MAX_MS;
use tokio::time::{Instant, timeout};

use super::attempt::{Attempt, conclude, nothing_sent};
use super::claimant::Claimant;
use super::server::Server;
use super::wait::Wait;
use crate::command;
use crate::error::{Error, Result};
use crate::link::Connect;
use crate::lock_info::LockInfo;
use crate::lock_reply::LockReply;

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
        Self { server: Arc::new(Server::new(client, deadline)), label: None }
    }

    /// What owners are named, before the random part: `LOCK.INFO` then shows who it is that holds a
    /// lock, `batch@host7` perhaps. At most 470 bytes.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.label = Some(label.into());
        self
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
        self.ttl = ttl;
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
        let claimant = self.claimant();
        let command = command::lock_try(&claimant.key, &claimant.owner, claimant.lease, self.holders);
        let sent = Instant::now();
        let reply = claimant.server.ask::<LockReply>(&command).await;
        conclude(claimant, sent, reply).await
    }

    /// Waits for the lock, first in, first out, without polling: in the server, on a connection of its
    /// own. [`Attempt::Held`] when the time is over. [`Duration::MAX`] waits without a limit.
    ///
    /// Dropping the future gives the wait up; the lock is not held afterwards.
    pub async fn acquire(&self, time: Duration) -> Result<Attempt<K>> {
        if time.is_zero() {
            return self.try_acquire().await;
        }
        let claimant = self.claimant();
        let deadline = claimant.server.deadline;
        let connection = match timeout(deadline, claimant.server.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(nothing_sent(claimant, error.into())),
            Err(_) => return Err(nothing_sent(claimant, Error::TimedOut(deadline))),
        };
        let endless = time > Duration::from_millis(MAX_MS);
        let block = if endless { Duration::ZERO } else { time };
        let sent = Instant::now();
        let wait = Wait::new(claimant, connection, self.holders, block);
        // The server times the wait; only one that is gone is left here.
        let limit = if endless { Duration::MAX } else { time.saturating_add(deadline) };
        match timeout(limit, wait).await {
            Ok((claimant, reply)) => conclude(claimant, sent, reply.map_err(Error::from)).await,
            Err(_) => Err(Error::TimedOut(limit)),
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
