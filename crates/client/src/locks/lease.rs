//! How long a lease lasts at least, by this process's own clock.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::{Instant, sleep_until};

use crate::measure;

/// Until when a lock is held, as far as this process can know. Every bound is counted from before the command
/// was sent that set it, and the server counts from when it got it: this end is never the later one.
pub(super) struct Lease {
    state: watch::Sender<State>,
    /// Whoever extends: one after the other, so that none undoes what another has been told.
    extending: Mutex<()>,
}

#[derive(Clone, Copy)]
struct State {
    until: Instant,
    /// The server said so.
    lost: bool,
    /// Its loss was measured.
    measured: bool,
    /// The guard is gone: nobody can lose the lock any more.
    let_go: bool,
    /// A release is under way: that the lock is held no more is what is wanted.
    releasing: bool,
    /// The shortest time that an extension asked for which was not answered. It may be carried out at any time
    /// after, and then the lease ends that much later, whatever was told meanwhile.
    doubt: Option<Duration>,
}

impl Lease {
    pub(super) fn new(until: Instant) -> Self {
        let state =
            State { until, lost: false, measured: false, let_go: false, releasing: false, doubt: None };
        Self { state: watch::Sender::new(state), extending: Mutex::new(()) }
    }

    pub(super) fn left(&self) -> Duration {
        let State { until, lost, .. } = *self.state.borrow();
        if lost { Duration::ZERO } else { until.saturating_duration_since(Instant::now()) }
    }

    /// Until what this answers is dropped, nobody else extends.
    pub(super) async fn extending(&self) -> MutexGuard<'_, ()> {
        self.extending.lock().await
    }

    /// An extension is on its way; it may shorten the lease and its answer may be lost.
    pub(super) fn at_most(&self, until: Instant) {
        self.state.send_if_modified(|state| {
            let shorter = until < state.until;
            state.until = state.until.min(until);
            shorter
        });
    }

    /// An extension that was sent then was answered: so much is left.
    pub(super) fn set(&self, sent: Instant, left: Duration) {
        self.state.send_modify(|state| {
            state.until = sent + state.doubt.map_or(left, |doubt| left.min(doubt));
        });
    }

    /// An extension by this time was not answered.
    pub(super) fn doubt(&self, time: Duration) {
        self.state.send_modify(|state| {
            state.doubt = Some(state.doubt.map_or(time, |doubt| doubt.min(time)));
        });
    }

    /// The server says that the lock is held no more. False if that is what is wanted.
    pub(super) fn lose(&self) -> bool {
        let lost = self.state.send_if_modified(|state| {
            let lost = !state.releasing;
            state.lost = state.lost || lost;
            lost
        });
        if lost {
            self.measure_loss();
        }
        lost
    }

    /// The lock was lost, or its lease is over. That counts once.
    pub(super) fn measure_loss(&self) {
        let mut first = false;
        self.state.send_if_modified(|state| {
            first = !std::mem::replace(&mut state.measured, true);
            false
        });
        if first {
            measure::lost();
        }
    }

    /// A release begins, or has failed.
    pub(super) fn set_releasing(&self, releasing: bool) {
        self.state.send_modify(|state| state.releasing = releasing);
    }

    /// It was released, or is being released by whoever sees to what was dropped.
    pub(super) fn let_go(&self) {
        self.state.send_modify(|state| state.let_go = true);
    }

    /// Ends when the lease does; of one that was let go before, never.
    pub(super) async fn end(self: Arc<Self>) {
        let mut changes = self.state.subscribe();
        loop {
            let State { until, lost, let_go, .. } = *changes.borrow_and_update();
            if let_go {
                pending::<()>().await;
            }
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
        let lease = Arc::new(Lease::new(start + SECOND));
        let renew = async {
            sleep_until(start + SECOND / 2).await;
            lease.set(Instant::now(), 3 * SECOND / 2);
        };
        tokio::join!(Arc::clone(&lease).end(), renew);
        assert_eq!(start.elapsed(), 2 * SECOND);
        assert_eq!(lease.left(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_at_once_when_the_server_says_so() {
        let start = Instant::now();
        let lease = Arc::new(Lease::new(start + SECOND));
        let lose = async {
            sleep_until(start + SECOND / 4).await;
            assert!(lease.lose());
        };
        tokio::join!(Arc::clone(&lease).end(), lose);
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

    #[tokio::test(start_paused = true)]
    async fn one_that_is_being_released_is_not_lost() {
        let lease = Lease::new(Instant::now() + SECOND);
        lease.set_releasing(true);
        assert!(!lease.lose());
        assert_eq!(lease.left(), SECOND);
        lease.set_releasing(false);
        assert!(lease.lose());
        assert_eq!(lease.left(), Duration::ZERO);
    }
}
