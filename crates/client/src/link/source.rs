//! Where connections come from.

use std::future::Future;

use redis::RedisResult;
use redis::aio::{ConnectionLike, MultiplexedConnection};

/// Where new connections come from: [`redis::Client`], with the feature `cluster` a
/// `redis::cluster::ClusterClient`, with the feature `sentinel` a `Sentinel`, or something of your own.
///
/// A connection that fails is replaced by calling this again, so look the server's address up each time:
/// after a failover the same name may lead to another server. [`redis::Client`] does.
pub trait Connect: Clone + Send + Sync + 'static {
    /// What it connects to.
    type Connection: ConnectionLike + Clone + Send + Sync + 'static;

    /// Whether a connection may send a command again by itself when its answer was lost. Then an
    /// answer of "held by somebody" may mean: by the first sending of the same command.
    const RESENDS: bool = false;

    /// Whether a command is written at once, or fails at once where the connection was closed before. Then its answer is awaited even after the deadline,
    /// and a turn that comes for nobody is handed on. Of a connection that may keep a command until it is
    /// connected again, or send it again, it is dropped at the deadline, so that it is not sent much later.
    const SENDS_AT_ONCE: bool = false;

    /// A new connection, whose replies do not time out: a wait for a lock may take long. Each call
    /// that is to be answered at once gets its deadline from [`Locks`](crate::Locks) or
    /// [`Limiter`](crate::Limiter).
    fn connect(&self) -> impl Future<Output = RedisResult<Self::Connection>> + Send;
}

/// Where a [`Limiter`](crate::Limiter) has its connection from: everything that can [`Connect`], which is
/// what heals best, and connections that are ready: a [`MultiplexedConnection`], with the feature
/// `connection-manager` a `ConnectionManager`, with the feature `cluster` a `ClusterConnection`, others in
/// [`Ready`].
pub trait Source: Clone + Send + Sync + 'static {
    /// What it connects to.
    type Connection: ConnectionLike + Clone + Send + Sync + 'static;

    /// Whether a command is written at once, or fails at once where the connection was closed before. Then its answer is awaited even after the deadline,
    /// and a turn that comes for nobody is handed on. Of a connection that may keep a command until it is
    /// connected again, or send it again, it is dropped at the deadline, so that it is not sent much later.
    const SENDS_AT_ONCE: bool = false;

    /// A connection to use from now on. The one before has failed, if there was one.
    fn connection(&self) -> impl Future<Output = RedisResult<Self::Connection>> + Send;
}

impl<K: Connect> Source for K {
    type Connection = K::Connection;

    const SENDS_AT_ONCE: bool = K::SENDS_AT_ONCE;

    fn connection(&self) -> impl Future<Output = RedisResult<Self::Connection>> + Send {
        self.connect()
    }
}

/// A connection that is ready, of any kind. It is all there is: when it breaks, whether it heals is its own
/// affair. One that hangs without a word goes on hanging, which a limiter with a client would notice.
#[derive(Debug, Clone)]
pub struct Ready<C>(pub C);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Source for Ready<C> {
    type Connection = C;

    async fn connection(&self) -> RedisResult<C> {
        Ok(self.0.clone())
    }
}

/// It does not heal: when it breaks, every later call is an outage.
impl Source for MultiplexedConnection {
    type Connection = Self;

    const SENDS_AT_ONCE: bool = true;

    async fn connection(&self) -> RedisResult<Self> {
        Ok(self.clone())
    }
}

/// It heals when it breaks, but not when it hangs without a word, nor when its server becomes a replica.
#[cfg(feature = "connection-manager")]
impl Source for redis::aio::ConnectionManager {
    type Connection = Self;

    async fn connection(&self) -> RedisResult<Self> {
        Ok(self.clone())
    }
}

/// It looks for another node when one fails.
#[cfg(feature = "cluster")]
impl Source for redis::cluster_async::ClusterConnection {
    type Connection = Self;

    async fn connection(&self) -> RedisResult<Self> {
        Ok(self.clone())
    }
}

impl Connect for redis::Client {
    type Connection = MultiplexedConnection;

    const SENDS_AT_ONCE: bool = true;

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

/// The primary that sentinels name, asked for each time a connection is made: after a failover the next one
/// leads to the new primary.
///
/// ```no_run
/// use redis::sentinel::{SentinelClient, SentinelServerType};
/// use sluice_client::{Limit, Limiter, Outage, Sentinel};
/// # fn main() -> redis::RedisResult<()> {
/// let sentinels = vec!["redis://10.0.0.1:26379", "redis://10.0.0.2:26379", "redis://10.0.0.3:26379"];
/// let client = SentinelClient::build(sentinels, "mymaster".to_owned(), None, SentinelServerType::Master)?;
/// let limiter = Limiter::new(Sentinel::from(client), Limit::per_second(10), Outage::Closed);
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "sentinel")]
#[derive(Clone)]
pub struct Sentinel(std::sync::Arc<tokio::sync::Mutex<redis::sentinel::SentinelClient>>);

#[cfg(feature = "sentinel")]
impl From<redis::sentinel::SentinelClient> for Sentinel {
    fn from(client: redis::sentinel::SentinelClient) -> Self {
        Self(std::sync::Arc::new(tokio::sync::Mutex::new(client)))
    }
}

#[cfg(feature = "sentinel")]
impl std::fmt::Debug for Sentinel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sentinel(..)")
    }
}

#[cfg(feature = "sentinel")]
impl Connect for Sentinel {
    type Connection = MultiplexedConnection;

    const SENDS_AT_ONCE: bool = true;

    async fn connect(&self) -> RedisResult<Self::Connection> {
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        self.0.lock().await.get_async_connection_with_config(&config).await
    }
}
