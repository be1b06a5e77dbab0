//! `RATELIMIT.RETURN key LIMIT ... [DUE ms]`

use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::call::Buckets;
use sluice_core::limit::gcra;

use super::limiter::{self, Limiter};
use crate::error::Error;
use crate::server::{Access, Args, Command, Context, Mode, Spec, Word};
use crate::{config, info};

/// Gives tokens back.
pub(super) struct RatelimitReturn;

impl Command for RatelimitReturn {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_RETURN,
        summary: c"Gives tokens back: a refund, or a reservation that is given up.",
        complexity: c"O(N) with N limits, at most 8",
        since: c"0.1.0",
        arity: -6,
        access: Access::Write,
        flags: "fast",
        acl: "fast",
        category: limiter::CATEGORY,
        words: &[Word::KEY, limiter::CLAUSES, Word::option(c"due-ms", c"DUE").optional()],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), Error> {
        let call = grammar::parse_return(args.behind_key())?;

        let mut buckets = Buckets::new();
        let mut key = Limiter::open(ctx, args, Mode::Write, &mut buckets)?;
        let verdict = gcra::give_back(&call, &mut buckets, ctx.now(), config::max_wait());

        key.commit(&verdict, &buckets)?;
        info::count_return(&verdict);
        limiter::reply(ctx, &verdict.reply);
        Ok(())
    }
}
