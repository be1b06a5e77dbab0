//! `RATELIMIT.POLICY REPLACE text`

use std::ffi::CStr;

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;

use super::ratelimit_policy as policy;
use crate::policies::{announce, table};
use crate::server::{Access, Args, Command, Context, Spec, Word};

/// Sets all policies at once; also what replicas are told of every change.
pub(super) struct RatelimitPolicyReplace;

impl Command for RatelimitPolicyReplace {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_POLICY_REPLACE,
        summary: c"Sets all policies at once, or none of them.",
        complexity: c"O(N) with N bytes of text, at most 65536",
        since: c"0.2.0",
        arity: 3,
        access: Access::Write,
        keys: None,
        flags: "admin",
        acl: policy::ACL,
        category: None,
        words: &[Word::text(c"text")],
    };

    const TIPS: &'static CStr = policy::EVERYWHERE;

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let text = args.behind_name().next().ok_or(CommandError::Arity)?;
        if ctx.is_loaded() {
            // What is in force at a start is what the configuration says.
            ctx.reply_integer(table::len() as i64);
            return Ok(());
        }
        match table::replace(text) {
            Ok(policies) => {
                announce::now(ctx);
                ctx.reply_integer(policies as i64); // at most 256
            }
            Err(error) => ctx.reply_error(&error.text(names::RATELIMIT_POLICY_REPLACE)),
        }
        Ok(())
    }
}
