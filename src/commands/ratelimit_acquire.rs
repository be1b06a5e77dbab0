//! `RATELIMIT.ACQUIRE key limits [PARTIAL | FORCE | MAXWAIT ms]`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::call::Acquire;
use sluice_core::limit::state::State;
use sluice_core::policy::shadow::decide;

use super::ratelimit_family as family;
use crate::limiter::key::LimiterKey;
use crate::limiter::top;
use crate::policies::table::Known;
use crate::server::{Access, Args, Command, Context, Keys, Spec};
use crate::{config, counters, policies};

/// Takes tokens.
pub(super) struct RatelimitAcquire;

impl Command for RatelimitAcquire {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_ACQUIRE,
        summary: c"Takes tokens from every limit of a key, or says how long until they are there.",
        complexity: c"O(N) with N limits, at most 8",
        since: c"0.1.0",
        arity: -3,
        access: Access::Write,
        keys: Keys::ONE,
        // No deny-oom: an existing key is always updated; a new one asks for itself.
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: family::ACQUIRE_WORDS,
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let mut call = Acquire::new();
        let policy = grammar::read_acquire(args.behind_key(), &Known, &mut call)?;
        let (now, bounds) = (ctx.now(), config::bounds());
        family::check_wait(call.mode, bounds.max_wait)?;

        let mut state = State::new();
        let name = args.key()?;
        let mut key = LimiterKey::open(ctx, name, Access::Write, &mut state)?;
        let verdict = decide(policy, &mut call, &mut state, now, &bounds);

        key.commit(verdict.change, &state, now)?;
        counters::count_acquire(call.mode, &verdict);
        top::count(ctx, name, now, &verdict);
        if let Some(policy) = policy {
            policies::table::count(policy, &verdict);
        }
        family::reply(ctx, &verdict.reply, family::act_us(call.mode, &verdict));
        Ok(())
    }
}
