//! How long a lease is certain to last, by this process's own clock.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Until when a lock is held for certain. Every bound is counted from before the command was sent
/// that set it, and the server counts from when it got it: this end is never the later one.
pub(super) struct Lease(watch::Sender<State>);

#[derive(Clone, Copy)]
struct State {
    until: Instant,
    /// The server said so.
    lost: bool,
}

impl Lease {
    pub(super) fn new(until: Instant) -> Self {
        Self(watch::Sender::new(State { until, lost: false }))
    }

    pub(super) fn left(&self) -> Duration {
        let State { until, lost } = *self.0.borrow();
        if lost { Duration::ZERO } else { until.saturating_duration_since(Instant::now()) }
    }

    /// An extension is on its way; it may shorten the lease and its answer may be lost.
    pub(super) fn at_most(&self, until: Instant) {
        self.0.send_if_modified(|state| {
            let shorter = until < state.until;
            state.until = state.until.min(until);
            shorter
        });
    }

    pub(super) fn set(&self, until: Instant) {
        self.0.send_modify(|state| state.until = until);
    }

    pub(super) fn lose(&self) {
        self.0.send_modify(|state| state.lost = true);
    }

    /// Ends when the lease does.
    pub(super) async fn end(&self) {
        let mut changes = self.0.subscribe();
        loop {
            let State { until, lost } = *changes.borrow_and_update();
            if lost || until <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(until) => {}
                // The sender is `self`, so it is there.
                _ = changes.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_its_time_is_over_and_not_while_it_is_renewed() {
        let start = Instant::now();
        let lease = Lease::new(start + SECOND);
        let renew = async {
            sleep_until(start + SECOND / 2).await;
            lease.set(start + 2 * SECOND);
        };
        tokio::join!(lease.end(), renew);
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert_eq!(lease.left(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_at_once_when_the_server_says_so() {
        let start = Instant::now();
        let lease = Lease::new(start + SECOND);
        let lose = async {
            sleep_until(start + SECOND / 4).await;
            lease.lose();
        };
        tokio::join!(lease.end(), lose);
        assert_eq!(start.elapsed(), SECOND / 4);
        assert_eq!(lease.left(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn an_extension_whose_answer_is_lost_may_have_shortened_it() {
        let lease = Lease::new(Instant::now() + 2 * SECOND);
        lease.at_most(Instant::now() + SECOND);
        assert_eq!(lease.left(), SECOND);
        lease.at_most(Instant::now() + 3 * SECOND);
        assert_eq!(lease.left(), SECOND);
    }
}
