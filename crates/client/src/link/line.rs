//! The connection that all calls share. It is made when it is needed, and made anew after it broke, did not
//! answer in time, or turned out to lead to a replica: a peer that is gone without a word would go on not
//! answering, and a primary that was demoted would go on refusing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisError, RedisResult, Value};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::source::Source;
use crate::error::{Error, Result};
use crate::outage::leads_elsewhere;

/// How long a connection that leads to a replica is kept at least: whoever resolves names may know the old
/// primary for a while, and connecting at every call would not help that.
const KEPT: Duration = Duration::from_millis(100);

/// How long making a connection may take at least. Longer than a deadline may be: the next call goes on
/// waiting for what the one before has begun.
const CONNECTING: Duration = Duration::from_secs(1);

/// A line to one server or cluster.
pub(crate) struct Line<S: Source> {
    source: S,
    current: Mutex<Option<Made<S::Connection>>>,
    making: AsyncMutex<Making<S::Connection>>,
}

#[derive(Clone)]
struct Made<C> {
    connection: C,
    /// Which connection it is, so that the failure of an old one does not end a new one.
    number: u64,
    at: Instant,
}

struct Making<C> {
    /// Numbers begin with 1.
    made: u64,
    /// By a task, so that it goes on when those who wait for it are gone.
    task: Option<JoinHandle<RedisResult<C>>>,
    /// How it failed last, for all who waited for it.
    failed: Option<(Instant, RedisError)>,
}

/// Which connection a command went out on, if it went out.
#[derive(Default)]
pub(crate) struct Use(AtomicU64);

impl Use {
    /// Whether the command may have been written.
    pub(crate) fn is_sent(&self) -> bool {
        self.0.load(Ordering::Acquire) != 0
    }
}

impl<S: Source> Line<S> {
    pub(crate) fn new(source: S) -> Self {
        let making = Making { made: 0, task: None, failed: None };
        Self { source, current: Mutex::new(None), making: AsyncMutex::new(making) }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    /// Sends one command and waits for its answer up to the deadline.
    pub(crate) async fn ask<T: FromRedisValue>(&self, deadline: Duration, command: &Cmd) -> Result<T> {
        let used = Use::default();
        match timeout(deadline, self.query(command, &used)).await {
            Ok(value) => Ok(T::from_redis_value(value?).map_err(RedisError::from)?),
            Err(_) => {
                self.give_up_on(&used);
                Err(Error::TimedOut(deadline))
            }
        }
    }

    /// Sends one command and waits for its answer. A connection that was closed before anything was
    /// written on it is replaced, and one that leads to a replica, which refused; then the command is sent
    /// again, once. After any other failure it is not: it may have been carried out.
    pub(crate) async fn query(&self, command: &Cmd, used: &Use) -> RedisResult<Value> {
        let mut again = true;
        loop {
            let Made { mut connection, number, at } = self.connection(Instant::now()).await?;
            used.0.store(number, Ordering::Release);
            let (outcome, at_once) = poll_first(command.query_async::<Value>(&mut connection)).await;
            let Err(error) = outcome else { return outcome };
            // The `redis` crate answers at once when the connection was closed before it was asked; what
            // has been written, even partly, has to wait for the answer or the end of the connection.
            let unwritten = at_once && error.is_connection_dropped();
            let elsewhere = leads_elsewhere(&error) && at.elapsed() >= KEPT;
            if unwritten || elsewhere || error.is_unrecoverable_error() {
                self.forget(number);
            }
            if !again || !(unwritten || elsewhere && was_refused(&error)) {
                return Err(error);
            }
            again = false;
            event!(debug, "a command is sent again on a new connection", error = error);
        }
    }

    /// Nobody waits any longer for an answer on the connection that was used: the next command gets another.
    pub(crate) fn give_up_on(&self, used: &Use) {
        self.forget(used.0.load(Ordering::Acquire));
    }

    fn forget(&self, number: u64) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|made| made.number == number) {
            *current = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Made<S::Connection>>> {
        // An `Option` is never left half changed.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A failure to connect counts for all who wanted a connection before it was known.
    async fn connection(&self, wanted: Instant) -> RedisResult<Made<S::Connection>> {
        if let Some(made) = &*self.current() {
            return Ok(made.clone());
        }
        let mut making = self.making.lock().await;
        if let Some(made) = &*self.current() {
            return Ok(made.clone());
        }
        if let Some((_, error)) = making.failed.as_ref().filter(|(at, _)| *at > wanted) {
            return Err(error.clone());
        }
        let task = making.task.get_or_insert_with(|| {
            let source = self.source.clone();
            tokio::spawn(async move { source.connection().await })
        });
        let outcome = match timeout(CONNECTING, &mut *task).await {
            Ok(Ok(outcome)) => outcome,
            // The runtime that it was made on has ended.
            Ok(Err(error)) => Err(std::io::Error::other(error).into()),
            Err(_) => {
                task.abort();
                Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
            }
        };
        making.task = None;
        match outcome {
            Ok(connection) => {
                making.made += 1;
                let made = Made { connection, number: making.made, at: Instant::now() };
                *self.current() = Some(made.clone());
                Ok(made)
            }
            Err(error) => {
                making.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

/// Whether the error says that the command was not carried out.
fn was_refused(error: &RedisError) -> bool {
    error.code().is_some()
}

/// The outcome, and whether it was there at the first look.
async fn poll_first<F: Future>(future: F) -> (F::Output, bool) {
    let mut future = pin!(future);
    let first = poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        })
    })
    .await;
    match first {
        Some(outcome) => (outcome, true),
        None => (future.await, false),
    }
}
