//! `RATELIMIT.POLICY LIST`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;

use super::ratelimit_family as family;
use crate::policies::table;
use crate::server::{Access, Args, Command, Context, Spec};

/// Lists the policies.
pub(super) struct RatelimitPolicyList;

impl Command for RatelimitPolicyList {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_POLICY_LIST,
        summary: c"Lists the policies by name, each with its limits.",
        complexity: c"O(N) with N policies, at most 256",
        since: c"0.2.0",
        arity: 2,
        access: Access::Read,
        keys: None,
        flags: "",
        acl: "slow",
        category: Some(family::CATEGORY),
        words: &[],
    };

    fn run(ctx: &Context<'_>, _: Args<'_>) -> Result<(), CommandError> {
        let policies = table::list();
        ctx.reply_array(policies.len());
        for policy in policies {
            ctx.reply_bytes(policy.as_bytes());
        }
        Ok(())
    }
}
