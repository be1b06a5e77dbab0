//! `LOCK.INFO key`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;

use super::lock_family as family;
use crate::lock::key::LockKey;
use crate::lock::queue;
use crate::server::{Access, Args, Command, Context, Keys, Spec, Word};

/// So many of those who wait are shown.
const SHOWN: usize = 100;

/// `left-ms` of one that waits without limit.
const NO_LIMIT: i64 = -1;

/// Shows who holds a lock, and who waits for it.
pub(super) struct LockInfo;

impl Command for LockInfo {
    const SPEC: Spec = Spec {
        name: names::LOCK_INFO,
        summary: c"Shows who holds a lock, with which fence, how long still, and who waits; nil when free.",
        complexity: c"O(N) with N holders",
        since: c"0.1.0",
        arity: 2,
        access: Access::Read,
        keys: Keys::ONE,
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[Word::KEY],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let name = args.key()?;
        let key = LockKey::open(ctx, name, Access::Read)?;
        let awaited = queue::awaited(ctx, name);
        let waiting = awaited.as_ref().map_or(0, queue::count);
        let waiters = awaited.map(|lock| queue::first(&lock, SHOWN)).unwrap_or_default();
        let view = key.view();
        let holders = view.count();
        if holders == 0 && waiting == 0 {
            ctx.reply_nil();
            return Ok(());
        }

        ctx.reply_map(3);
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
        ctx.reply_pair(c"waiting", waiting as i64);
        ctx.reply_name(c"waiters");
        ctx.reply_array(waiters.len());
        for waiter in waiters {
            ctx.reply_map(4);
            ctx.reply_name(c"owner");
            ctx.reply_bytes(waiter.claim().owner);
            ctx.reply_pair(c"holders", waiter.claim().holders as i64);
            ctx.reply_pair(c"waited-ms", waiter.waited_ms(key.now()) as i64);
            ctx.reply_pair(c"left-ms", waiter.left_ms(key.now()).map_or(NO_LIMIT, |ms| ms as i64));
        }
        Ok(())
    }
}
