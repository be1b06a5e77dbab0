//! Whether this server has just woken from a long sleep: stopped, or kept from running, while others went on.
//!
//! A primary that sleeps long enough is replaced. When it wakes, the alarms that have become due meanwhile ring at once,
//! before it can learn that it is a primary no more; a lock granted then has two holders. So a server that notices that
//! it has slept grants nothing to those who wait for a while. The wall clock says nothing about this, so it is not asked.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A gap between two of the server's regular jobs that is no sleep, beyond twice the gap before it.
const HITCH: Duration = Duration::from_secs(1);

/// The server's jobs come once a second at the least; what is taken for the usual gap is no more than this.
const USUAL: Duration = Duration::from_millis(1_100);

/// How long nothing is granted after a sleep.
const QUIET: Duration = Duration::from_secs(1);

/// What is known of the server's regular jobs.
#[derive(Clone, Copy)]
struct Ticks {
    last: Option<Instant>,
    usual: Duration,
    quiet_until: Option<Instant>,
}

static TICKS: Mutex<Ticks> = Mutex::new(Ticks { last: None, usual: USUAL, quiet_until: None });

impl Ticks {
    /// Notices a sleep, at whatever happens first after it.
    fn notice(&mut self, now: Instant) {
        let gap = self.last.map(|last| now.saturating_duration_since(last));
        if gap.is_some_and(|gap| gap > HITCH + 2 * self.usual) {
            self.quiet_until = Some(now + QUIET);
        }
    }
}

fn with_ticks<T>(run: impl FnOnce(&mut Ticks, Instant) -> T) -> T {
    let now = Instant::now();
    let mut ticks = TICKS.lock().unwrap_or_else(PoisonError::into_inner);
    ticks.notice(now);
    run(&mut ticks, now)
}

/// The server does its regular jobs.
pub(super) fn tick() {
    with_ticks(|ticks, now| {
        if let Some(last) = ticks.last.replace(now) {
            ticks.usual = now.saturating_duration_since(last).min(USUAL);
        }
    });
}

/// For how many ms still nothing is to be granted to those who wait; 0 nearly always.
pub(super) fn quiet_ms() -> u64 {
    with_ticks(|ticks, now| {
        let left = ticks.quiet_until.map(|until| until.saturating_duration_since(now)).unwrap_or_default();
        if left.is_zero() { 0 } else { left.as_millis() as u64 + 1 }
    })
}
