//! One run: the lock, and how it ends.

use anyhow::{Context, Result, ensure};
use sluice_client::{Attempt, Limiter, Lock, Locks, Outage};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use crate::calls::Calls;
use crate::endpoint::Endpoint;
use crate::events::Events;
use crate::options::Job;

/// How a run ends when nothing is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The partner took everything.
    Done,
    /// Another run is at it.
    HeldByAnother,
    /// A signal asked for it. What is left is for the next run.
    Stopped,
    /// Somebody else may hold the lock now.
    LockLost,
    /// The partner refused something, or did not answer.
    Undelivered,
}

impl Ending {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done | Self::HeldByAnother | Self::Stopped => 0,
            Self::LockLost => 3,
            Self::Undelivered => 4,
        }
    }
}

/// Delivers what is pending, if no other run is at it.
pub(crate) async fn run(job: &Job) -> Result<Ending> {
    ensure!(
        job.timeout <= job.lease / 3,
        "a timeout of {:?} is more than a third of the lease of {:?}: a call could outlast the lock",
        job.timeout,
        job.lease
    );
    let mut stop = StopSignal::listen()?;
    let mut events = Events::open(&job.database)?;
    let endpoint = Endpoint::new(job.endpoint.clone(), job.timeout)?;
    let client = redis::Client::open(job.redis.as_str()).context("--redis")?;

    let lock = Locks::new(client.clone()).label(&label()).lock(&job.lock).ttl(job.lease);
    let mut guard = match lock.try_acquire().await.with_context(|| format!("the lock {}", job.lock))? {
        Attempt::Acquired(guard) => guard,
        Attempt::Held { .. } => {
            info!("{}: nothing to do", holder(&lock, &job.lock).await);
            return Ok(Ending::HeldByAnother);
        }
    };
    guard.keep_alive();
    info!(
        "took the lock {} for {:?}, renewed while we run, with the fence {}",
        job.lock,
        job.lease,
        guard.fence()
    );

    // From here on nothing returns early: whatever happens, the lock is released.
    let limiter = Limiter::new(client, job.rate.limit(), Outage::Closed)
        .deadline(job.timeout)
        // Another process may have been told to leave the partner alone while we wait for a turn.
        .heed_holds(true);
    let outcome = Calls { job, guard: &guard, limiter, endpoint, events: &mut events }.make(&mut stop).await;
    match guard.release().await {
        Ok(true) => info!("released the lock {}", job.lock),
        Ok(false) => warn!("the lock {} was not ours any more", job.lock),
        Err(failure) => warn!("the lock {} frees itself within {:?}: {failure}", job.lock, job.lease),
    }
    outcome
}

/// What `LOCK.INFO` shows as the holder, before the random part.
fn label() -> String {
    format!("batch-job@{}:{}", gethostname::gethostname().display(), std::process::id())
}

/// Who holds the lock and for how long, for the log.
async fn holder(lock: &Lock, name: &str) -> String {
    let Ok(Some(info)) = lock.info().await else {
        return format!("somebody held the lock {name} just now");
    };
    match info.holders.first() {
        Some(holder) => format!(
            "{} has held the lock {name} for {:.1?}, and for another {:.1?} unless it renews or releases it",
            String::from_utf8_lossy(&holder.owner),
            holder.held,
            holder.left
        ),
        None => format!("others wait for the lock {name}"),
    }
}

/// SIGTERM and ctrl-c, from when it is made on.
pub(crate) struct StopSignal {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignal {
    fn listen() -> Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Ends when a signal has come. Dropping it loses none.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
