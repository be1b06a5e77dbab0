//! `RATELIMIT.INFO key`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;
use sluice_core::limit::look::{Standing, look};
use sluice_core::limit::quota::Kind;
use sluice_core::limit::state::State;

use super::ratelimit_family as family;
use crate::config;
use crate::limiter::key::LimiterKey;
use crate::server::{Access, Args, Command, Context, Keys, Spec, Word};

/// Shows the stored state.
pub(super) struct RatelimitInfo;

impl Command for RatelimitInfo {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_INFO,
        summary: c"Shows the limits stored in a key and where each stands; nil when nothing is used.",
        complexity: c"O(N) with N limits, at most 8",
        since: c"0.1.0",
        arity: 2,
        access: Access::Read,
        keys: Keys::ONE,
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[Word::KEY],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let mut state = State::new();
        let _key = LimiterKey::open(ctx, args.key()?, Access::Read, &mut state)?;
        let Some(seen) = look(state, ctx.now(), &config::bounds()) else {
            ctx.reply_nil();
            return Ok(());
        };
        let is_held = seen.held_ms > 0;
        ctx.reply_array(seen.standings.len() + usize::from(is_held));
        for standing in &seen.standings {
            show(ctx, standing);
        }
        if is_held {
            ctx.reply_map(1);
            ctx.reply_pair(c"held-ms", seen.held_ms);
        }
        Ok(())
    }
}

/// One limit, as a map.
fn show(ctx: &Context<'_>, standing: &Standing) {
    let Standing { quota, remaining, next_ms, reset_ms, place } = standing;
    let kind_pairs = match quota.kind() {
        Kind::Rate => 0,
        Kind::Strict => 1,
        Kind::Align(_) => 2,
    };
    ctx.reply_map(6 + kind_pairs + usize::from(place.is_some()));
    ctx.reply_pair(c"count", quota.count() as i64);
    ctx.reply_pair(c"period-ms", quota.period_ms() as i64);
    ctx.reply_pair(c"burst", quota.burst() as i64);
    ctx.reply_pair(c"remaining", *remaining as i64);
    ctx.reply_pair(c"next-ms", *next_ms);
    ctx.reply_pair(c"reset-ms", *reset_ms);
    match quota.kind() {
        Kind::Rate => {}
        Kind::Strict => ctx.reply_text_pair(c"kind", c"strict"),
        Kind::Align(offset_ms) => {
            ctx.reply_text_pair(c"kind", c"align");
            ctx.reply_pair(c"align-ms", offset_ms as i64);
        }
    }
    if let Some(place) = place {
        ctx.reply_pair(c"place", i64::from(*place));
    }
}
