//! A server in this process: the module's own grammar and decisions behind the traits of the `redis` crate.
//!
//! | file | idea |
//! |---|---|
//! | `engine` | who answers: finds the command, sees to what waits |
//! | `inside` | what it has, for one at a time |
//! | `keys` | what each key holds, until when |
//! | `limits` | the RATELIMIT commands |
//! | `locks` | the LOCK commands, and who is granted what |
//! | `wait` | a LOCK.ACQUIRE that waits |
//! | `reply` | replies as they come over the wire |

mod engine;
mod inside;
mod keys;
mod limits;
mod locks;
mod reply;
mod wait;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, Value};

use self::inside::Shared;

/// A server in this process, for tests that need no Redis, and for programs that run alone.
///
/// It answers all commands of the module, by the module's own grammar and decisions, and `DEL` and `PING`, with the
/// replies and error texts of a server. Its clock is tokio's: where that is paused, waits for turns and for locks take
/// no time.
///
/// Cheap to clone; clones are the same server. [`Limiter::in_process`] and [`Locks::in_process`] make one each;
/// to share one between several, and with other "processes" of the same test:
///
/// ```
/// use std::time::Duration;
/// use sluice_client::{InProcess, Limit, Limiter, Locks};
///
/// struct App {
///     limiter: Limiter, // as in production
///     locks: Locks,
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = InProcess::new();
/// let limit = Limit::per_hour(1);
/// let app = App { limiter: server.limiter(limit), locks: server.locks() };
/// let other: Limiter = server.limiter(limit);
///
/// assert!(app.limiter.try_acquire("user:42").await?.is_granted());
/// assert!(!other.try_acquire("user:42").await?.is_granted());
/// tokio::time::sleep(Duration::from_secs(3600)).await; // at once, with tokio's clock paused
/// assert!(other.try_acquire("user:42").await?.is_granted());
/// # let _ = app.locks;
/// # Ok(())
/// # }
/// ```
///
/// # What it is not
/// - It is one process: it ends with it, and nothing is stored, replicated or evicted.
/// - It never fails. What a program does in an outage is to be tested on a server, or with a [`Source`](crate::Source) of its own.
/// - It knows no policies (a call by `@name` is answered `NOPOLICY`), and neither `RATELIMIT.TOP` nor `CL.THROTTLE`.
/// - It has no databases, users, rights, `MULTI` by hand, scripts, settings (they stand at their defaults) or counters.
///   A pipeline of the `redis` crate works, atomic or not; a lock that an atomic one releases goes to the next who
///   waits at once, and not at its end.
/// - A `LOCK.ACQUIRE` that waits does not hold up other commands on its connection. When its future is dropped, the
///   wait ends there and then, as if the connection had been closed.
/// - Wherever it waits it needs a runtime of tokio with its clock. One that is shared by several runtimes needs them all
///   to have a clock that is not paused.
#[derive(Clone)]
pub struct InProcess(Arc<Shared>);

impl InProcess {
    /// A server without keys. Its clock shows the time of day, and begins at a whole millisecond: where tokio's is
    /// paused, the times in its answers are round.
    pub fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Self::starting_at(UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(UNIX_EPOCH))
    }

    /// A server without keys, whose clock shows this time now: for limits that are aligned to the calendar.
    pub fn starting_at(now: SystemTime) -> Self {
        Self(Arc::new(Shared::starting_at(now)))
    }

    /// Sets its clock forward, as if the machine of a server had been corrected: buckets refill, leases end, and no
    /// time passes for anybody else.
    pub fn set_clock_forward(&self, time: Duration) {
        self.0.set_clock_forward(time);
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess(..)")
    }
}

/// It is its own connection, and [`AsyncSluiceCommands`](crate::AsyncSluiceCommands) work on it.
impl ConnectionLike for InProcess {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move { Ok(engine::answer(&self.0, command).await) })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        _offset: usize,
        _count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            if pipeline.is_transaction() {
                return Ok(vec![Value::Array(engine::transaction(&self.0, pipeline.cmd_iter()))]);
            }
            let mut replies = Vec::with_capacity(pipeline.len());
            for command in pipeline.cmd_iter() {
                replies.push(engine::answer(&self.0, command).await);
            }
            Ok(replies)
        })
    }

    fn get_db(&self) -> i64 {
        0
    }
}
