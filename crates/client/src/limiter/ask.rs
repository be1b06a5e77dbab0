//! One command, answered within the deadline or not at all.

use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue};
use tokio::time::{Instant, timeout};

use crate::command;
use crate::error::{Error, Result};
use crate::wire::duration;

/// Sends one command and waits for its answer up to the deadline. A command that is still to be sent
/// at the deadline (the connection is being made again) is dropped with its future, so that none is
/// sent when nobody waits for it any more.
pub(super) async fn ask<C, R>(mut connection: C, command: Cmd, deadline: Duration) -> Result<R>
where
    C: ConnectionLike,
    R: FromRedisValue,
{
    match timeout(deadline, command.query_async(&mut connection)).await {
        Ok(reply) => Ok(reply?),
        Err(_) => Err(Error::TimedOut(deadline)),
    }
}

/// How much longer to sleep for a turn that was last told after `told`, if it is due.
pub(super) async fn ask_turn<C>(
    connection: C,
    key: &[u8],
    told: Instant,
    deadline: Duration,
) -> Result<Duration>
where
    C: ConnectionLike,
{
    let command = command::ratelimit_turn(key, told.elapsed());
    ask(connection, command, deadline).await.map(duration)
}
