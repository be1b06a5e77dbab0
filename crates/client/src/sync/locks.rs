//! Locks that block.

use std::fmt;
use std::time::Duration;

use super::guard::Guard;
use super::runtime::wait;
use crate::error::Result;
use crate::in_process::InProcess;
use crate::link::Connect;
use crate::lock_info::LockInfo;

/// [`sluice_client::Locks`](crate::Locks) for code that blocks. Cheap to clone; clones share a connection.
pub struct Locks<K: Connect = redis::Client>(crate::Locks<K>);

impl<K: Connect> Locks<K> {
    /// Locks over connections of this client. A call has a second to be answered.
    pub fn new(client: K) -> Self {
        Self(crate::Locks::new(client))
    }

    /// As [`Self::new`], with another deadline for each call (a wait for a lock has its own).
    pub fn with_deadline(client: K, deadline: Duration) -> Self {
        Self(crate::Locks::with_deadline(client, deadline))
    }

    /// What owners are named, before the random part. See [`Locks::label`](crate::Locks::label).
    #[must_use]
    pub fn label(self, label: &str) -> Self {
        Self(self.0.label(label))
    }

    /// For how many locks this process may wait at once. See
    /// [`Locks::waiting_connections`](crate::Locks::waiting_connections).
    #[must_use]
    pub fn waiting_connections(self, connections: usize) -> Self {
        Self(self.0.waiting_connections(connections))
    }

    /// Waits until all that was dropped is released. Only a guard that was dropped in async code, or while the server
    /// was out of reach, has not been released already: see [`Guard`].
    pub fn close(&self) -> Result<()> {
        wait(self.0.close())
    }

    /// The lock in this key, with a lease of 30 s, for one holder.
    pub fn lock(&self, key: impl AsRef<[u8]>) -> Lock<K> {
        Lock { lock: self.0.lock(key), locks: self.0.clone() }
    }
}

impl Locks {
    /// Locks of a server of their own in this process, for tests that need no Redis: see [`InProcess`].
    pub fn in_process() -> Self {
        Self(crate::Locks::in_process())
    }

    /// Locks of a server in this process that others share.
    pub fn with_in_process(server: &InProcess) -> Self {
        Self(crate::Locks::with_in_process(server))
    }
}

/// One lock, free or held.
pub struct Lock<K: Connect = redis::Client> {
    lock: crate::Lock<K>,
    locks: crate::Locks<K>,
}

impl<K: Connect> Lock<K> {
    /// How long the lock is held, unless it is extended or released. See [`Lock::ttl`](crate::Lock::ttl).
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { lock: self.lock.ttl(ttl), ..self }
    }

    /// How many may hold it at once. See [`Lock::holders`](crate::Lock::holders).
    #[must_use]
    pub fn holders(self, holders: usize) -> Self {
        Self { lock: self.lock.holders(holders), ..self }
    }

    /// Takes the lock if it is free. See [`Lock::try_acquire`](crate::Lock::try_acquire).
    pub fn try_acquire(&self) -> Result<Attempt<K>> {
        wait(self.lock.try_acquire())?.map(|attempt| self.outcome(attempt))
    }

    /// Takes the lock, or waits for it, in order. See [`Lock::acquire`](crate::Lock::acquire).
    pub fn acquire(&self, time: Duration) -> Result<Attempt<K>> {
        wait(self.lock.acquire(time))?.map(|attempt| self.outcome(attempt))
    }

    /// Who holds it, and how many wait; `None` when nobody does either.
    pub fn info(&self) -> Result<Option<LockInfo>> {
        wait(self.lock.info())?
    }

    fn outcome(&self, attempt: crate::Attempt<K>) -> Attempt<K> {
        match attempt {
            crate::Attempt::Acquired(guard) => Attempt::Acquired(Guard::new(guard, self.locks.deadline())),
            crate::Attempt::Held { fence, retry_after } => Attempt::Held { fence, retry_after },
        }
    }
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

/// Shares its connection.
impl<K: Connect> From<crate::Locks<K>> for Locks<K> {
    fn from(locks: crate::Locks<K>) -> Self {
        Self(locks)
    }
}

impl<K: Connect> Clone for Locks<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Connect> Clone for Lock<K> {
    fn clone(&self) -> Self {
        Self { lock: self.lock.clone(), locks: self.locks.clone() }
    }
}

impl<K: Connect> fmt::Debug for Locks<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Connect> fmt::Debug for Lock<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock.fmt(f)
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
