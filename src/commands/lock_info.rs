//! `LOCK.INFO key`

use super::locker;
use sluice_core::grammar::names;

use crate::error::Error;
use crate::lock::held::LockKey;
use crate::lock::waiting;
use crate::server::{Access, Args, Command, Context, Mode, Spec, Word};

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
        flags: "fast",
        acl: "fast",
        category: locker::CATEGORY,
        words: &[Word::KEY],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let name = args.key().ok_or(Error::WrongType)?;
        let key = LockKey::open(ctx, name, Mode::Read)?;
        let waiters = waiting::place(ctx, name).map_or(0, |place| waiting::count(&place));
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
