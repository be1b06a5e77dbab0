//! `RATELIMIT.HOLD key <EX seconds | PX ms | OFF>`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{names, ratelimit as grammar};
use sluice_core::limit::holding;
use sluice_core::limit::state::State;

use super::ratelimit_family as family;
use crate::limiter::key::LimiterKey;
use crate::server::{Access, Args, Command, Context, Keys, Kind, Spec, Word};
use crate::{config, counters};

/// Lets nobody act before an instant.
pub(super) struct RatelimitHold;

const TIME: &[Word] =
    &[Word::option(c"seconds", c"EX"), Word::option(c"milliseconds", c"PX"), Word::keyword(c"off", c"OFF")];

impl Command for RatelimitHold {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_HOLD,
        summary: c"Lets nobody act on a key for a time, or ends that; what was used stays used.",
        complexity: c"O(N) with N limits, at most 8",
        since: c"0.2.0",
        arity: -3,
        access: Access::Write,
        keys: Keys::ONE,
        // No deny-oom: an existing key is always updated; a new one asks for itself.
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[Word::KEY, Word::new(c"time", Kind::OneOf(TIME))],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let time = grammar::parse_hold(args.behind_key())?;
        let (now, bounds) = (ctx.now(), config::bounds());

        let mut state = State::new();
        let mut key = LimiterKey::open(ctx, args.key()?, Access::Write, &mut state)?;
        let held = match time {
            Some(time) => holding::hold(&mut state, now, time, &bounds),
            None => holding::release(&mut state, now, &bounds),
        };

        key.commit(held.change, &state, now)?;
        counters::count_hold(&held);
        ctx.reply_integer(held.held_ms);
        Ok(())
    }
}
