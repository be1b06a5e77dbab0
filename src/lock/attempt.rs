//! An attempt to take a lock that others may wait for.

use sluice_core::grammar::error::CommandError;
use sluice_core::lock::{Claim, Reply};

use super::handover::{self, Woken};
use super::key::LockKey;
use super::{alarms, queue};
use crate::counters;
use crate::server::{Arg, Context};

/// How an attempt to take a lock went.
pub(crate) enum Attempt {
    /// Granted.
    Granted(Reply),
    /// The owner holds it already: not granted again, and no use in waiting.
    Own(Reply),
    /// Others hold it, or wait for it.
    Refused(Reply),
    /// It could have been granted, but for this.
    Failed(CommandError),
}

impl Attempt {
    /// What the caller is told who does not wait; counted.
    pub(crate) fn reply(self) -> Result<Reply, CommandError> {
        match self {
            Self::Granted(reply) => Ok(reply),
            Self::Own(reply) | Self::Refused(reply) => {
                counters::LOCK_REFUSED.add(1);
                Ok(reply)
            }
            Self::Failed(error) => Err(error),
        }
    }
}

/// Takes the lock if it is free and nobody who waits comes first. Those who wait may be granted it
/// by this, and are to be woken when the key is committed.
///
/// Whoever waits is served first, in case the lock has become free and they have not been looked
/// at yet. But what a transaction or a script has freed is theirs to take again until they are over.
pub(crate) fn attempt(
    ctx: &Context<'_>,
    name: Arg<'_>,
    key: &mut LockKey<'_>,
    claim: &Claim<'_>,
) -> (Attempt, Woken) {
    let awaited = queue::awaited(ctx, name);
    let (first, woken) = match &awaited {
        None => (true, Woken::default()),
        Some(lock) if handover::is_time(ctx) => {
            let woken = handover::admit(lock, name, key);
            (queue::count(lock) == 0, woken)
        }
        Some(lock) => (!ctx.may_block() && queue::is_freed_by_this(ctx, lock), Woken::default()),
    };
    let view = key.view();
    let attempt = if let Some(own) = view.own(claim.owner) {
        queue::is_told(ctx, name, claim.owner);
        Attempt::Own(own)
    } else if !(first && view.admits(claim.holders)) {
        Attempt::Refused(view.refusal(claim.holders))
    } else {
        key.grant(claim).map_or_else(Attempt::Failed, Attempt::Granted)
    };
    if let Some(lock) = &awaited {
        alarms::watch(lock, key);
    }
    (attempt, woken)
}
