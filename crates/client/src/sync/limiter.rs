//! The limiter that blocks.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use super::runtime::wait;
use crate::decision::Decision;
use crate::error::Result;
use crate::in_process::InProcess;
use crate::limit_info::KeyInfo;
use crate::limiter::Outage;
use crate::limits::Limits;
use crate::link::Source;

/// [`sluice_client::Limiter`](crate::Limiter) for code that blocks: each method does what it does there, and returns
/// when that is done.
///
/// Cheap to clone; clones share the connection and the queues. A thread that waits for its turn waits until it comes:
/// there is no giving up but by [`Self::max_wait`].
pub struct Limiter<S: Source = redis::Client>(crate::Limiter<S>);

impl<S: Source> Limiter<S> {
    /// See [`Limiter::new`](crate::Limiter::new).
    pub fn new(source: S, limits: impl Into<Limits>, outage: Outage) -> Self {
        Self(crate::Limiter::new(source, limits, outage))
    }

    /// See [`Limiter::max_wait`](crate::Limiter::max_wait).
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        Self(self.0.max_wait(max_wait))
    }

    /// See [`Limiter::deadline`](crate::Limiter::deadline).
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self(self.0.deadline(deadline))
    }

    /// See [`Limiter::heed_holds`](crate::Limiter::heed_holds).
    #[must_use]
    pub fn heed_holds(self, heed: bool) -> Self {
        Self(self.0.heed_holds(heed))
    }

    /// See [`Limiter::remember_refusals`](crate::Limiter::remember_refusals).
    #[must_use]
    pub fn remember_refusals(self, keys: usize) -> Self {
        Self(self.0.remember_refusals(keys))
    }

    /// The same limiter with other limits or costs: same connection, same queues.
    #[must_use]
    pub fn with(&self, limits: impl Into<Limits>) -> Self {
        Self(self.0.with(limits))
    }

    /// The limits of each call, with their costs.
    pub fn limits(&self) -> &Limits {
        self.0.limits()
    }

    /// Waits its turn. See [`Limiter::acquire`](crate::Limiter::acquire).
    pub fn acquire(&self, key: impl AsRef<[u8]>) -> Result<Permit<S>> {
        wait(self.0.acquire(key))?.map(Permit)
    }

    /// Takes the tokens if they are all there now. See [`Limiter::try_acquire`](crate::Limiter::try_acquire).
    pub fn try_acquire(&self, key: impl AsRef<[u8]>) -> Result<Permit<S>> {
        wait(self.0.try_acquire(key))?.map(Permit)
    }

    /// Takes a turn, and does not wait for it. See [`Limiter::reserve`](crate::Limiter::reserve).
    pub fn reserve(&self, key: impl AsRef<[u8]>) -> Result<Permit<S>> {
        wait(self.0.reserve(key))?.map(Permit)
    }

    /// Takes the tokens, into debt if need be. See [`Limiter::force`](crate::Limiter::force).
    pub fn force(&self, key: impl AsRef<[u8]>) -> Result<Decision> {
        wait(self.0.force(key))?
    }

    /// Gives the costs of one call back. See [`Limiter::refund`](crate::Limiter::refund).
    pub fn refund(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        wait(self.0.refund(key))?
    }

    /// Settles a call whose costs were estimates. See [`Limiter::settle`](crate::Limiter::settle).
    pub fn settle(&self, key: impl AsRef<[u8]>, actual: &[u64]) -> Result<()> {
        wait(self.0.settle(key, actual))?
    }

    /// Holds a key: nobody acts before that time is over. See [`Limiter::hold`](crate::Limiter::hold).
    pub fn hold(&self, key: impl AsRef<[u8]>, time: Duration) -> Result<Duration> {
        wait(self.0.hold(key, time))?
    }

    /// Ends a hold. See [`Limiter::end_hold`](crate::Limiter::end_hold).
    pub fn end_hold(&self, key: impl AsRef<[u8]>) -> Result<()> {
        wait(self.0.end_hold(key))?
    }

    /// What [`Self::try_acquire`] would be answered. See [`Limiter::peek`](crate::Limiter::peek).
    pub fn peek(&self, key: impl AsRef<[u8]>) -> Result<Decision> {
        wait(self.0.peek(key))?
    }

    /// Where a key stands. See [`Limiter::info`](crate::Limiter::info).
    pub fn info(&self, key: impl AsRef<[u8]>) -> Result<KeyInfo> {
        wait(self.0.info(key))?
    }

    /// Forgets all that was used of a key. See [`Limiter::reset`](crate::Limiter::reset).
    pub fn reset(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        wait(self.0.reset(key))?
    }
}

impl Limiter {
    /// A limiter with a server of its own in this process, for tests that need no Redis: see [`InProcess`]. Its clock
    /// is real: nobody can pause that of a thread that blocks.
    ///
    /// ```
    /// use sluice_client::{Limit, sync::Limiter};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::in_process(Limit::per_hour(1));
    /// assert!(limiter.try_acquire("user:42")?.is_granted());
    /// assert!(!limiter.try_acquire("user:42")?.is_granted());
    /// # Ok(())
    /// # }
    /// ```
    pub fn in_process(limits: impl Into<Limits>) -> Self {
        Self(crate::Limiter::in_process(limits))
    }

    /// A limiter on a server in this process that others share.
    pub fn with_in_process(server: &InProcess, limits: impl Into<Limits>) -> Self {
        Self(crate::Limiter::with_in_process(server, limits))
    }
}

/// Shares connection and queues with it.
impl<S: Source> From<crate::Limiter<S>> for Limiter<S> {
    fn from(limiter: crate::Limiter<S>) -> Self {
        Self(limiter)
    }
}

impl<S: Source> Clone for Limiter<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Source> fmt::Debug for Limiter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// [`sluice_client::Permit`](crate::Permit) for code that blocks.
#[must_use = "a decision that nobody looks at limits nothing"]
pub struct Permit<S: Source = redis::Client>(crate::Permit<S>);

impl<S: Source> Permit<S> {
    /// The decision, by value.
    pub const fn decision(&self) -> Decision {
        self.0.decision()
    }

    /// What was asked for.
    pub fn key(&self) -> &[u8] {
        self.0.key()
    }

    /// The limits that were asked, with the costs that were taken.
    pub fn limits(&self) -> &Limits {
        self.0.limits()
    }

    /// Settles a call whose costs were estimates. See [`Permit::settle`](crate::Permit::settle).
    pub fn settle(self, actual: &[u64]) -> Result<()> {
        wait(self.0.settle(actual))?
    }

    /// Gives the costs back, whoever stands behind. See [`Permit::refund`](crate::Permit::refund).
    pub fn refund(self) -> Result<bool> {
        wait(self.0.refund())?
    }

    /// The call did not happen. See [`Permit::cancel`](crate::Permit::cancel).
    pub fn cancel(self) -> Result<bool> {
        wait(self.0.cancel())?
    }
}

impl<S: Source> Deref for Permit<S> {
    type Target = Decision;

    fn deref(&self) -> &Decision {
        &self.0
    }
}

impl<S: Source> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
