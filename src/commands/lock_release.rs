//! `LOCK.RELEASE key owner`

use sluice_core::grammar::{lock as grammar, names};

use super::locker;
use crate::error::Error;
use crate::info;
use crate::lock::held::LockKey;
use crate::lock::waiting;
use crate::server::{Access, Args, Command, Context, Mode, Spec, Word, wake};

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
        flags: "fast",
        acl: "fast",
        category: locker::CATEGORY,
        words: &[Word::KEY, locker::OWNER],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let owner = grammar::parse_release(args.behind_key())?;
        let name = args.key().ok_or(Error::WrongType)?;

        let mut key = LockKey::open(ctx, name, Mode::Write)?;
        let released = key.release(owner);
        let ended = waiting::after_release(ctx, name, owner, &mut key);

        key.commit()?;
        let counter = if released { &info::LOCK_RELEASED } else { &info::LOCK_STALE_RELEASES };
        counter.add(1);
        ctx.reply_integer(i64::from(released));
        ended.into_iter().for_each(wake);
        Ok(())
    }
}
