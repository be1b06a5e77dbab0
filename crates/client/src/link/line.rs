//! The connection that all calls share. It is made when it is needed, and made anew after it broke, did not
//! answer in time, or turned out to lead to a replica: a peer that is gone without a word would go on not
//! answering, and a primary that was demoted would go on refusing.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, RedisError, RedisResult, Value};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::source::Source;
use super::way::{Way, Wire};
use crate::error::{Error, Result};
use crate::measure::RoundTrip;
use crate::outage::leads_elsewhere;

/// How long a connection that leads to a replica is kept at least: whoever resolves names may know the old
/// primary for a while, and connecting at every call would not help that.
const KEPT: Duration = Duration::from_millis(100);

/// How long making a connection may take at least. Longer than a deadline may be: the next call goes on
/// waiting for what the one before has begun.
const CONNECTING: Duration = Duration::from_secs(1);

/// How long a connection has to be idle before somebody looks whether it has been closed, in us. One that is
/// busy fails those who are on it when it breaks, and is replaced then.
const IDLE_US: u64 = 20_000;

/// A line to one server or cluster.
pub(crate) struct Line<S: Source> {
    way: Way<S>,
    current: Mutex<Option<Made<S::Connection>>>,
    making: AsyncMutex<Making<S::Connection>>,
    since: Instant,
    /// When an answer came last, since then.
    used_us: AtomicU64,
}

#[derive(Clone)]
struct Made<C> {
    connection: Wire<C>,
    /// Which connection it is, so that the failure of an old one does not end a new one.
    number: u64,
    at: Instant,
}

struct Making<C> {
    /// Numbers begin with 1.
    made: u64,
    /// By a task, so that it goes on when those who wait for it are gone.
    task: Option<JoinHandle<RedisResult<Wire<C>>>>,
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
    pub(crate) fn new(way: Way<S>) -> Self {
        let making = Making { made: 0, task: None, failed: None };
        Self {
            way,
            current: Mutex::new(None),
            making: AsyncMutex::new(making),
            since: Instant::now(),
            used_us: AtomicU64::new(0),
        }
    }

    pub(crate) fn way(&self) -> &Way<S> {
        &self.way
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

    /// Sends one command and waits for its answer. A connection that was closed while nobody used it is
    /// replaced before, and one that leads to a replica, which refused the command; then it is sent again,
    /// once. After any other failure it is not: it may have been carried out.
    pub(crate) async fn query(&self, command: &Cmd, used: &Use) -> RedisResult<Value> {
        let mut again = true;
        loop {
            let Made { mut connection, number, at } = self.open_connection().await?;
            used.0.store(number, Ordering::Release);
            let round_trip = RoundTrip::begin();
            let outcome = command.query_async::<Value>(&mut connection).await;
            self.used_us.store(self.now_us(), Ordering::Relaxed);
            let Err(error) = outcome else {
                round_trip.end(command);
                return outcome;
            };
            if error.code().is_some() {
                round_trip.end(command);
            }
            let elsewhere = leads_elsewhere(&error) && at.elapsed() >= KEPT;
            if elsewhere || error.is_unrecoverable_error() {
                self.forget(number);
            }
            if !(again && elsewhere) {
                return Err(error);
            }
            again = false;
            event!(debug, "a command is sent again on a new connection", error = error);
        }
    }

    /// A connection that was not closed just before.
    async fn open_connection(&self) -> RedisResult<Made<S::Connection>> {
        let mut made = self.connection(Instant::now()).await?;
        let idle_us = self.now_us().saturating_sub(self.used_us.load(Ordering::Relaxed));
        if S::SENDS_AT_ONCE && idle_us >= IDLE_US && is_closed(&mut made.connection).await {
            event!(debug, "a connection that was closed while idle is replaced");
            self.forget(made.number);
            made = self.connection(Instant::now()).await?;
        }
        Ok(made)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
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
            let way = self.way.clone();
            tokio::spawn(async move { way.connection().await })
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

/// Whether a connection has been closed. The `redis` crate says so at once to whoever asks something; what is
/// asked here is dropped, which it then does not send, or sends a PING that nobody waits for.
async fn is_closed(connection: &mut impl ConnectionLike) -> bool {
    let ping = redis::cmd("PING");
    let mut asked = pin!(ping.query_async::<Value>(connection));
    poll_fn(|cx| {
        let at_once = asked.as_mut().poll(cx);
        Poll::Ready(matches!(at_once, Poll::Ready(Err(error)) if error.is_connection_dropped()))
    })
    .await
}
