//! `LOCK.EXTEND key owner <PX ms | EX s>`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{lock as grammar, names};

use super::lock_family as family;
use crate::counters;
use crate::lock::alarms;
use crate::lock::key::LockKey;
use crate::lock::queue;
use crate::server::{Access, Args, Command, Context, Keys, Spec, Word};

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
        keys: Keys::ONE,
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[Word::KEY, family::OWNER, family::LEASE],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let (owner, lease) = grammar::parse_extend(args.behind_key())?;
        let name = args.key()?;

        let mut key = LockKey::open(ctx, name, Access::Write)?;
        let reply = match key.extend(owner, lease) {
            Some(reply) => {
                queue::is_told(ctx, name, owner);
                reply
            }
            None => {
                counters::LOCK_STALE_EXTENSIONS.add(1);
                key.view().not_yours()
            }
        };

        alarms::watch_if_any(ctx, name, &key);
        key.commit()?;
        family::reply(ctx, &reply);
        Ok(())
    }
}
