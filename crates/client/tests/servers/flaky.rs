//! A network that fails when the test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, ErrorKind, Pipeline, RedisFuture, RedisResult, Value};
use sluice_client::Connect;

#[derive(Clone)]
pub(crate) struct Flaky {
    client: redis::Client,
    faults: Arc<Faults>,
}

#[derive(Default)]
pub(crate) struct Faults {
    /// So many commands fail before they are sent.
    pub(crate) fail: AtomicUsize,
    /// So many commands are executed, and their answers lost.
    pub(crate) lose: AtomicUsize,
    /// No command is answered.
    pub(crate) hang: AtomicBool,
    /// How many commands were tried.
    pub(crate) tried: AtomicUsize,
}

impl Flaky {
    pub(crate) fn new(client: redis::Client) -> (Self, Arc<Faults>) {
        let faults = Arc::new(Faults::default());
        (Self { client, faults: Arc::clone(&faults) }, faults)
    }
}

#[derive(Clone)]
pub(crate) struct FlakyConnection {
    connection: MultiplexedConnection,
    faults: Arc<Faults>,
}

impl Connect for Flaky {
    type Connection = FlakyConnection;

    async fn connect(&self) -> RedisResult<FlakyConnection> {
        Ok(FlakyConnection { connection: self.client.connect().await?, faults: Arc::clone(&self.faults) })
    }
}

fn one_of(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}

impl ConnectionLike for FlakyConnection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            self.faults.tried.fetch_add(1, Ordering::SeqCst);
            if self.faults.hang.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if one_of(&self.faults.fail) {
                return Err((ErrorKind::Io, "the network is down").into());
            }
            let reply = self.connection.req_packed_command(command).await?;
            if one_of(&self.faults.lose) {
                return Err((ErrorKind::Io, "the network broke").into());
            }
            Ok(reply)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.connection.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
