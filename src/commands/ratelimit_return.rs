//! `RATELIMIT.RETURN key LIMIT ... [DUE ms]`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::call::Buckets;
use sluice_core::limit::gcra;

use super::ratelimit_family as family;
use crate::limiter::key::LimiterKey;
use crate::server::{Access, Args, Command, Context, Keys, Spec, Word};
use crate::{config, counters};

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
        keys: Keys::ONE,
        flags: "fast",
        acl: "fast",
        category: family::CATEGORY,
        words: &[Word::KEY, family::CLAUSES, Word::option(c"due-ms", c"DUE").optional()],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let call = grammar::parse_return(args.behind_key())?;

        let mut buckets = Buckets::new();
        let mut key = LimiterKey::open(ctx, args.key()?, Access::Write, &mut buckets)?;
        let verdict = gcra::give_back(&call, &mut buckets, ctx.now(), config::max_wait());

        key.commit(&verdict, &buckets)?;
        counters::count_return(&verdict);
        family::reply(ctx, &verdict.reply);
        Ok(())
    }
}
