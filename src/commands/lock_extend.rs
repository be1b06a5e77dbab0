//! `LOCK.EXTEND key owner <PX ms | EX s>`

use sluice_core::grammar::{lock as grammar, names};

use super::locker;
use crate::error::Error;
use crate::info;
use crate::lock::held::LockKey;
use crate::lock::waiting::{self, reply_with};
use crate::server::{Access, Args, Command, Context, Mode, Spec, Word};

/// Sets what is left of a lease.
pub(super) struct LockExtend;

impl Command for LockExtend {
    const SPEC: Spec = Spec {
        name: names::LOCK_EXTEND,
        summary: c"Sets the remaining time of a lease that the owner holds, longer or shorter.",
        complexity: c"O(N) with N holders",
        since: c"0.1.0",
        arity: 5,
        access: Access::Write,
        flags: "fast",
        acl: "fast",
        category: locker::CATEGORY,
        words: &[Word::KEY, locker::OWNER, locker::LEASE_WORD],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let (owner, lease) = grammar::parse_extend(args.behind_key())?;
        let name = args.key().ok_or(Error::WrongType)?;

        let mut key = LockKey::open(ctx, name, Mode::Write)?;
        let reply = match key.extend(owner, lease) {
            Some(reply) => reply,
            None => {
                info::LOCK_STALE_EXTENSIONS.add(1);
                key.view().not_yours()
            }
        };

        waiting::watch_if_any(ctx, name, &key);
        key.commit()?;
        reply_with(ctx, &reply);
        Ok(())
    }
}
