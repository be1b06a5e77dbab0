//! The server as locks see it.

use std::time::Duration;

use redis::{Cmd, FromRedisValue};

use crate::error::Result;
use crate::link::{Connect, Line};

/// What all locks of one [`Locks`](crate::Locks) share.
pub(super) struct Server<K: Connect> {
    line: Line<K>,
    pub(super) deadline: Duration,
}

impl<K: Connect> Server<K> {
    pub(super) fn new(client: K, deadline: Duration) -> Self {
        Self { line: Line::new(client), deadline }
    }

    /// Sends one command and waits for its answer up to the deadline.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        self.ask_within(self.deadline, command).await
    }

    pub(super) async fn ask_within<T: FromRedisValue>(&self, deadline: Duration, command: &Cmd) -> Result<T> {
        self.line.ask(deadline, command).await
    }

    /// A connection that nobody else uses.
    pub(super) async fn connect(&self) -> redis::RedisResult<K::Connection> {
        self.line.source().connect().await
    }
}
