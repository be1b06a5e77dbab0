//! `RATELIMIT.PEEK key LIMIT ... [PARTIAL | FORCE | MAXWAIT ms]`

use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::call::Buckets;
use sluice_core::limit::gcra;

use super::limiter::{self, Limiter};
use crate::config;
use crate::error::Error;
use crate::server::{Access, Args, Command, Context, Mode, Spec};

/// Looks, and takes nothing.
pub(super) struct RatelimitPeek;

impl Command for RatelimitPeek {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_PEEK,
        summary: c"Answers what RATELIMIT.ACQUIRE would answer, and takes nothing.",
        complexity: c"O(N) with N limits, at most 8",
        since: c"0.1.0",
        arity: -6,
        access: Access::Read,
        flags: "fast",
        acl: "fast",
        category: limiter::CATEGORY,
        words: limiter::ACQUIRE_WORDS,
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let call = grammar::parse_peek(args.behind_key())?;
        let max_wait = config::max_wait();
        limiter::check_wait(call.mode, max_wait)?;

        let mut buckets = Buckets::new();
        let _key = Limiter::open(ctx, args, Mode::Read, &mut buckets)?;
        let verdict = gcra::acquire(&call, &mut buckets, ctx.now(), max_wait);

        limiter::reply(ctx, &verdict.reply);
        Ok(())
    }
}
