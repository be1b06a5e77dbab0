//! What the RATELIMIT commands share: their ACL category, their words, and their reply.

use std::ffi::CStr;

use sluice_core::grammar::error::CommandError;
use sluice_core::limit::call::{Mode, Reply};
use sluice_core::time::Millis;

use crate::server::{Context, Kind, Word};

/// The ACL category of the family.
pub(super) const CATEGORY: &CStr = c"ratelimit";

const PERIOD: &[Word] = &[Word::option(c"seconds", c"EX"), Word::option(c"milliseconds", c"PX")];

const CLAUSE: &[Word] = &[
    Word::option(c"count", c"LIMIT"),
    Word::new(c"period", Kind::OneOf(PERIOD)),
    Word::option(c"burst", c"BURST").optional(),
    Word::option(c"cost", c"COST").optional(),
];

const MODES: &[Word] = &[
    Word::keyword(c"partial", c"PARTIAL"),
    Word::keyword(c"force", c"FORCE"),
    Word::option(c"max-wait-ms", c"MAXWAIT"),
];

/// `LIMIT ... [LIMIT ...]...`
pub(super) const CLAUSES: Word = Word::new(c"limit", Kind::Block(CLAUSE)).multiple();

/// What ACQUIRE and PEEK take.
pub(super) const ACQUIRE_WORDS: &[Word] =
    &[Word::KEY, CLAUSES, Word::new(c"mode", Kind::OneOf(MODES)).optional()];

/// No reservation is longer than the setting allows.
pub(super) fn check_wait(mode: Mode, max_wait: Millis) -> Result<(), CommandError> {
    match mode {
        Mode::Wait(wait) if wait > max_wait => Err(CommandError::MaxWaitSetting),
        _ => Ok(()),
    }
}

/// The six integers.
pub(super) fn reply(ctx: &Context<'_>, reply: &Reply) {
    let Reply { granted, wait_ms, remaining, burst, reset_ms, index } = *reply;
    ctx.reply_integers([granted, wait_ms, remaining, burst, reset_ms, index]);
}
