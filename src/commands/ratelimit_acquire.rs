//! `RATELIMIT.ACQUIRE key LIMIT ... [PARTIAL | FORCE | MAXWAIT ms]`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::call::Buckets;
use sluice_core::limit::gcra;

use super::ratelimit_family as family;
use crate::limiter::key::LimiterKey;
use crate::server::{Access, Args, Command, Context, Keys, Spec};
use crate::{config, counters};

/// Takes tokens.
pub(super) struct RatelimitAcquire;

impl Command for RatelimitAcquire {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_ACQUIRE,
        summary: c"Takes tokens from every limit of a key, or says how long until they are there.",
        complexity: c"O(N) with N limits, at most 8",
        since: c"0.1.0",
        arity: -6,
        access: Access::Write,
        keys: Keys::ONE,
        // No deny-oom: an existing key is always updated; a new one asks for itself.
        flags: "fast",
        acl: "fast",
        category: family::CATEGORY,
        words: family::ACQUIRE_WORDS,
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let call = grammar::parse_acquire(args.behind_key())?;
        let max_wait = config::max_wait();
        family::check_wait(call.mode, max_wait)?;

        let mut buckets = Buckets::new();
        let mut key = LimiterKey::open(ctx, args.key()?, Access::Write, &mut buckets)?;
        let verdict = gcra::acquire(&call, &mut buckets, ctx.now(), max_wait);

        key.commit(&verdict, &buckets)?;
        counters::count_acquire(call.mode, &verdict);
        family::reply(ctx, &verdict.reply);
        Ok(())
    }
}
