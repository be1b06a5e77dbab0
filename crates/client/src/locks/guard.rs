//! A lock that is held.

#[cfg(feature = "sync")]
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::claimant::Claimant;
use super::lease::Lease;
use super::server::Server;
use crate::command;
use crate::error::{Error, Result};
use crate::link::Connect;
use crate::lock_reply::LockReply;
use crate::measure;
use crate::wire::bounded;

/// A lock that is held, until it is released, dropped, or its lease ends.
///
/// The lease ends by itself, whatever this process believes: while the process is paused, or cut off
/// from the server. So look at [`Self::valid_for`] before each step that must not overlap, or wait for
/// [`Self::lost`] beside the work, and send [`Self::fence`] along with every write, so that what the
/// lock protects can refuse one that comes too late.
///
/// Dropping it hands the release to the runtime it was acquired on, wherever it is dropped, and
/// neither blocks nor panics. When that runtime ends before the release is sent, as at the end of `main`, the lock
/// stays until its lease ends: [`Locks::close`](crate::Locks::close) waits for what was dropped.
/// [`Self::release`] also says whether it worked.
#[must_use = "a guard that is dropped releases the lock at once"]
pub struct Guard<K: Connect = redis::Client> {
    claimant: Claimant<K>,
    lease: Arc<Lease>,
    fence: u64,
    renewal: Option<Renewing>,
}

/// What keeps the lease alive, until this is dropped.
enum Renewing {
    Task(AbortHandle),
    /// A thread, which ends when the other end of this is gone.
    Thread {
        _until: oneshot::Sender<()>,
    },
}

impl Drop for Renewing {
    fn drop(&mut self) {
        // A renewal that is on its way already does no harm: it cannot revive a lease.
        if let Self::Task(task) = self {
            task.abort();
        }
    }
}

impl<K: Connect> Guard<K> {
    pub(super) fn new(claimant: Claimant<K>, fence: u64, until: Instant) -> Self {
        measure::held(true);
        Self { claimant, lease: Arc::new(Lease::new(until)), fence, renewal: None }
    }

    /// The fencing token: larger than that of every grant before this one on this server, for
    /// whatever key, and below 2^53.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// The name under which the lock is held, as `LOCK.INFO` shows it.
    pub fn owner(&self) -> &[u8] {
        &self.claimant.owner
    }

    /// What ends, with an error, when the lock is released: also some time after this was dropped.
    #[cfg(feature = "sync")]
    pub(crate) fn released(&mut self) -> oneshot::Receiver<Infallible> {
        self.claimant.released()
    }

    /// How long the lock is held still, as far as this process can know; zero when it may be over.
    ///
    /// It asks nobody: it is the lease by this process's monotonic clock, counted from before the
    /// command was sent, so never more than the server has granted. What happens to the key on the server it
    /// does not know before the next renewal: a `DEL`, eviction, a failover that lost the lock, a clock there
    /// that jumps forward. On Linux the monotonic clock stands still while the machine is suspended. Against
    /// all of that only the fence helps.
    pub fn valid_for(&self) -> Duration {
        self.lease.left()
    }

    /// A future that ends when the lock is lost: the server says that it is held no more, or [`Self::valid_for`] is
    /// zero. It does not borrow the guard, so it can be spawned, and stand beside [`Self::release`] in a `select!`.
    ///
    /// What is released or dropped is not lost: after that it never ends. Drop it then, or abort its task.
    ///
    /// ```
    /// # use sluice_client::Locks;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let guard = Locks::in_process().lock("lock:nightly").try_acquire().await?.acquired().expect("it is free");
    /// let lost = tokio::spawn(guard.lost());
    /// tokio::time::sleep(std::time::Duration::from_secs(31)).await; // the lease was for 30
    /// lost.await?; // stop: somebody else may hold the lock now
    /// assert!(!guard.release().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static + use<K> {
        Arc::clone(&self.lease).end()
    }

    /// Sets what is left of the lease to `lease`, which may be less than it is now. False: the lock is
    /// lost; an ended lease is never revived.
    ///
    /// After an error that [is ambiguous](Error::is_ambiguous), call it again: it tells the truth. From then
    /// on the guard reckons with the first being carried out later, and counts on no more than that asked for.
    pub async fn extend(&self, lease: Duration) -> Result<bool> {
        let Claimant { server, key, owner, .. } = &self.claimant;
        let _alone = self.lease.extending().await;
        let held = extend(server, key, owner, &self.lease, bounded(lease), server.deadline).await?;
        if !held {
            self.lease.lose();
        }
        Ok(held)
    }

    /// Renews the lease from now on, every third of it, until the guard is gone or the lock is lost. A
    /// server out of reach is asked again for as long as the lease lasts, each time for a quarter of it at
    /// most. A renewal never shortens what [`Self::extend`] has set. Calling it twice is once.
    pub fn keep_alive(&mut self) {
        if self.renewal.is_some() {
            return;
        }
        let renewal = self.renewals_by(Arc::clone(&self.claimant.server));
        let task = self.claimant.runtime.spawn(renewal.run());
        self.renewal = Some(Renewing::Task(task.abort_handle()));
    }

    /// As [`Self::keep_alive`], by a thread of its own, with a runtime and a connection of its own: the lease is renewed
    /// also while the runtime here is blocked, by a long computation or a call that is not async. It takes the place of
    /// [`Self::keep_alive`] if that was called before.
    ///
    /// The thread ends with the guard, or when the lock is lost. A guard of which one task is in the middle of
    /// [`Self::extend`] when its runtime gets blocked is not renewed meanwhile: whoever extends does so alone. With
    /// tokio's clock paused the thread's clock is not.
    ///
    /// # Errors
    /// If no thread or runtime can be made.
    pub fn keep_alive_on_thread(&mut self) -> io::Result<()> {
        if let Some(Renewing::Thread { .. }) = self.renewal {
            return Ok(());
        }
        let renewal = self.renewals_by(Arc::new(self.claimant.server.on_its_own()));
        let (until, gone) = oneshot::channel::<()>();
        // Its runtime comes when there is a thread that can drop it, which async code cannot.
        let (give, given) = mpsc::channel::<tokio::runtime::Runtime>();
        thread::Builder::new().name("sluice-lease".to_owned()).spawn(move || {
            let Ok(runtime) = given.recv() else { return };
            runtime.block_on(async {
                tokio::select! {
                    () = renewal.run() => {}
                    _ = gone => {}
                }
            });
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        give.send(runtime).map_err(io::Error::other)?;
        self.renewal = Some(Renewing::Thread { _until: until });
        Ok(())
    }

    fn renewals_by(&self, server: Arc<Server<K>>) -> Renewal<K> {
        let Claimant { key, owner, lease, .. } = &self.claimant;
        Renewal {
            server,
            key: Arc::clone(key),
            owner: Arc::clone(owner),
            ttl: *lease,
            lease: Arc::clone(&self.lease),
        }
    }

    /// Releases the lock. False: it was not held any more.
    ///
    /// # Errors
    /// When the server does not answer, the error gives the guard back: try again, or drop it and
    /// leave it to the runtime. If this future is dropped, the guard is.
    pub async fn release(mut self) -> Result<bool, NotReleased<K>> {
        // A renewal that comes behind the release finds the lock gone, which is no loss.
        self.lease.set_releasing(true);
        match self.claimant.release().await {
            Ok(held) => {
                if !held {
                    self.lease.measure_loss();
                }
                Ok(held)
            }
            Err(error) => {
                self.lease.set_releasing(false);
                Err(NotReleased { guard: self, error })
            }
        }
    }
}

impl<K: Connect> Drop for Guard<K> {
    fn drop(&mut self) {
        self.lease.let_go();
        if self.lease.left().is_zero() {
            self.lease.measure_loss();
        }
        measure::held(false);
        // Before the claimant's release.
        drop(self.renewal.take());
    }
}

impl<K: Connect> fmt::Debug for Guard<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("key", &String::from_utf8_lossy(&self.claimant.key))
            .field("owner", &String::from_utf8_lossy(&self.claimant.owner))
            .field("fence", &self.fence)
            .field("valid_for", &self.valid_for())
            .finish_non_exhaustive()
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

/// What keeps a lease alive.
struct Renewal<K: Connect> {
    server: Arc<Server<K>>,
    key: Arc<[u8]>,
    owner: Arc<[u8]>,
    ttl: Duration,
    lease: Arc<Lease>,
}

impl<K: Connect> Renewal<K> {
    async fn run(self) {
        let third = self.ttl / 3;
        // After a failure there is time for several more tries before the lease ends; no try takes so long
        // that there is none for a second.
        let retry = (third / 8).clamp(Duration::from_millis(5), Duration::from_secs(1));
        let patience = self.server.deadline.min(self.ttl / 4);
        let mut pause = third;
        loop {
            sleep(pause).await;
            match self.renew(patience).await {
                Ok(Renewed::Held) => {
                    measure::renewed("renewed");
                    pause = third;
                }
                Ok(Renewed::Ended) => {
                    measure::renewed("too_late");
                    self.lease.measure_loss();
                    event!(warn, "a lease ended before it could be renewed");
                    return;
                }
                Ok(Renewed::Gone) => {
                    if self.lease.lose() {
                        measure::renewed("gone");
                        event!(warn, "a lock was lost: the server says that it is held no more");
                        return;
                    }
                    // It is being released. If that fails, the next try finds out.
                    pause = retry;
                }
                Err(error) => {
                    measure::renewed("failed");
                    event!(warn, "a lease could not be renewed, trying again", error = error);
                    pause = retry;
                }
            }
        }
    }

    /// Sets the lease to its time, or to what is left of it where that is more: somebody has extended it.
    async fn renew(&self, patience: Duration) -> Result<Renewed> {
        let _alone = self.lease.extending().await;
        let left = self.lease.left();
        if left.is_zero() {
            return Ok(Renewed::Ended);
        }
        let (time, deadline) = (self.ttl.max(left), patience.min(left));
        match extend(&self.server, &self.key, &self.owner, &self.lease, time, deadline).await? {
            true => Ok(Renewed::Held),
            false => Ok(Renewed::Gone),
        }
    }
}

/// What a renewal came to.
enum Renewed {
    Held,
    /// The time was over before it was tried.
    Ended,
    /// The server says that the lock is held no more.
    Gone,
}

/// EXTEND, and what it means for the lease, by whoever may extend now.
async fn extend<K: Connect>(
    server: &Server<K>,
    key: &[u8],
    owner: &[u8],
    lease: &Lease,
    time: Duration,
    deadline: Duration,
) -> Result<bool> {
    let sent = Instant::now();
    lease.at_most(sent + time);
    match server.ask_within(deadline, &command::lock_extend(key, owner, time)).await {
        Ok(LockReply::Held { left, .. }) => {
            lease.set(sent, left);
            Ok(true)
        }
        Ok(LockReply::NotHeld { .. }) => Ok(false),
        Err(error @ Error::WrongType(_)) => {
            // Somebody has written over the lock.
            lease.lose();
            Err(error)
        }
        Err(error) => {
            if error.is_ambiguous() {
                lease.doubt(time);
            }
            Err(error)
        }
    }
}
