//! Waiting in the server, on a connection of its own, and giving the wait up.
//!
//! Giving up is more than forgetting: the server may grant the lock at any moment, to somebody who is
//! no longer there. So a RELEASE is sent behind the ACQUIRE on its own connection, in case it was
//! granted, and another on a different connection, in case it still waits (a client that is blocked
//! executes nothing). The server may read that one before the ACQUIRE, so it is sent again until both
//! replies of the first connection are there. Only then is that one closed.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use redis::RedisResult;
use tokio::time::{Instant, timeout};

use super::claimant::Claimant;
use super::seats::Seat;
use crate::command;
use crate::link::{Connect, Wire};
use crate::lock_reply::LockReply;

/// Between two RELEASEs of a wait that is given up.
const AGAIN: Duration = Duration::from_millis(50);

/// How long the replies of a wait that is given up are waited for at least. The RELEASE on the other connection
/// ends the wait, so they come at once from a server that is there; others who wait here wait for them too.
const PATIENCE: Duration = Duration::from_secs(2);

type Answer = Pin<Box<dyn Future<Output = RedisResult<LockReply>> + Send>>;

/// A claimant that waits in the server: a future of the claimant and the reply. The server times it, not
/// this. Dropping it gives the wait up.
pub(super) struct Wait<K: Connect>(Option<UnderWay<K>>);

struct UnderWay<K: Connect> {
    claimant: Claimant<K>,
    answer: Answer,
    connection: Wire<K::Connection>,
    seat: Seat<K>,
    sent: bool,
}

impl<K: Connect> Wait<K> {
    /// A wait on a connection that nobody else uses, by whoever has the seat. A `block` of zero has no limit.
    pub(super) fn new(
        claimant: Claimant<K>,
        connection: Wire<K::Connection>,
        seat: Seat<K>,
        holders: usize,
        block: Duration,
    ) -> Self {
        let command = command::lock_acquire(&claimant.key, &claimant.owner, claimant.lease, holders, block);
        let mut waiting = connection.clone();
        let answer = Box::pin(async move { command.query_async(&mut waiting).await });
        Self(Some(UnderWay { claimant, answer, connection, seat, sent: false }))
    }
}

impl<K: Connect> Wait<K> {
    /// Its connection hangs: it is closed, and nothing is said on it any more. `None` if the wait is over.
    pub(super) fn hang_up(mut self) -> Option<(Claimant<K>, Seat<K>)> {
        self.0.take().map(|UnderWay { claimant, seat, .. }| (claimant, seat))
    }
}

impl<K: Connect> Future for Wait<K> {
    type Output = (Claimant<K>, RedisResult<LockReply>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(under_way) = &mut self.0 else { return Poll::Pending };
        under_way.sent = true;
        let reply = ready!(under_way.answer.as_mut().poll(cx));
        match self.0.take() {
            Some(UnderWay { claimant, connection, mut seat, .. }) => {
                seat.connection = reply.is_ok().then_some(connection);
                Poll::Ready((claimant, reply))
            }
            None => Poll::Pending,
        }
    }
}

// Nothing in it is pinned but what is in a box.
impl<K: Connect> Unpin for Wait<K> {}

impl<K: Connect> Drop for Wait<K> {
    fn drop(&mut self) {
        match self.0.take() {
            Some(under_way) if under_way.sent => {
                let runtime = under_way.claimant.runtime.clone();
                let releasing = under_way.claimant.server.releasing();
                runtime.spawn(async move {
                    under_way.give_up().await;
                    drop(releasing);
                });
            }
            Some(under_way) => under_way.claimant.settle(),
            None => {}
        }
    }
}

impl<K: Connect> UnderWay<K> {
    async fn give_up(self) {
        let Self { claimant, answer, mut connection, mut seat, .. } = self;
        let end = Instant::now() + PATIENCE.max(claimant.server.deadline * 4);
        let kept = connection.clone();
        let release = claimant.release_command();
        // In this order: what is polled first is sent first.
        let mut replies = pin!(async {
            tokio::join!(answer, async { release.query_async::<bool>(&mut connection).await })
        });
        let mut answered = None;
        while answered.is_none() && Instant::now() < end {
            let again = async {
                let _ = claimant.server.ask::<bool>(&release).await;
            };
            // Both at once: an answer may need the other RELEASE, and that one may need a while.
            let (replied, ()) = tokio::join!(timeout(AGAIN, replies.as_mut()), again);
            answered = replied.ok();
        }
        if let Some((Ok(_), Ok(_))) = answered {
            claimant.settle();
            seat.connection = Some(kept);
        }
        // Otherwise the connection broke or hangs. It is closed, which ends a wait in the server, and the
        // claimant, dropped here, is released once more.
    }
}
