//! `RATELIMIT.PEEK key limits [PARTIAL | FORCE | MAXWAIT ms]`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::call::Acquire;
use sluice_core::limit::state::State;
use sluice_core::policy::shadow::decide;

use super::ratelimit_family as family;
use crate::config;
use crate::limiter::key::LimiterKey;
use crate::policies::table::Known;
use crate::server::{Access, Args, Command, Context, Keys, Spec};

/// Looks, and takes nothing.
pub(super) struct RatelimitPeek;

impl Command for RatelimitPeek {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_PEEK,
        summary: c"Answers what RATELIMIT.ACQUIRE would answer, and takes nothing.",
        complexity: c"O(N) with N limits, at most 8",
        since: c"0.1.0",
        arity: -3,
        access: Access::Read,
        keys: Keys::ONE,
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: family::ACQUIRE_WORDS,
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let mut call = Acquire::new();
        let policy = grammar::read_peek(args.behind_key(), &Known, &mut call)?;
        let bounds = config::bounds();
        family::check_wait(call.mode, bounds.max_wait)?;

        let mut state = State::new();
        let _key = LimiterKey::open(ctx, args.key()?, Access::Read, &mut state)?;
        let verdict = decide(policy, &mut call, &mut state, ctx.now(), &bounds);

        family::reply(ctx, &verdict.reply, family::act_us(call.mode, &verdict));
        Ok(())
    }
}
