//! A reservation that survives the future that made it.
//!
//! Dropping a future of the `redis` crate does not take back what was sent: the server may grant a
//! turn that nobody hears of. So the reply of a reservation is always awaited, by a task if the caller
//! is gone, and the turn is handed on then. It is never given back before the reply is there: if the call
//! was refused, that would add tokens which nobody had taken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use redis::Cmd;
use redis::aio::ConnectionLike;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::ask::ask;
use super::lane::Lane;
use super::queue::{Queue, Terms};
use crate::error::Result;
use crate::limit_reply::LimitReply;

/// The reply and when it came: what is left of a wait is counted from then.
type Answer = Pin<Box<dyn Future<Output = (Result<LimitReply>, Instant)> + Send>>;

/// A reservation whose reply is outstanding.
pub(super) struct Request<C: ConnectionLike + Clone + Send + Sync + 'static> {
    /// None once it has been answered.
    waiting: Option<(Answer, Lane)>,
    queue: Arc<Queue<C>>,
    terms: Terms,
    /// The runtime it was first polled on, and when; before that nothing has been sent.
    sent_on: Option<(Handle, Instant)>,
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Request<C> {
    pub(super) fn new(connection: C, queue: Arc<Queue<C>>, terms: Terms, command: Cmd, lane: Lane) -> Self {
        let answer = async move {
            let reply = ask(connection, command, terms.deadline).await;
            (reply, Instant::now())
        };
        Self { waiting: Some((Box::pin(answer), lane)), queue, terms, sent_on: None }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Future for Request<C> {
    type Output = (Result<LimitReply>, Instant, Lane);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.sent_on.is_none() {
            self.sent_on = Some((Handle::current(), Instant::now()));
        }
        let Some((answer, _)) = &mut self.waiting else { return Poll::Pending };
        let (reply, answered) = ready!(answer.as_mut().poll(cx));
        match self.waiting.take() {
            Some((_, lane)) => Poll::Ready((reply, answered, lane)),
            None => Poll::Pending,
        }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Drop for Request<C> {
    fn drop(&mut self) {
        let (Some((answer, lane)), Some((runtime, asked))) = (self.waiting.take(), self.sent_on.take())
        else {
            return;
        };
        let (queue, terms) = (Arc::clone(&self.queue), self.terms);
        runtime.spawn(async move {
            let (Ok(reply), answered) = answer.await else { return };
            let decision = reply.decision();
            if !decision.wait().is_zero() {
                event!(debug, "a turn came for a caller who is gone");
                let turn = queue.turn(asked, answered + decision.wait(), decision.act_at());
                queue.hand_on(lane, turn, terms);
            }
        });
    }
}
