//! `LOCK.ACQUIRE key owner <PX ms | EX s> [HOLDERS n] BLOCK ms`

use sluice_core::grammar::{lock as grammar, names};

use super::locker::{self, Outcome};
use crate::error::Error;
use crate::lock::held::LockKey;
use crate::lock::waiting::{self, reply_with};
use crate::server::{Access, Args, Command, Context, Mode, Spec, Word, wake};

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
        flags: "deny-oom blocking fast",
        acl: "fast blocking",
        category: locker::CATEGORY,
        words: &[
            Word::KEY,
            locker::OWNER,
            locker::LEASE_WORD,
            locker::HOLDERS,
            Word::option(c"block-ms", c"BLOCK"),
        ],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (claim, limit) = grammar::parse_acquire(args.behind_key())?;
        let name = args.key().ok_or(Error::WrongType)?;

        let mut key = LockKey::open(ctx, name, Mode::Write)?;
        let (outcome, ended) = locker::attempt(ctx, name, &mut key, &claim);
        key.commit()?;
        ended.into_iter().for_each(wake);

        // Asked beforehand: in MULTI some servers would answer nothing at all to an attempt to block.
        // There, in scripts, and where the server lets the client not wait, this answers like TRY.
        let refused = matches!(outcome, Outcome::Refused(_));
        if !(refused && ctx.may_block() && waiting::join(ctx, name, &claim, limit)?) {
            reply_with(ctx, &outcome.reply());
        }
        Ok(())
    }
}
