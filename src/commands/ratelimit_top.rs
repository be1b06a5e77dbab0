//! `RATELIMIT.TOP [n | RESET]`

use std::ffi::CStr;

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;
use sluice_core::grammar::top::{self as grammar, Ask};

use crate::limiter::top;
use crate::server::{Access, Arg, Args, Command, Context, Kind, Spec, Word};

/// Shows which keys were refused most.
pub(super) struct RatelimitTop;

const ASK: &[Word] = &[Word::new(c"count", Kind::Integer), Word::keyword(c"reset", c"RESET")];

impl Command for RatelimitTop {
    const SPEC: Spec = Spec {
        name: names::RATELIMIT_TOP,
        summary: c"Shows which keys were refused most in this minute and the last, or forgets them.",
        complexity: c"O(1)",
        since: c"0.2.0",
        arity: -1,
        access: Access::Read,
        keys: None,
        flags: "",
        // Not of the family: it shows names of keys to whoever may call it, as KEYS does.
        acl: "slow dangerous",
        category: None,
        words: &[Word::new(c"ask", Kind::OneOf(ASK)).optional()],
    };

    /// Each node knows its own; clients put what they are answered one behind the other.
    const TIPS: &'static CStr = c"nondeterministic_output request_policy:all_shards";

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        match grammar::parse(args.from(1).map(Arg::bytes))? {
            Ask::Reset => {
                top::reset();
                ctx.reply_ok();
            }
            Ask::Show(most) => {
                let rows = top::rows(most, ctx.now());
                ctx.reply_array(rows.len());
                for row in rows {
                    ctx.reply_array(4);
                    ctx.reply_bytes(row.name.as_bytes());
                    let numbers = [row.db.into(), row.refused as i64, row.over as i64];
                    numbers.into_iter().for_each(|number| ctx.reply_integer(number));
                }
            }
        }
        Ok(())
    }
}
