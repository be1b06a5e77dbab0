//! Who attempts to take a lock, once: it ends with a release unless it is known to hold nothing.
//!
//! The owner is made up before anything is sent, so what became of the command does not matter: the
//! same name releases whatever was granted to it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::server::Server;
use crate::command;
use crate::error::Result;
use crate::link::Connect;

/// Between two tries to release a lock while the server is out of reach.
const RETRY: Duration = Duration::from_millis(100);

/// One owner of one lock. Dropping it hands a release to the runtime; it never blocks or panics.
pub(super) struct Claimant<K: Connect> {
    pub(super) server: Arc<Server<K>>,
    pub(super) key: Arc<[u8]>,
    pub(super) owner: Arc<[u8]>,
    pub(super) lease: Duration,
    pub(super) runtime: Handle,
    settled: bool,
    /// Gone when it is released, or gave up on that; for whoever waits for it.
    unreleased: Option<oneshot::Sender<Infallible>>,
}

impl<K: Connect> Claimant<K> {
    /// A fresh owner, on the runtime that this is called from.
    pub(super) fn new(
        server: &Arc<Server<K>>,
        key: &Arc<[u8]>,
        label: Option<&str>,
        lease: Duration,
    ) -> Self {
        let name = Uuid::new_v4().simple();
        let owner = label.map_or_else(|| name.to_string(), |label| format!("{label}:{name}"));
        Self {
            server: Arc::clone(server),
            key: Arc::clone(key),
            owner: owner.into_bytes().into(),
            lease,
            runtime: Handle::current(),
            settled: false,
            unreleased: None,
        }
    }

    /// It holds nothing, and nothing that is still under way can make it hold anything.
    pub(super) fn settle(mut self) {
        self.settled = true;
    }

    /// What ends with an error when it is released, after it was dropped too, or is given up on.
    #[cfg(feature = "sync")]
    pub(super) fn released(&mut self) -> oneshot::Receiver<Infallible> {
        let (unreleased, released) = oneshot::channel();
        self.unreleased = Some(unreleased);
        released
    }

    pub(super) fn release_command(&self) -> Cmd {
        command::lock_release(&self.key, &self.owner)
    }

    /// Releases now; it is settled when that worked.
    pub(super) async fn release(&mut self) -> Result<bool> {
        let held = self.server.ask(&self.release_command()).await?;
        self.settled = true;
        Ok(held)
    }

    /// Releases, again and again while the server is out of reach, for as long as a lease can last.
    pub(super) fn release_surely(&mut self) -> impl Future<Output = ()> + Send + 'static {
        self.settled = true;
        let (server, command, lease) = (Arc::clone(&self.server), self.release_command(), self.lease);
        let until_then = (server.releasing(), self.unreleased.take());
        async move {
            let _until_then = until_then;
            let started = Instant::now();
            while let Err(error) = server.ask::<bool>(&command).await {
                if !error.is_unreachable() || started.elapsed() > lease {
                    event!(warn, "a lock could not be released; its lease will end it", error = error);
                    return;
                }
                sleep(RETRY).await;
            }
        }
    }
}

impl<K: Connect> Drop for Claimant<K> {
    fn drop(&mut self) {
        if !self.settled {
            let release = self.release_surely();
            // On a runtime that has ended this does nothing, and the lease ends the lock.
            self.runtime.spawn(release);
        }
    }
}
