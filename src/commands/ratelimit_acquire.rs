//! `RATELIMIT.ACQUIRE key LIMIT ... [PARTIAL | FORCE | MAXWAIT ms]`

use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::call::Buckets;
use sluice_core::limit::gcra;

use super::limiter::{self, Limiter};
use crate::error::Error;
use crate::server::{Access, Args, Command, Context, Mode, Spec};
use crate::{config, info};

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
        // No deny-oom: an existing key is always updated; a new one asks for itself.
        flags: "fast",
        acl: "fast",
        category: limiter::CATEGORY,
        words: limiter::ACQUIRE_WORDS,
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let call = grammar::parse_acquire(args.behind_key())?;
        let max_wait = config::max_wait();
        limiter::check_wait(call.mode, max_wait)?;

        let mut buckets = Buckets::new();
        let mut key = Limiter::open(ctx, args, Mode::Write, &mut buckets)?;
        let verdict = gcra::acquire(&call, &mut buckets, ctx.now(), max_wait);

        key.commit(&verdict, &buckets)?;
        info::count_acquire(call.mode, &verdict);
        limiter::reply(ctx, &verdict.reply);
        Ok(())
    }
}
