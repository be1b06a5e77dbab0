//! `CL.THROTTLE key max_burst count period [quantity]`, where it is asked for: see docs/migrating.md.

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{names, throttle as grammar};
use sluice_core::throttle::throttle;

use super::ratelimit_family as family;
use crate::counters;
use crate::limiter::throttle_key::ThrottleKey;
use crate::limiter::top;
use crate::server::{Access, Args, Command, Context, Keys, Kind, Spec, Word};

/// What redis-cell has.
pub(super) struct ClThrottle;

impl Command for ClThrottle {
    const SPEC: Spec = Spec {
        name: names::CL_THROTTLE,
        summary: c"Takes tokens from a limit, as the module redis-cell does.",
        complexity: c"O(1)",
        since: c"0.2.0",
        // As redis-cell has it: words too few get its own error.
        arity: -1,
        access: Access::Write,
        keys: Keys::ONE,
        // No deny-oom: an existing key is always updated; a new one asks for itself.
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[
            Word::KEY,
            Word::new(c"max-burst", Kind::Integer),
            Word::new(c"count", Kind::Integer),
            Word::new(c"period", Kind::Integer),
            Word::new(c"quantity", Kind::Integer).optional(),
        ],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let call = grammar::parse(args.behind_key())?;
        let (name, now) = (args.key()?, ctx.now());
        let mut key = ThrottleKey::open(ctx, name)?;
        let (reply, change) = throttle(&call, key.stored, now)?;

        key.commit(change)?;
        counters::count_throttle(&reply);
        if reply.limited {
            top::refused(ctx, name, now);
        }
        ctx.reply_integers(reply.integers());
        Ok(())
    }
}
