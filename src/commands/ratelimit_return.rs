//! `RATELIMIT.RETURN key limits [DUE ms | AT us]`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::call::GiveBack;
use sluice_core::limit::give_back::{can_have_been, give_back};
use sluice_core::limit::state::State;

use super::ratelimit_family as family;
use crate::limiter::key::LimiterKey;
use crate::policies::table::Known;
use crate::server::{Access, Args, Command, Context, Keys, Kind, Spec, Word};
use crate::{config, counters};

/// Gives tokens back.
pub(super) struct RatelimitReturn;

/// Which turn is given up.
const TURN: &[Word] = &[Word::option(c"due-ms", c"DUE"), Word::option(c"act-us", c"AT")];

impl Command for RatelimitReturn {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_RETURN,
        summary: c"Gives tokens back: a refund, or a reservation that is given up.",
        complexity: c"O(N) with N limits, at most 8",
        since: c"0.1.0",
        arity: -3,
        access: Access::Write,
        keys: Keys::ONE,
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[Word::KEY, family::LIMITS, Word::new(c"turn", Kind::OneOf(TURN)).optional()],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let mut call = GiveBack::new();
        grammar::read_return(args.behind_key(), &Known, &mut call)?;
        let (now, bounds) = (ctx.now(), config::bounds());
        if !can_have_been(call.why, now, &bounds) {
            return Err(CommandError::At);
        }

        let mut state = State::new();
        let mut key = LimiterKey::open(ctx, args.key()?, Access::Write, &mut state)?;
        let verdict = give_back(&call, &mut state, now, &bounds);

        key.commit(verdict.change, &state, now)?;
        counters::count_return(&verdict);
        family::reply(ctx, &verdict.reply, None);
        Ok(())
    }
}
