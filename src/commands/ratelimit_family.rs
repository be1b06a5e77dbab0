//! What the RATELIMIT commands share: their ACL category, their words, and their reply.

use std::ffi::CStr;

use sluice_core::grammar::error::CommandError;
use sluice_core::limit::call::{Mode, Reply, Verdict};
use sluice_core::time::Millis;

use crate::server::{Context, Kind, Word};

/// The ACL category of the family.
pub(super) const CATEGORY: &CStr = c"ratelimit";

/// `EX seconds | PX ms`
pub(super) const PERIOD: &[Word] = &[Word::option(c"seconds", c"EX"), Word::option(c"milliseconds", c"PX")];

const PERIOD_WORD: Word = Word::new(c"period", Kind::OneOf(PERIOD));

const FORM: &[Word] = &[
    Word::option(c"burst", c"BURST"),
    Word::keyword(c"strict", c"STRICT"),
    Word::option(c"align-seconds", c"ALIGN"),
];

const CLAUSE: &[Word] = &[
    Word::option(c"count", c"LIMIT"),
    PERIOD_WORD,
    Word::new(c"form", Kind::OneOf(FORM)).optional(),
    Word::option(c"cost", c"COST").optional(),
];

const MODES: &[Word] = &[
    Word::keyword(c"partial", c"PARTIAL"),
    Word::keyword(c"force", c"FORCE"),
    Word::option(c"max-wait-ms", c"MAXWAIT"),
];

/// `LIMIT ... [LIMIT ...]...`
pub(super) const CLAUSES: Word = Word::new(c"limit", Kind::Block(CLAUSE)).multiple();

/// `@policy [COST n [n ...]]`
const BY_POLICY: &[Word] = &[Word::text(c"@policy"), Word::option(c"cost", c"COST").multiple().optional()];

/// Spelled out, or by the name of a policy.
pub(super) const LIMITS: Word =
    Word::new(c"limits", Kind::OneOf(&[CLAUSES, Word::new(c"by-policy", Kind::Block(BY_POLICY))]));

/// What ACQUIRE and PEEK take.
pub(super) const ACQUIRE_WORDS: &[Word] =
    &[Word::KEY, LIMITS, Word::new(c"mode", Kind::OneOf(MODES)).optional()];

/// No reservation is longer than the setting allows.
pub(super) fn check_wait(mode: Mode, max_wait: Millis) -> Result<(), CommandError> {
    match mode {
        Mode::Wait(wait) if wait > max_wait => Err(CommandError::MaxWaitSetting),
        _ => Ok(()),
    }
}

/// The six integers; and for MAXWAIT a seventh, the act.
pub(super) fn reply(ctx: &Context<'_>, reply: &Reply, act_us: Option<i64>) {
    let Reply { granted, wait_ms, remaining, burst, reset_ms, index } = *reply;
    match act_us {
        None => ctx.reply_integers([granted, wait_ms, remaining, burst, reset_ms, index]),
        Some(act_us) => {
            ctx.reply_integers([granted, wait_ms, remaining, burst, reset_ms, index, act_us]);
        }
    }
}

/// The act, where the reply has it.
pub(super) fn act_us(mode: Mode, verdict: &Verdict) -> Option<i64> {
    matches!(mode, Mode::Wait(_)).then_some(verdict.act_us)
}
