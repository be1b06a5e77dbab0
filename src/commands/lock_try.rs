//! `LOCK.TRY key owner <PX ms | EX s> [HOLDERS n]`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{lock as grammar, names};

use super::lock_family as family;
use crate::lock::attempt::attempt;
use crate::lock::key::LockKey;
use crate::server::{Access, Args, Command, Context, Keys, Spec, Word};

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
        keys: Keys::ONE,
        flags: "deny-oom fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[Word::KEY, family::OWNER, family::LEASE, family::HOLDERS],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let claim = grammar::parse_try(args.behind_key())?;
        let name = args.key()?;

        let mut key = LockKey::open(ctx, name, Access::Write)?;
        let (attempt, woken) = attempt(ctx, name, &mut key, &claim);
        key.commit()?;

        let reply = attempt.reply();
        if let Ok(reply) = &reply {
            family::reply(ctx, reply);
        }
        woken.wake();
        reply.map(drop)
    }
}
