//! Locks on a server in this process.

use std::time::Duration;

use super::lock::Locks;
use crate::in_process::InProcess;
use crate::link::Connect;

impl InProcess {
    /// Locks on this server, of whatever type a program has for its real ones, as made by [`Locks::new`]. Where nothing
    /// else says which, say it: `let locks: Locks = server.locks()`.
    pub fn locks<K: Connect>(&self) -> Locks<K> {
        Locks::on(self.clone().into(), Duration::from_secs(1))
    }
}

impl Locks {
    /// Locks of a server of their own in this process, for tests that need no Redis: see [`InProcess`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use sluice_client::Locks;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let lock = Locks::in_process().lock("lock:nightly").ttl(Duration::from_secs(30));
    /// let guard = lock.try_acquire().await?.acquired().expect("nobody holds it");
    /// assert!(lock.try_acquire().await?.acquired().is_none());
    /// let next = lock.acquire(Duration::from_secs(60)).await?; // at once, with tokio's clock paused
    /// assert!(next.acquired().is_some_and(|next| next.fence() > guard.fence()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn in_process() -> Self {
        Self::with_in_process(&InProcess::new())
    }

    /// Locks of a server in this process that others share.
    pub fn with_in_process(server: &InProcess) -> Self {
        server.locks()
    }
}
