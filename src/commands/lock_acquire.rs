//! `LOCK.ACQUIRE key owner <PX ms | EX s> [HOLDERS n] BLOCK ms`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{lock as grammar, names};

use super::lock_family as family;
use crate::lock::attempt::{Attempt, attempt};
use crate::lock::key::LockKey;
use crate::lock::queue::Ended;
use crate::lock::waiting;
use crate::server::{Access, Args, BlockingCommand, Command, Context, Keys, Spec, WaitId, Word};

/// Takes a lock, or waits for it.
pub(super) struct LockAcquire;

impl Command for LockAcquire {
    const SPEC: Spec = Spec {
        name: names::LOCK_ACQUIRE,
        summary: c"Takes a lock, and waits for it in the server, first in first out.",
        complexity: c"O(N) with N holders and clients that wait",
        since: c"0.1.0",
        arity: -7,
        access: Access::Write,
        keys: Keys::ONE,
        flags: "deny-oom blocking fast",
        acl: "fast blocking",
        category: Some(family::CATEGORY),
        words: &[
            Word::KEY,
            family::OWNER,
            family::LEASE,
            family::HOLDERS,
            Word::option(c"block-ms", c"BLOCK"),
        ],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let (claim, limit) = grammar::parse_acquire(args.behind_key())?;
        let name = args.key()?;

        let mut key = LockKey::open(ctx, name, Access::Write)?;
        let (attempt, woken) = attempt(ctx, name, &mut key, &claim);
        key.commit()?;
        woken.wake();

        // Asked beforehand: in MULTI some servers would answer nothing at all to an attempt to block.
        // There, in scripts, and where the server lets the client not wait, this answers like TRY.
        if matches!(attempt, Attempt::Refused(_)) && ctx.may_block() {
            waiting::check_room(ctx, name, &claim)?;
            if let Some(wait) = ctx.block_on::<Self>(name, limit) {
                waiting::join(ctx, name, wait, &claim, limit);
                return Ok(());
            }
        }
        family::reply(ctx, &attempt.reply()?);
        Ok(())
    }
}

impl BlockingCommand for LockAcquire {
    fn answer(ctx: &Context<'_>, args: Args<'_>, wait: WaitId) -> Result<(), CommandError> {
        match waiting::end(wait).ok_or(CommandError::Server)? {
            Ended::Granted(reply, _) => family::reply(ctx, &reply),
            Ended::Failed(error) => return Err(error),
            Ended::NotGranted(waiter) => {
                let key = LockKey::open_outside(ctx, args.key()?, Access::Read)?;
                let (view, claim) = (key.view(), waiter.claim());
                let reply = view.own(claim.owner).unwrap_or_else(|| view.refusal(claim.holders));
                family::reply(ctx, &reply);
            }
        }
        Ok(())
    }

    fn time_is_up(ctx: &Context<'_>, wait: WaitId) {
        waiting::time_is_up(ctx, wait);
    }

    fn forget(wait: WaitId, heard: bool) {
        waiting::forget(wait, heard);
    }
}
