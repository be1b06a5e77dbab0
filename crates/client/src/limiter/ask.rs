//! One command, answered within the deadline or not at all.

use std::time::Duration;

use redis::Cmd;
use redis::aio::ConnectionLike;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::limit_reply::LimitReply;

/// Sends one command and waits for its answer up to the deadline. A command that is still to be sent
/// at the deadline (the connection is being made again) is dropped with its future, so that none is
/// sent when nobody waits for it any more.
pub(super) async fn ask<C>(mut connection: C, command: Cmd, deadline: Duration) -> Result<LimitReply>
where
    C: ConnectionLike,
{
    match timeout(deadline, command.query_async(&mut connection)).await {
        Ok(reply) => Ok(reply?),
        Err(_) => Err(Error::TimedOut(deadline)),
    }
}
