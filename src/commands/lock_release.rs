//! `LOCK.RELEASE key owner`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{lock as grammar, names};

use super::lock_family as family;
use crate::counters;
use crate::lock::handover;
use crate::lock::key::LockKey;
use crate::server::{Access, Args, Command, Context, Keys, Spec, Word};

/// Ends a lease, or a wait.
pub(super) struct LockRelease;

impl Command for LockRelease {
    const SPEC: Spec = Spec {
        name: names::LOCK_RELEASE,
        summary: c"Ends a lease that the owner holds; the first that waits gets the lock. Cancels the owner's wait.",
        complexity: c"O(N) with N holders and clients that wait",
        since: c"0.1.0",
        arity: 3,
        access: Access::Write,
        keys: Keys::ONE,
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[Word::KEY, family::OWNER],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let owner = grammar::parse_release(args.behind_key())?;
        let name = args.key()?;

        let mut key = LockKey::open(ctx, name, Access::Write)?;
        let released = key.release(owner);
        let woken = handover::after_release(ctx, name, owner, &mut key, released);

        key.commit()?;
        let counter = if released { &counters::LOCK_RELEASED } else { &counters::LOCK_STALE_RELEASES };
        counter.add(1);
        ctx.reply_integer(i64::from(released));
        woken.wake();
        Ok(())
    }
}
