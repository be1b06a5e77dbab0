//! Limiters on a server in this process.

use super::outage::Outage;
use super::settings::Limiter;
use crate::in_process::InProcess;
use crate::limits::Limits;
use crate::link::Source;

impl InProcess {
    /// A limiter on this server, of whatever type a program has for its real one. Where nothing else says which, say
    /// it: `let limiter: Limiter = server.limiter(limits)`.
    ///
    /// It is made as by [`Limiter::new`], with [`Outage::Closed`]: there is no outage here.
    pub fn limiter<S: Source>(&self, limits: impl Into<Limits>) -> Limiter<S> {
        Limiter::on(self.clone().into(), limits.into(), Outage::Closed)
    }
}

impl Limiter {
    /// A limiter with a server of its own in this process, for tests that need no Redis: see [`InProcess`].
    ///
    /// ```
    /// use sluice_client::{Limit, Limiter};
    /// use tokio::time::Instant;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (limiter, start) = (Limiter::in_process(Limit::per_second(2).burst(1)), Instant::now());
    /// for _ in 0..5 {
    ///     assert!(limiter.acquire("partner:api").await?.is_granted());
    /// }
    /// assert_eq!(start.elapsed().as_millis(), 2000); // of tokio's clock, which is paused
    /// # Ok(())
    /// # }
    /// ```
    pub fn in_process(limits: impl Into<Limits>) -> Self {
        Self::with_in_process(&InProcess::new(), limits)
    }

    /// A limiter on a server in this process that others share.
    pub fn with_in_process(server: &InProcess, limits: impl Into<Limits>) -> Self {
        server.limiter(limits)
    }
}
