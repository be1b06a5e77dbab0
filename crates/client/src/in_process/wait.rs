//! A LOCK.ACQUIRE that waits.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use sluice_core::time::Millis;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::{Instant, sleep_until};

use super::inside::Shared;
use super::locks::{Joined, three};

/// One that waits. Dropping it ends the wait, as a connection that is closed does: what it was granted without having
/// heard of it is taken back.
pub(super) struct Wait {
    server: Arc<Shared>,
    key: Box<[u8]>,
    owner: Box<[u8]>,
    joined: Joined,
    end: Option<Instant>,
    /// It has heard the answer.
    is_over: bool,
}

impl Wait {
    pub(super) fn new(server: Arc<Shared>, key: &[u8], owner: &[u8], joined: Joined) -> Self {
        let limit = joined.limit;
        let time = Duration::from_millis(limit.get());
        let end = (limit != Millis::ZERO).then(|| Instant::now().checked_add(time)).flatten();
        Self { server, key: key.into(), owner: owner.into(), joined, end, is_over: false }
    }

    pub(super) async fn await_answer(mut self) -> Value {
        loop {
            let id = self.joined.id;
            let look_in = self.server.with(|inside, now| inside.desk.look(&mut inside.keys, id, now));
            let look_at = look_in.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms)));
            tokio::select! {
                biased;
                told = &mut self.joined.told => {
                    self.is_over = true;
                    // The sender is there until it has told something.
                    return told.map_or(Value::Nil, three);
                }
                () = at(self.end) => {
                    self.server.with(|inside, now| inside.desk.time_is_up(&mut inside.keys, id, now));
                    self.end = None;
                }
                () = self.joined.look.notified() => {}
                () = at(look_at) => {}
            }
        }
    }
}

/// At that instant, or never.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let granted = match self.joined.told.try_recv() {
            Ok(reply) => reply.held == 1,
            Err(TryRecvError::Empty | TryRecvError::Closed) => false,
        };
        self.server.with(|inside, now| {
            let (keys, desk) = (&mut inside.keys, &mut inside.desk);
            desk.forget(keys, self.joined.id, now);
            if granted {
                // There is a lock, or none; either way there is nobody to be told of an error.
                let _ = desk.release(keys, &self.key, &self.owner, now);
            }
        });
    }
}
