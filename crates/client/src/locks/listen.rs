//! Hearing of a wait although its connection hangs.
//!
//! Whoever waits for long is idle, and what lies between a client and a server forgets idle connections without a
//! word: then the server grants the lock to somebody who never hears of it. So every now and then the connection
//! that all calls share asks whether this one still waits, or holds the lock by now.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisResult;
use tokio::time::{sleep, timeout};

use super::claimant::Claimant;
use super::seats::Seat;
use super::server::Server;
use super::wait::Wait;
use crate::command;
use crate::error::{Error, Result};
use crate::link::Connect;
use crate::lock_info::LockInfo;
use crate::lock_reply::LockReply;

/// Between two looks: half a lease, so that a grant nobody heard of is found while it lasts, but within these.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(1);

/// How long an answer that the server has given may take on its way.
const GRACE: Duration = Duration::from_millis(250);

/// What became of a wait.
pub(super) enum Heard<K: Connect> {
    /// The answer.
    Answered(Claimant<K>, RedisResult<LockReply>),
    /// It was granted, and its connection does not say so.
    Unheard(Claimant<K>),
    /// It neither waits nor holds, and its connection does not say why. The seat is there for another wait.
    Lost(Seat<K>),
}

/// Where an attempt stands by what the server says of the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Waits,
    Holds,
    Neither,
}

/// Waits for the answer to an attempt, or for the news that there will be none. Dropping it gives the wait up.
pub(super) async fn listen<K: Connect>(mut wait: Wait<K>, who: Who<K>) -> Heard<K> {
    let mut pause = who.pause;
    loop {
        let standing = tokio::select! {
            biased;
            (claimant, reply) = &mut wait => return Heard::Answered(claimant, reply),
            standing = who.look(pause) => standing,
        };
        // A question that is not answered is asked again soon: what the waiting hangs on may hang too. One that a
        // server refuses, or answers in another way than is known here, it will refuse again.
        let unanswered = standing.as_ref().is_err_and(Error::is_unreachable);
        pause = if unanswered { SOONEST } else { who.pause };
        let grace = match standing {
            Ok(Standing::Waits) | Err(_) => continue,
            // Its answer may be on the way; but the lease runs.
            Ok(Standing::Holds) => who.grace.min(who.lease / 10),
            Ok(Standing::Neither) => who.grace,
        };
        if let Ok((claimant, reply)) = timeout(grace, &mut wait).await {
            return Heard::Answered(claimant, reply);
        }
        let Some((claimant, seat)) = wait.hang_up() else { return std::future::pending().await };
        event!(warn, "a connection on which a lock was waited for hangs");
        return if let Ok(Standing::Holds) = standing {
            Heard::Unheard(claimant)
        } else {
            // The claimant is dropped, and released for certain.
            Heard::Lost(seat)
        };
    }
}

/// Whose wait it is.
pub(super) struct Who<K: Connect> {
    server: Arc<Server<K>>,
    key: Arc<[u8]>,
    owner: Arc<[u8]>,
    lease: Duration,
    pause: Duration,
    grace: Duration,
}

impl<K: Connect> Who<K> {
    pub(super) fn of(claimant: &Claimant<K>) -> Self {
        let Claimant { server, key, owner, lease, .. } = claimant;
        let (pause, grace) = ((*lease / 2).clamp(SOONEST, LATEST), GRACE.min(server.deadline));
        let (server, key, owner) = (Arc::clone(server), Arc::clone(key), Arc::clone(owner));
        Self { server, key, owner, lease: *lease, pause, grace }
    }

    /// Looks, after a pause.
    async fn look(&self, pause: Duration) -> Result<Standing> {
        sleep(pause).await;
        let info: Option<LockInfo> = self.server.ask(&command::lock_info(&self.key)).await?;
        Ok(standing(info.as_ref(), &self.owner))
    }
}

fn standing(info: Option<&LockInfo>, owner: &[u8]) -> Standing {
    let Some(info) = info else { return Standing::Neither };
    if info.holders.iter().any(|holder| holder.owner == owner) {
        return Standing::Holds;
    }
    // Of a long queue only the first are told.
    let all_told = info.waiting <= info.waiters.len() as u64;
    if !all_told || info.waiters.iter().any(|waiter| waiter.owner == owner) {
        return Standing::Waits;
    }
    Standing::Neither
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock_info::{Holder, Waiter};

    fn info(holder: &str, waiters: &[&str], waiting: u64) -> LockInfo {
        let zero = Duration::ZERO;
        let holder = Holder { owner: holder.into(), fence: 1, left: zero, held: zero };
        let waiter = |owner: &&str| Waiter { owner: (*owner).into(), holders: 1, waited: zero, left: None };
        LockInfo { holders: vec![holder], waiting, waiters: waiters.iter().map(waiter).collect() }
    }

    #[test]
    fn one_who_is_neither_a_holder_nor_in_a_queue_that_is_told_whole_is_lost() {
        let stands = |info: &LockInfo| standing(Some(info), b"me");
        assert_eq!(stands(&info("me", &[], 0)), Standing::Holds);
        assert_eq!(stands(&info("you", &["they", "me"], 2)), Standing::Waits);
        assert_eq!(stands(&info("you", &["they"], 1)), Standing::Neither);
        assert_eq!(stands(&info("you", &["they"], 101)), Standing::Waits, "perhaps further behind");
        assert_eq!(standing(None, b"me"), Standing::Neither);
    }
}
