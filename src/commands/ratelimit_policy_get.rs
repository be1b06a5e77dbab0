//! `RATELIMIT.POLICY GET name`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;

use super::{ratelimit_family as family, ratelimit_policy as policy};
use crate::policies::table;
use crate::server::{Access, Args, Command, Context, Spec};

/// Shows one policy.
pub(super) struct RatelimitPolicyGet;

impl Command for RatelimitPolicyGet {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_POLICY_GET,
        summary: c"Shows the limits of a policy, and what came of the calls by it.",
        complexity: c"O(1)",
        since: c"0.2.0",
        arity: 3,
        access: Access::Read,
        keys: None,
        flags: "fast",
        acl: "fast",
        category: Some(family::CATEGORY),
        words: &[policy::NAME],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let name = args.behind_name().next().ok_or(CommandError::Arity)?;
        let Some((limits, counts)) = table::get(name) else {
            ctx.reply_nil();
            return Ok(());
        };
        ctx.reply_map(4);
        ctx.reply_name(c"limits");
        ctx.reply_bytes(limits.as_bytes());
        ctx.reply_pair(c"granted", counts.granted as i64);
        ctx.reply_pair(c"refused", counts.refused as i64);
        ctx.reply_pair(c"shadow", counts.shadow as i64);
        Ok(())
    }
}
