//! How locks come by connections: one that all calls share, and one for each that waits.

use std::future::Future;
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, RedisResult};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::error::{Error, Result};

/// Where connections come from: [`redis::Client`], with the feature `cluster` a
/// `redis::cluster::ClusterClient`, or something of your own (a sentinel, a proxy).
pub trait Connect: Clone + Send + Sync + 'static {
    /// What it connects to.
    type Connection: ConnectionLike + Clone + Send + Sync + 'static;

    /// Whether a connection may send a command again by itself when its answer was lost. Then an
    /// answer of "held by somebody" may mean: by the first sending of the same command.
    const RESENDS: bool = false;

    /// A new connection, whose replies do not time out: a wait for a lock may take long. Each call
    /// that is to be answered at once gets its deadline from [`Locks`](crate::Locks).
    fn connect(&self) -> impl Future<Output = RedisResult<Self::Connection>> + Send;
}

impl Connect for redis::Client {
    type Connection = redis::aio::MultiplexedConnection;

    async fn connect(&self) -> RedisResult<Self::Connection> {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        self.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// Build the client without `response_timeout` and `overall_response_timeout`: the latter cannot be
/// lifted for a wait.
#[cfg(feature = "cluster")]
impl Connect for redis::cluster::ClusterClient {
    type Connection = redis::cluster_async::ClusterConnection;

    const RESENDS: bool = true;

    async fn connect(&self) -> RedisResult<Self::Connection> {
        self.get_async_connection_with_config(redis::cluster::ClusterConfig::new()).await
    }
}

/// The connection that all calls share. It is made when it is needed, and made anew after it broke
/// or did not answer in time: a peer that is gone without a word would go on not answering.
pub(super) struct Line<K: Connect> {
    pub(super) client: K,
    pub(super) deadline: Duration,
    current: Mutex<Current<K::Connection>>,
}

struct Current<C> {
    connection: Option<C>,
    /// Which connection it is, so that the failure of an old one does not end a new one.
    number: u64,
}

impl<K: Connect> Line<K> {
    pub(super) fn new(client: K, deadline: Duration) -> Self {
        Self { client, deadline, current: Mutex::new(Current { connection: None, number: 0 }) }
    }

    /// Sends one command and waits for its answer up to the deadline.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        self.ask_within(self.deadline, command).await
    }

    pub(super) async fn ask_within<T: FromRedisValue>(&self, deadline: Duration, command: &Cmd) -> Result<T> {
        let mut used = None;
        let outcome = timeout(deadline, async {
            let (mut connection, number) = self.connection().await?;
            used = Some(number);
            command.query_async(&mut connection).await
        })
        .await;
        let broken = match &outcome {
            Ok(Ok(_)) => false,
            Ok(Err(error)) => error.is_unrecoverable_error(),
            Err(_) => true,
        };
        if let Some(number) = used.filter(|_| broken) {
            self.forget(number).await;
        }
        Ok(outcome.map_err(|_| Error::TimedOut(deadline))??)
    }

    async fn connection(&self) -> RedisResult<(K::Connection, u64)> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((connection.clone(), current.number));
        }
        let connection = self.client.connect().await?;
        current.connection = Some(connection.clone());
        current.number += 1;
        Ok((connection, current.number))
    }

    async fn forget(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.number == number {
            current.connection = None;
        }
    }
}
