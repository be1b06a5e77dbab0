//! `RATELIMIT.TURN key ms`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::holding;
use sluice_core::limit::state::State;

use super::ratelimit_family as family;
use crate::limiter::key::LimiterKey;
use crate::server::{Access, Args, Command, Context, Keys, Kind, Spec, Word};

/// Says whether a turn still stands.
pub(super) struct RatelimitTurn;

impl Command for RatelimitTurn {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_TURN,
        summary: c"Says how much longer to sleep when a turn is due that was told some ms ago.",
        complexity: c"O(1)",
        since: c"0.2.0",
        arity: 3,
        access: Access::Read,
        keys: Keys::ONE,
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[Word::KEY, Word::new(c"told-ms-ago", Kind::Integer)],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let told = grammar::parse_turn(args.behind_key())?;

        let mut state = State::new();
        let _key = LimiterKey::open(ctx, args.key()?, Access::Read, &mut state)?;
        ctx.reply_integer(holding::turn_ms(&state, ctx.now(), told));
        Ok(())
    }
}
