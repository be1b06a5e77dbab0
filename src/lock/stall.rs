//! Whether this server has just woken from a long sleep: stopped, or kept from running, while others went on.
//!
//! A primary that sleeps long enough is replaced. When it wakes, the alarms that have become due meanwhile ring at once,
//! before it can learn that it is a primary no more; a lock granted then has two holders. So a server that notices that
//! it has slept grants nothing to those who wait for a while. The wall clock says nothing about this, so it is not asked.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A gap between two of the server's regular jobs that is no sleep, beyond twice the usual gap.
const HITCH: Duration = Duration::from_secs(1);

/// The jobs come once a second at the least, so no usual gap is longer than about this.
const LONGEST: Duration = Duration::from_millis(1_100);

/// The usual gap is the least of so many, so that one long gap does not hide the next.
const REMEMBERED: usize = 3;

/// How long nothing is granted after a sleep.
const QUIET: Duration = Duration::from_secs(1);

/// What is known of the server's regular jobs.
struct Ticks {
    last: Option<Instant>,
    gaps: [Duration; REMEMBERED],
    quiet_until: Option<Instant>,
}

/// Until it is learned, ten times a second is usual: the servers' default.
const DEFAULT: Duration = Duration::from_millis(100);

static TICKS: Mutex<Ticks> = Mutex::new(Ticks { last: None, gaps: [DEFAULT; REMEMBERED], quiet_until: None });

impl Ticks {
    /// Notices a sleep, at whatever happens first after it. The gap, if it was none.
    fn notice(&mut self, now: Instant) -> Option<Duration> {
        let gap = now.saturating_duration_since(self.last?);
        let usual = self.gaps.iter().min().copied().unwrap_or(DEFAULT).min(LONGEST);
        if gap > HITCH + 2 * usual {
            self.quiet_until = Some(now + QUIET);
            return None;
        }
        Some(gap)
    }
}

fn with_ticks<T>(run: impl FnOnce(&mut Ticks, Instant, Option<Duration>) -> T) -> T {
    let now = Instant::now();
    let mut ticks = TICKS.lock().unwrap_or_else(PoisonError::into_inner);
    let gap = ticks.notice(now);
    run(&mut ticks, now, gap)
}

/// The server does its regular jobs.
pub(super) fn tick() {
    with_ticks(|ticks, now, gap| {
        if let Some(gap) = gap {
            ticks.gaps.rotate_left(1);
            if let Some(last) = ticks.gaps.last_mut() {
                *last = gap;
            }
        }
        ticks.last = Some(now);
    });
}

/// For how many ms still nothing is to be granted to those who wait; 0 nearly always.
pub(super) fn quiet_ms() -> u64 {
    with_ticks(|ticks, now, _| {
        let left = ticks.quiet_until.map(|until| until.saturating_duration_since(now)).unwrap_or_default();
        if left.is_zero() { 0 } else { left.as_millis() as u64 + 1 }
    })
}
