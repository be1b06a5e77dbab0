//! `RATELIMIT.POLICY SET name LIMIT ... [LIMIT ...]... [SHADOW]`

use std::ffi::CStr;

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{names, policy as grammar};

use super::{ratelimit_family as family, ratelimit_policy as policy};
use crate::policies::{announce, table};
use crate::server::{Access, Args, Command, Context, Spec, Word};

/// Sets one policy.
pub(super) struct RatelimitPolicySet;

impl Command for RatelimitPolicySet {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_POLICY_SET,
        summary: c"Sets the limits that a policy's name stands for.",
        complexity: c"O(N) with N policies, at most 256",
        since: c"0.2.0",
        arity: -3,
        access: Access::Write,
        keys: None,
        flags: "admin",
        acl: policy::ACL,
        category: None,
        words: &[policy::NAME, family::CLAUSES, Word::keyword(c"shadow", c"SHADOW").optional()],
    };

    const TIPS: &'static CStr = policy::EVERYWHERE;

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let (name, policy) = grammar::parse_set(args.behind_name())?;
        let is_new = table::set(name, policy)?;
        announce::now(ctx);
        ctx.reply_integer(i64::from(is_new));
        Ok(())
    }
}
