//! Looking at a key, and forgetting it.

use super::settings::Limiter;
use crate::command;
use crate::decision::Decision;
use crate::error::Result;
use crate::limit_info::KeyInfo;
use crate::limit_reply::LimitReply;
use crate::link::Source;

impl<S: Source> Limiter<S> {
    /// What [`Self::try_acquire`] would be answered by the server, whatever [`Outage`](crate::Outage) says: an outage is
    /// an error. Takes nothing; with costs of 0 it shows what is there.
    pub async fn peek(&self, key: impl AsRef<[u8]>) -> Result<Decision> {
        let reply: LimitReply = self.ask(command::ratelimit_peek(key.as_ref(), self.limits())).await?;
        Ok(reply.decision())
    }

    /// Where a key stands: all limits that it knows, of whatever callers, and whether it is held. Nothing of it when
    /// nothing is used or held.
    pub async fn info(&self, key: impl AsRef<[u8]>) -> Result<KeyInfo> {
        self.ask(command::ratelimit_info(key.as_ref())).await
    }

    /// Forgets all that was used of a key, and its hold: everything is full again, for everybody. Deletes the key,
    /// whatever it holds. False if there was nothing. (A key outlives what was used of it by a second or more.)
    ///
    /// Turns that were given are gone from the count, but whoever waits for one still goes at it; and other processes
    /// that [remember refusals](Self::remember_refusals) go on refusing until those are over.
    pub async fn reset(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let mut command = redis::cmd("DEL");
        command.arg(key.as_ref());
        self.while_forgotten(key.as_ref(), self.ask(command)).await.map(|deleted: i64| deleted > 0)
    }
}
