//! What a line leads to: a server somewhere, or one in this process.

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};

use super::source::{Connect, Source};
use crate::in_process::InProcess;

impl Connect for InProcess {
    type Connection = Self;

    const SENDS_AT_ONCE: bool = true;

    async fn connect(&self) -> RedisResult<Self> {
        Ok(self.clone())
    }
}

/// Where a line leads to. A program's types name the source it has in production; in its tests there is a server in
/// this process behind the same types.
pub(crate) enum Way<S> {
    Source(S),
    InProcess(InProcess),
}

/// A connection on such a way.
#[derive(Clone)]
pub(crate) enum Wire<C> {
    Server(C),
    InProcess(InProcess),
}

impl<S: Source> Way<S> {
    pub(crate) async fn connection(&self) -> RedisResult<Wire<S::Connection>> {
        match self {
            Self::Source(source) => source.connection().await.map(Wire::Server),
            Self::InProcess(server) => Ok(Wire::InProcess(server.clone())),
        }
    }
}

impl<K: Connect> Way<K> {
    /// A connection that nobody else uses.
    pub(crate) async fn connect(&self) -> RedisResult<Wire<K::Connection>> {
        match self {
            Self::Source(client) => client.connect().await.map(Wire::Server),
            Self::InProcess(server) => Ok(Wire::InProcess(server.clone())),
        }
    }
}

impl<S: Clone> Clone for Way<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Source(source) => Self::Source(source.clone()),
            Self::InProcess(server) => Self::InProcess(server.clone()),
        }
    }
}

impl<S> From<InProcess> for Way<S> {
    fn from(server: InProcess) -> Self {
        Self::InProcess(server)
    }
}

impl<C: ConnectionLike + Send> ConnectionLike for Wire<C> {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(command),
            Self::InProcess(server) => server.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::InProcess(server) => server.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::InProcess(server) => server.get_db(),
        }
    }
}
