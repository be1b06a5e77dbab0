//! The time of day on tokio's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_core::time::Nanos;
use tokio::time::Instant;

/// A server's clock in this process: it goes as tokio's does, and never back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    unix_start: Duration,
}

impl Clock {
    /// One that shows this time now.
    pub(crate) fn starting_at(now: SystemTime) -> Self {
        let unix_start = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), unix_start }
    }

    pub(crate) fn now(&self) -> Nanos {
        let since_epoch = self.unix_start.saturating_add(self.start.elapsed());
        Nanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }

    /// From now on it shows so much more.
    pub(crate) fn step(&mut self, forward: Duration) {
        self.unix_start = self.unix_start.saturating_add(forward);
    }
}
