//! What the LOCK commands share: their ACL category, their words, and their reply.

use std::ffi::CStr;

use sluice_core::lock::Reply;

use crate::server::{Context, Kind, Word};

/// The ACL category of the family.
pub(super) const CATEGORY: &CStr = c"lock";

const TIMES: &[Word] = &[Word::option(c"milliseconds", c"PX"), Word::option(c"seconds", c"EX")];

/// Who asks.
pub(super) const OWNER: Word = Word::new(c"owner", Kind::Text);

/// `PX ms | EX s`
pub(super) const LEASE: Word = Word::new(c"lease", Kind::OneOf(TIMES));

/// `[HOLDERS n]`
pub(super) const HOLDERS: Word = Word::option(c"holders", c"HOLDERS").optional();

/// The three integers.
pub(super) fn reply(ctx: &Context<'_>, reply: &Reply) {
    let Reply { held, fence, ms } = *reply;
    ctx.reply_integers([held, fence, ms]);
}
