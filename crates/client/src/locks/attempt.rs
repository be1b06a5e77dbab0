//! An attempt to take a lock: what the answer, or the lack of one, comes to.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::claimant::Claimant;
use super::guard::Guard;
use crate::command;
use crate::error::{Error, Result};
use crate::link::Connect;
use crate::lock_reply::LockReply;

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

/// The attempt ended before the command was sent: there is nothing to release.
pub(super) fn nothing_sent<K: Connect>(claimant: Claimant<K>, error: Error) -> Error {
    claimant.settle();
    error
}

/// What an answer comes to, to an attempt that was sent at this time.
pub(super) async fn conclude<K: Connect>(
    claimant: Claimant<K>,
    sent: Instant,
    reply: Result<LockReply>,
) -> Result<Attempt<K>> {
    match reply {
        Ok(LockReply::Held { fence, left }) => {
            let lease = claimant.lease;
            let guard = Guard::new(claimant, fence, sent + left);
            // The lease began with the grant, at a time that only the server knows. Counted from when the
            // command was sent, nothing may be left of it after a wait: then it is set anew.
            if guard.valid_for() >= lease / 10 * 9 || guard.extend(lease).await? {
                return Ok(Attempt::Acquired(guard));
            }
            Ok(Attempt::Held { fence: None, retry_after: Some(Duration::ZERO) })
        }
        Ok(LockReply::NotHeld { fence, retry_after }) => {
            // "Not held" may be the answer to a second sending of a command whose first was granted.
            if K::RESENDS {
                match granted_after_all(claimant).await? {
                    Ok(guard) => return Ok(Attempt::Acquired(guard)),
                    Err(claimant) => claimant.settle(),
                }
            } else {
                claimant.settle();
            }
            Ok(Attempt::Held { fence, retry_after })
        }
        // Nobody knows whether the lock was granted, so EXTEND is asked. If it was not, the claimant is
        // dropped, which releases: the first command may still be on its way to the server.
        Err(error) if error.is_unreachable() => match granted_after_all(claimant).await {
            Ok(Ok(guard)) => Ok(Attempt::Acquired(guard)),
            Ok(Err(_)) | Err(_) => Err(error),
        },
        Err(error) => Err(nothing_sent(claimant, error)),
    }
}

/// EXTEND tells whether the claimant holds the lock: the guard then, or the claimant again.
async fn granted_after_all<K: Connect>(claimant: Claimant<K>) -> Result<Result<Guard<K>, Claimant<K>>> {
    let command = command::lock_extend(&claimant.key, &claimant.owner, claimant.lease);
    let sent = Instant::now();
    match claimant.server.ask(&command).await? {
        LockReply::Held { fence, left } => Ok(Ok(Guard::new(claimant, fence, sent + left))),
        LockReply::NotHeld { .. } => Ok(Err(claimant)),
    }
}
