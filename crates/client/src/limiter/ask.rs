//! One command, answered within the deadline or not at all.
//!
//! Dropping a future of the `redis` crate does not take back what was sent: the server may grant a turn
//! that nobody hears of. So the answer to a command that was sent is always awaited, by a task if the caller
//! is gone or has been told that it takes too long: a turn that comes for nobody is handed on then. It is
//! never given back before the answer is there: if the call was refused, that would add tokens which nobody
//! had taken. And an answer that comes too late still tells that the server is back.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisError};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until, timeout, timeout_at};

use super::gate::{Gate, Sent};
use crate::command;
use crate::error::{Error, Result};
use crate::link::Source;
use crate::wire::duration;

/// How long after its deadline an answer is still awaited.
const LATE: Duration = Duration::from_secs(60);

/// Sends one command and waits for its answer up to the deadline. A command that is still to be sent
/// at the deadline (the server is silent, or the connection is being made again) never is.
pub(super) async fn ask<S: Source, R>(gate: &Arc<Gate<S>>, command: Cmd, deadline: Duration) -> Result<R>
where
    R: FromRedisValue + Send + 'static,
{
    Question::new(gate, command, deadline, |_: Answer<R>| {}).await.reply
}

/// How much longer to sleep for a turn that was last told after `told`, if it is due.
pub(super) async fn ask_turn<S: Source>(
    gate: &Arc<Gate<S>>,
    key: &[u8],
    told: Instant,
    deadline: Duration,
) -> Result<Duration> {
    let command = command::ratelimit_turn(key, told.elapsed());
    ask(gate, command, deadline).await.map(duration)
}

/// What came back.
pub(super) struct Answer<R> {
    pub(super) reply: Result<R>,
    /// When the question was first asked for.
    pub(super) asked: Instant,
    /// When the reply came: what is left of a wait is counted from then.
    pub(super) answered: Instant,
}

/// A command whose answer is outstanding. `late` is called with an answer that comes when the caller is
/// gone, or has been told that it takes too long.
pub(super) struct Question<S: Source, R, L>
where
    R: Send + 'static,
    L: FnOnce(Answer<R>) + Send + 'static,
{
    /// None once it has been answered.
    open: Option<Open<S, R, L>>,
}

type Reply<R> = Pin<Box<dyn Future<Output = (Result<R>, Instant)> + Send>>;

struct Open<S: Source, R, L> {
    reply: Reply<R>,
    sent: Arc<Sent<S>>,
    deadline: Duration,
    late: L,
    /// From when it is first polled on; before that nothing has been sent.
    begun: Option<Begun>,
}

struct Begun {
    runtime: Handle,
    at: Instant,
    over: Pin<Box<Sleep>>,
}

impl<S: Source, R, L> Question<S, R, L>
where
    R: FromRedisValue + Send + 'static,
    L: FnOnce(Answer<R>) + Send + 'static,
{
    pub(super) fn new(gate: &Arc<Gate<S>>, command: Cmd, deadline: Duration, late: L) -> Self {
        let sent = Arc::new(Sent::new(gate));
        let reply = {
            let (gate, sent) = (Arc::clone(gate), Arc::clone(&sent));
            Box::pin(async move {
                let value = gate.send(command, deadline, &sent).await;
                let read = |value| Ok(R::from_redis_value(value).map_err(RedisError::from)?);
                (value.and_then(read), Instant::now())
            })
        };
        Self { open: Some(Open { reply, sent, deadline, late, begun: None }) }
    }
}

// Nothing in it is pinned but what is in a box.
impl<S: Source, R, L> Unpin for Question<S, R, L>
where
    R: Send + 'static,
    L: FnOnce(Answer<R>) + Send + 'static,
{
}

impl<S: Source, R, L> Future for Question<S, R, L>
where
    R: Send + 'static,
    L: FnOnce(Answer<R>) + Send + 'static,
{
    type Output = Answer<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<R>> {
        let Some(open) = &mut self.open else { return Poll::Pending };
        let deadline = open.deadline;
        let begun = open.begun.get_or_insert_with(|| {
            let at = Instant::now();
            Begun { runtime: Handle::current(), at, over: Box::pin(sleep_until(at + deadline)) }
        });
        let asked = begun.at;
        if let Poll::Ready((reply, answered)) = open.reply.as_mut().poll(cx) {
            self.open = None;
            return Poll::Ready(Answer { reply, asked, answered });
        }
        if begun.over.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        open.sent.time_out(deadline);
        if let Some(open) = self.open.take() {
            open.leave();
        }
        Poll::Ready(Answer { reply: Err(Error::TimedOut(deadline)), asked, answered: Instant::now() })
    }
}

impl<S: Source, R, L> Drop for Question<S, R, L>
where
    R: Send + 'static,
    L: FnOnce(Answer<R>) + Send + 'static,
{
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.leave();
        }
    }
}

impl<S: Source, R, L> Open<S, R, L>
where
    R: Send + 'static,
    L: FnOnce(Answer<R>) + Send + 'static,
{
    /// Nobody waits for the answer any longer. One of a command that may have been written is awaited by a
    /// task; another is not sent.
    fn leave(self) {
        let Self { mut reply, sent, deadline, late, begun } = self;
        let Some(Begun { runtime, at: asked, .. }) = begun.filter(|_| sent.is_written()) else { return };
        runtime.spawn(async move {
            let in_time = timeout_at(asked + deadline, &mut reply).await;
            let outcome = match in_time {
                Ok(outcome) => Ok(outcome),
                Err(_) => {
                    sent.time_out(deadline);
                    if !S::SENDS_AT_ONCE {
                        return;
                    }
                    timeout(LATE, reply).await
                }
            };
            if let Ok((reply, answered)) = outcome {
                late(Answer { reply, asked, answered });
            }
        });
    }
}
