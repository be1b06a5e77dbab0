//! The keys that were refused most: memory of this server, told by nobody to anybody else.

use sluice_core::limit::call::Verdict;
use sluice_core::time::Nanos;
use sluice_core::top::{Row, Top};

use crate::config;
use crate::server::{Arg, Context, Guarded};

static TOP: Guarded<Top> = Guarded::new();

/// Counts an ACQUIRE of this key, if it was refused, or would have been but for a policy in shadow.
#[inline(always)]
pub(crate) fn count(ctx: &Context<'_>, key: Arg<'_>, now: Nanos, verdict: &Verdict) {
    if verdict.reply.granted == 0 || verdict.notes.shadow {
        refused(ctx, key, now);
    }
}

/// Counts a refusal of this key. Not inline: who is granted is not to pay for it.
#[inline(never)]
pub(crate) fn refused(ctx: &Context<'_>, key: Arg<'_>, now: Nanos) {
    if !config::top() {
        return;
    }
    let (name, db) = (key.bytes(), ctx.db());
    TOP.with(|top| top.refused(name, db, now));
}

/// At most so many, most refused first. None while nobody counts, and what was counted before is forgotten.
pub(crate) fn rows(most: usize, now: Nanos) -> Vec<Row> {
    if !config::top() {
        reset();
        return Vec::new();
    }
    TOP.with(|top| top.rows(most, now))
}

/// Forgets them.
pub(crate) fn reset() {
    TOP.with(Top::reset);
}
