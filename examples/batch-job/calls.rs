//! The calls of a run: turn, check, send, mark.

use std::time::Duration;

use anyhow::{Context, Result};
use sluice_client::{Guard, LimitKind, Limiter};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use crate::endpoint::{Answer, Endpoint};
use crate::events::Events;
use crate::options::Job;
use crate::run::{Ending, StopSignal};

/// So many calls that fail in a row end a run: the partner is down, and the next run comes soon.
const FAILURES: u32 = 3;

/// What a run needs for its calls.
pub(crate) struct Calls<'a> {
    pub(crate) job: &'a Job,
    pub(crate) guard: &'a Guard,
    pub(crate) limiter: Limiter,
    pub(crate) endpoint: Endpoint,
    pub(crate) events: &'a mut Events,
}

impl Calls<'_> {
    /// Makes the calls for what is pending now. A signal and the loss of the lock are heard while it
    /// waits for a turn; a call that is under way is seen through, for its answer decides what is marked.
    pub(crate) async fn make(&mut self, stop: &mut StopSignal) -> Result<Ending> {
        // SQLite waits for the disk: not in the way of the task that renews the lease.
        let deliveries = block_in_place(|| self.events.pending())?;
        let total = deliveries.len();
        info!("{total} records to deliver");

        let (mut undelivered, mut failures) = (0, 0);
        let mut answered = None;
        for (index, delivery) in deliveries.iter().enumerate() {
            let left = total - index;
            tokio::select! {
                biased;
                () = stop.asked() => {
                    info!("stopped by a signal; {left} records are left for the next run");
                    return Ok(Ending::Stopped);
                }
                () = self.guard.lost() => return Ok(lock_lost("the lease is over", left)),
                turn = self.turn(answered) => turn?,
            }
            // A renewed lease has two thirds left at least, and a call takes a third at most. Less means
            // that renewals fail, or that this process was paused: the call could outlast the lock.
            if self.guard.valid_for() < self.job.timeout {
                return Ok(lock_lost("the lease could end during the call", left));
            }
            let place = index + 1;
            let answer = self.endpoint.send(delivery, self.guard.fence()).await;
            answered = Some(Instant::now());
            let record = &delivery.record;
            match answer {
                Answer::Taken => {
                    block_in_place(|| self.events.done(delivery)).with_context(|| {
                        format!("{record} is delivered but not marked, so it comes again")
                    })?;
                    failures = 0;
                    info!("{place}/{total} {record}: delivered, with {} events", delivery.events.len());
                }
                Answer::Fenced => return Ok(lock_lost("the partner has seen a newer fence", left)),
                Answer::Refused(answer) => {
                    block_in_place(|| self.events.refused(delivery, &answer))?;
                    undelivered += 1;
                    failures = 0;
                    warn!("{place}/{total} {record}: refused for good, set aside: {answer}");
                }
                Answer::LeaveAlone(time) => {
                    // The hold is for everything that calls this partner, and this run waits it out like the
                    // others, if it is not too long. The record comes again in the next run.
                    let time = time.min(self.job.max_hold);
                    let answer = format!("to be left alone for {time:.0?}");
                    block_in_place(|| self.events.failed(delivery, &answer))?;
                    undelivered += 1;
                    warn!("{place}/{total} {record}: the partner wants {answer}");
                    self.limiter.hold(&self.job.limit, time).await.context("the limiter")?;
                }
                Answer::Failed(answer) => {
                    block_in_place(|| self.events.failed(delivery, &answer))?;
                    undelivered += 1;
                    failures += 1;
                    warn!("{place}/{total} {record}: failed, left for the next run: {answer}");
                    if failures == FAILURES {
                        warn!(
                            "{FAILURES} calls failed in a row; {} records are left for the next run",
                            left - 1
                        );
                        return Ok(Ending::Undelivered);
                    }
                }
            }
        }
        Ok(if undelivered == 0 { Ending::Done } else { Ending::Undelivered })
    }

    /// Waits until a call may be made: the limiter's turn, among all processes that call this partner,
    /// and no less than the interval after the last answer, where calls are evenly spaced. The limiter spaces the moments at which the
    /// calls set out; the partner counts when they arrive. A call that was slow on its way, the first
    /// on a new connection for instance, had arrived by its answer.
    async fn turn(&self, answered: Option<Instant>) -> Result<()> {
        if let Some(answered) = answered {
            sleep_until(answered + self.interval()).await;
        }
        loop {
            let decision = self.limiter.acquire(&self.job.limit).await.context("the limiter")?;
            if decision.is_granted() {
                return Ok(());
            }
            let longer = decision.retry_after().context("the limit is below one call")?;
            info!("many others wait to call the partner; asking again in {longer:.1?}");
            sleep(longer).await;
        }
    }

    /// Between two calls that are to be evenly spaced, rounded up; none between others.
    fn interval(&self) -> Duration {
        let limit = self.job.rate.limit();
        if limit.kind() != LimitKind::Rate || limit.capacity() > 1 {
            return Duration::ZERO;
        }
        let nanos = limit.period().as_nanos().div_ceil(u128::from(limit.count()));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

fn lock_lost(how: &str, left: usize) -> Ending {
    warn!("the lock is lost: {how}; stopping, {left} records are left for the next run");
    Ending::LockLost
}
