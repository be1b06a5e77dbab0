//! `LOCK.TRY key owner <PX ms | EX s> [HOLDERS n]`

use sluice_core::grammar::{lock as grammar, names};

use super::locker;
use crate::error::Error;
use crate::lock::held::LockKey;
use crate::lock::waiting::reply_with;
use crate::server::{Access, Args, Command, Context, Mode, Spec, Word, wake};

/// Takes a lock if it is free.
pub(super) struct LockTry;

impl Command for LockTry {
    const SPEC: Spec = Spec {
        name: names::LOCK_TRY,
        summary: c"Takes a lock if it is free, and never waits.",
        complexity: c"O(N) with N holders",
        since: c"0.1.0",
        arity: -5,
        access: Access::Write,
        flags: "deny-oom fast",
        acl: "fast",
        category: locker::CATEGORY,
        words: &[Word::KEY, locker::OWNER, locker::LEASE_WORD, locker::HOLDERS],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let claim = grammar::parse_try(args.behind_key())?;
        let name = args.key().ok_or(Error::WrongType)?;

        let mut key = LockKey::open(ctx, name, Mode::Write)?;
        let (outcome, ended) = locker::attempt(ctx, name, &mut key, &claim);
        key.commit()?;

        reply_with(ctx, &outcome.reply());
        ended.into_iter().for_each(wake);
        Ok(())
    }
}
