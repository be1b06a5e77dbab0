//! `LOCK.INFO key`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;

use super::lock_family as family;
use crate::lock::key::LockKey;
use crate::lock::queue;
use crate::server::{Access, Args, Command, Context, Keys, Spec, Word};

/// Shows who holds a lock.
pub(super) struct LockInfo;

impl Command for LockInfo {
    const SPEC: Spec = Spec {
        name: names::LOCK_INFO,
        summary:
            c"Shows who holds a lock, with which fence, how long still, and how many wait; nil when free.",
        complexity: c"O(N) with N holders",
        since: c"0.1.0",
        arity: 2,
        access: Access::Read,
        keys: Keys::ONE,
        flags: "fast",
        acl: "fast",
        category: family::CATEGORY,
        words: &[Word::KEY],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let name = args.key()?;
        let key = LockKey::open(ctx, name, Access::Read)?;
        let waiters = queue::awaited(ctx, name).map_or(0, |lock| queue::count(&lock));
        let view = key.view();
        let holders = view.live().count();
        if holders == 0 && waiters == 0 {
            ctx.reply_nil();
            return Ok(());
        }

        ctx.reply_map(2);
        ctx.reply_name(c"holders");
        ctx.reply_array(holders);
        for (holder, ttl_ms) in view.live() {
            ctx.reply_map(4);
            ctx.reply_name(c"owner");
            ctx.reply_bytes(holder.owner());
            ctx.reply_pair(c"fence", holder.fence() as i64);
            ctx.reply_pair(c"ttl-ms", ttl_ms as i64);
            ctx.reply_pair(c"held-ms", view.held_ms(holder) as i64);
        }
        ctx.reply_pair(c"waiters", waiters as i64);
        Ok(())
    }
}
