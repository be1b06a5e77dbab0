//! Locks that tell the truth: who is not certain to hold one is told so.
//!
//! | file | idea |
//! |---|---|
//! | `connect` | where connections come from, and the one that all calls share |
//! | `claim` | an attempt by a fresh owner, which ends in a release |
//! | `wait` | waiting in the server, and giving the wait up |
//! | `lease` | until when a lock is held for certain |
//! | `guard` | a lock that is held |

mod claim;
mod connect;
mod guard;
mod lease;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sluice_core::time::MAX_MS;
use tokio::time::{Instant, timeout};

pub use connect::Connect;
pub use guard::{Guard, NotReleased};

use crate::{Error, LockInfo, LockReply, Result, command};
use claim::Claim;
use connect::Line;
use wait::Wait;

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
    line: Arc<Line<K>>,
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
        Self { line: Arc::new(Line::new(client, deadline)), label: None }
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

/// What became of an attempt. That somebody else holds the lock is a value, not an error.
#[must_use = "a lock that was acquired is released when this is dropped"]
pub enum Attempt<K: Connect = redis::Client> {
    /// The lock is held until the guard is gone or its lease ends.
    Acquired(Guard<K>),
    /// Somebody else holds it.
    Held {
        /// The newest holder's fence, if anybody holds it still.
        fence: Option<u64>,
        /// When it could be free, if nobody extends a lease.
        retry_after: Option<Duration>,
    },
}

impl<K: Connect> Attempt<K> {
    /// The guard, if the lock was acquired.
    pub fn acquired(self) -> Option<Guard<K>> {
        match self {
            Self::Acquired(guard) => Some(guard),
            Self::Held { .. } => None,
        }
    }
}

impl<K: Connect> Lock<K> {
    /// How long the lock is held, unless it is extended or released: as long as the work takes at the
    /// most, or some seconds with [`Guard::keep_alive`]. After a crash the lock is free when that is over.
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
        let claim = self.claim();
        let command = command::lock_try(&claim.key, &claim.owner, claim.lease, self.holders);
        let sent = Instant::now();
        let reply = claim.line.ask::<LockReply>(&command).await;
        conclude(claim, sent, reply).await
    }

    /// Waits for the lock, first in, first out, without polling: in the server, on a connection of its
    /// own. [`Attempt::Held`] when the time is over. [`Duration::MAX`] waits without a limit.
    ///
    /// Dropping the future gives the wait up; the lock is not held afterwards.
    pub async fn acquire(&self, time: Duration) -> Result<Attempt<K>> {
        if time.is_zero() {
            return self.try_acquire().await;
        }
        let claim = self.claim();
        let deadline = claim.line.deadline;
        let connection = match timeout(deadline, claim.line.client.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(nothing_sent(claim, error.into())),
            Err(_) => return Err(nothing_sent(claim, Error::TimedOut(deadline))),
        };
        let endless = time > Duration::from_millis(MAX_MS);
        let block = if endless { Duration::ZERO } else { time };
        let sent = Instant::now();
        let wait = Wait::new(claim, connection, self.holders, block);
        // The server times the wait; only one that is gone is left here.
        let limit = if endless { Duration::MAX } else { time.saturating_add(deadline) };
        match timeout(limit, wait).await {
            Ok((claim, reply)) => conclude(claim, sent, reply.map_err(Error::from)).await,
            Err(_) => Err(Error::TimedOut(limit)),
        }
    }

    /// Who holds it, and how many wait; `None` when nobody does either.
    pub async fn info(&self) -> Result<Option<LockInfo>> {
        self.locks.line.ask(&command::lock_info(&self.key)).await
    }

    fn claim(&self) -> Claim<K> {
        Claim::new(&self.locks.line, &self.key, self.locks.label.as_deref(), self.ttl)
    }
}

fn nothing_sent<K: Connect>(claim: Claim<K>, error: Error) -> Error {
    claim.settle();
    error
}

/// What an answer comes to, to an attempt that was sent at this time.
async fn conclude<K: Connect>(
    claim: Claim<K>,
    sent: Instant,
    reply: Result<LockReply>,
) -> Result<Attempt<K>> {
    match reply {
        Ok(LockReply::Held { fence, left }) => {
            let lease = claim.lease;
            let guard = Guard::new(claim, fence, sent + left);
            // The lease began with the grant, which only the server saw. After a wait it is set anew, so
            // that there is a bound that this process can vouch for.
            if guard.valid_for() >= lease / 10 * 9 || guard.extend(lease).await? {
                return Ok(Attempt::Acquired(guard));
            }
            Ok(Attempt::Held { fence: None, retry_after: Some(Duration::ZERO) })
        }
        Ok(LockReply::NotHeld { fence, retry_after }) => {
            if K::RESENDS {
                match granted_after_all(claim).await? {
                    Ok(guard) => return Ok(Attempt::Acquired(guard)),
                    Err(claim) => claim.settle(),
                }
            } else {
                claim.settle();
            }
            Ok(Attempt::Held { fence, retry_after })
        }
        // Nobody knows: EXTEND does. If it was not granted, the claim is dropped, and released: the
        // command may still be on its way.
        Err(error) if error.is_unreachable() => match granted_after_all(claim).await {
            Ok(Ok(guard)) => Ok(Attempt::Acquired(guard)),
            Ok(Err(_)) | Err(_) => Err(error),
        },
        Err(error) => Err(nothing_sent(claim, error)),
    }
}

/// EXTEND tells whether the claim holds the lock: the guard then, or the claim again.
async fn granted_after_all<K: Connect>(claim: Claim<K>) -> Result<Result<Guard<K>, Claim<K>>> {
    let command = command::lock_extend(&claim.key, &claim.owner, claim.lease);
    let sent = Instant::now();
    match claim.line.ask(&command).await? {
        LockReply::Held { fence, left } => Ok(Ok(Guard::new(claim, fence, sent + left))),
        LockReply::NotHeld { .. } => Ok(Err(claim)),
    }
}

impl<K: Connect> Clone for Locks<K> {
    fn clone(&self) -> Self {
        Self { line: Arc::clone(&self.line), label: self.label.clone() }
    }
}

impl<K: Connect> Clone for Lock<K> {
    fn clone(&self) -> Self {
        Self { locks: self.locks.clone(), key: Arc::clone(&self.key), ttl: self.ttl, holders: self.holders }
    }
}

impl<K: Connect> fmt::Debug for Attempt<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acquired(guard) => f.debug_tuple("Acquired").field(guard).finish(),
            Self::Held { fence, retry_after } => {
                f.debug_struct("Held").field("fence", fence).field("retry_after", retry_after).finish()
            }
        }
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
