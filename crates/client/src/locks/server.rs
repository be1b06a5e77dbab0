//! The server as locks see it.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue};
use tokio::sync::watch;

use super::seats::Seats;
use crate::error::Result;
use crate::link::{Connect, Line, Way, Wire};

/// What all locks of one [`Locks`](crate::Locks) share.
pub(super) struct Server<K: Connect> {
    line: Line<K>,
    pub(super) deadline: Duration,
    pub(super) seats: Arc<Seats<K>>,
    /// How many releases are under way by tasks.
    releases: Arc<watch::Sender<usize>>,
}

/// A release that is under way, until it is dropped.
pub(super) struct Releasing(Arc<watch::Sender<usize>>);

impl<K: Connect> Server<K> {
    pub(super) fn new(way: Way<K>, deadline: Duration) -> Self {
        let releases = Arc::new(watch::Sender::new(0));
        Self { line: Line::new(way), deadline, seats: Arc::new(Seats::new()), releases }
    }

    /// Sends one command and waits for its answer up to the deadline.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        self.ask_within(self.deadline, command).await
    }

    pub(super) async fn ask_within<T: FromRedisValue>(&self, deadline: Duration, command: &Cmd) -> Result<T> {
        self.line.ask(deadline, command).await
    }

    /// A connection that nobody else uses.
    pub(super) async fn connect(&self) -> redis::RedisResult<Wire<K::Connection>> {
        self.line.way().connect().await
    }

    /// The same server over a connection of another runtime.
    pub(super) fn on_its_own(&self) -> Self {
        Self::new(self.line.way().clone(), self.deadline)
    }

    /// Counts a release until what this answers is dropped, with the task that carries it out.
    pub(super) fn releasing(&self) -> Releasing {
        self.releases.send_modify(|releases| *releases += 1);
        Releasing(Arc::clone(&self.releases))
    }

    /// Ends when no release is under way.
    pub(super) async fn released(&self) {
        // The sender is `self`, so it is there.
        let _ = self.releases.subscribe().wait_for(|releases| *releases == 0).await;
    }
}

impl Drop for Releasing {
    fn drop(&mut self) {
        self.0.send_modify(|releases| *releases = releases.saturating_sub(1));
    }
}
