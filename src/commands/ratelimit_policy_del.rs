//! `RATELIMIT.POLICY DEL name [name ...]`

use std::ffi::CStr;

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;

use super::ratelimit_policy as policy;
use crate::policies::{announce, table};
use crate::server::{Access, Args, Command, Context, Spec};

/// Deletes policies.
pub(super) struct RatelimitPolicyDel;

impl Command for RatelimitPolicyDel {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_POLICY_DEL,
        summary: c"Deletes policies; what was used of their limits stays used.",
        complexity: c"O(N) with N policies, at most 256",
        since: c"0.2.0",
        arity: -3,
        access: Access::Write,
        keys: None,
        flags: "admin",
        acl: policy::ACL,
        category: None,
        words: &[policy::NAME.multiple()],
    };

    const TIPS: &'static CStr = policy::EVERYWHERE;

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let deleted = table::delete(args.behind_name());
        if deleted > 0 {
            announce::now(ctx);
        }
        ctx.reply_integer(deleted as i64); // at most 256
        Ok(())
    }
}
