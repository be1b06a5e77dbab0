//! A lock that is held by a thread.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::runtime::{is_async, ready, wait};
use crate::error::{Error, Result};
use crate::link::Connect;

/// [`sluice_client::Guard`](crate::Guard) for code that blocks.
///
/// Dropping it releases the lock, and waits for that as long as a call has to be answered; where the server does not
/// answer by then, the runtime goes on trying for as long as the lease lasts. So a guard at the end of `main` is released.
/// In async code dropping it does not wait.
#[must_use = "a guard that is dropped releases the lock at once"]
pub struct Guard<K: Connect = redis::Client> {
    // In this order: what is dropped first is what the second waits for.
    guard: crate::Guard<K>,
    release: Release,
}

/// Dropping it waits until the guard, which was dropped before, is released.
struct Release {
    released: oneshot::Receiver<Infallible>,
    deadline: Duration,
}

impl Drop for Release {
    fn drop(&mut self) {
        if !is_async() {
            // On this runtime the guard was made, so it is there.
            let _ = wait(async { timeout(self.deadline, &mut self.released).await });
        }
    }
}

impl<K: Connect> Guard<K> {
    /// A guard that is released within the deadline, or in vain.
    pub(super) fn new(mut guard: crate::Guard<K>, deadline: Duration) -> Self {
        let released = guard.released();
        Self { guard, release: Release { released, deadline } }
    }

    /// The fencing token. See [`Guard::fence`](crate::Guard::fence).
    pub fn fence(&self) -> u64 {
        self.guard.fence()
    }

    /// The name under which the lock is held, as `LOCK.INFO` shows it.
    pub fn owner(&self) -> &[u8] {
        self.guard.owner()
    }

    /// How long the lock is held still, as far as this process can know. See
    /// [`Guard::valid_for`](crate::Guard::valid_for).
    pub fn valid_for(&self) -> Duration {
        self.guard.valid_for()
    }

    /// What tells whether the lock has been lost, for a thread beside the one that works.
    pub fn lost(&self) -> Lost {
        Lost(Box::pin(self.guard.lost()))
    }

    /// Sets what is left of the lease. See [`Guard::extend`](crate::Guard::extend).
    pub fn extend(&self, lease: Duration) -> Result<bool> {
        wait(self.guard.extend(lease))?
    }

    /// Renews the lease from now on, also while this thread blocks elsewhere. See
    /// [`Guard::keep_alive`](crate::Guard::keep_alive).
    pub fn keep_alive(&mut self) {
        self.guard.keep_alive();
    }

    /// Releases the lock. False: it was not held any more.
    ///
    /// # Errors
    /// When the server does not answer, the error gives the guard back.
    #[allow(clippy::result_large_err, reason = "the guard comes back in it, as from the async one")]
    pub fn release(self) -> Result<bool, NotReleased<K>> {
        let runtime = match ready() {
            Ok(runtime) => runtime,
            Err(error) => return Err(NotReleased { guard: self, error }),
        };
        let Self { guard, release } = self;
        runtime.block_on(guard.release()).map_err(|crate::NotReleased { guard, error }| NotReleased {
            guard: Self { guard, release },
            error,
        })
    }
}

/// Whether a lock has been lost. It does not borrow the guard. What is released or dropped is not lost.
pub struct Lost(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Lost {
    /// Blocks until the lock is lost, for so long at the most. False: it is not lost by then. After true, it is not to
    /// be asked again.
    pub fn within(&mut self, time: Duration) -> Result<bool> {
        wait(async { timeout(time, &mut self.0).await.is_ok() })
    }
}

impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lost(..)")
    }
}

impl<K: Connect> fmt::Debug for Guard<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.fmt(f)
    }
}

/// The release was not confirmed; the guard is still there.
pub struct NotReleased<K: Connect = redis::Client> {
    /// The guard, to try again.
    pub guard: Guard<K>,
    /// Why.
    pub error: Error,
}

impl<K: Connect> fmt::Debug for NotReleased<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotReleased").field("guard", &self.guard).field("error", &self.error).finish()
    }
}

impl<K: Connect> fmt::Display for NotReleased<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the lock may still be held: {}", self.error)
    }
}

impl<K: Connect> std::error::Error for NotReleased<K> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
