//! `RATELIMIT.INFO key`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;
use sluice_core::limit::call::Buckets;
use sluice_core::limit::gcra;

use super::ratelimit_family as family;
use crate::config;
use crate::limiter::key::LimiterKey;
use crate::server::{Access, Args, Command, Context, Keys, Spec, Word};

/// Shows the stored state.
pub(super) struct RatelimitInfo;

impl Command for RatelimitInfo {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_INFO,
        summary: c"Shows the limits stored in a key and where each stands; nil when nothing is used.",
        complexity: c"O(N) with N limits, at most 8",
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
        let mut buckets = Buckets::new();
        let _key = LimiterKey::open(ctx, args.key()?, Access::Read, &mut buckets)?;
        let Some(standings) = gcra::look(&buckets, ctx.now(), config::max_wait()) else {
            ctx.reply_nil();
            return Ok(());
        };
        ctx.reply_array(standings.len());
        for (quota, standing) in standings {
            ctx.reply_map(6);
            ctx.reply_pair(c"count", quota.count() as i64);
            ctx.reply_pair(c"period-ms", quota.period_ms() as i64);
            ctx.reply_pair(c"burst", quota.burst() as i64);
            ctx.reply_pair(c"remaining", standing.remaining as i64);
            ctx.reply_pair(c"next-ms", standing.next_ms);
            ctx.reply_pair(c"reset-ms", standing.reset_ms);
        }
        Ok(())
    }
}
