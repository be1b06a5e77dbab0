//! What the LOCK commands share: the words of their grammar, and the attempt to take a lock.

use std::ffi::CStr;

use sluice_core::lock::{Claim, Reply};

use crate::lock::held::LockKey;
use crate::lock::waiting;
use crate::server::{Arg, Context, Kind, Word};

/// The ACL category of the family.
pub(super) const CATEGORY: &CStr = c"lock";

const LEASE: &[Word] = &[Word::option(c"milliseconds", c"PX"), Word::option(c"seconds", c"EX")];

/// Who asks.
pub(super) const OWNER: Word = Word::new(c"owner", Kind::Text);

/// `PX ms | EX s`
pub(super) const LEASE_WORD: Word = Word::new(c"lease", Kind::OneOf(LEASE));

/// `[HOLDERS n]`
pub(super) const HOLDERS: Word = Word::option(c"holders", c"HOLDERS").optional();

/// How an attempt to take a lock went.
pub(super) enum Attempt {
    /// Granted; to be committed.
    Granted(Reply),
    /// The owner holds it already: not granted again, and no use in waiting.
    Own(Reply),
    /// Others hold it, or wait for it.
    Refused(Reply),
}

/// Who comes first when somebody waits already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// All who wait, whatever the lock.
    Behind,
    /// They do, but not over a vacancy that nobody has looked at yet.
    Now,
}

/// Takes the lock if it is free and nobody who waits comes first.
pub(super) fn attempt(
    ctx: &Context<'_>,
    name: Arg<'_>,
    key: &mut LockKey<'_>,
    claim: &Claim<'_>,
    turn: Turn,
) -> Attempt {
    if let Some(own) = key.view().own(claim.owner) {
        return Attempt::Own(own);
    }
    let place = waiting::place(ctx, name);
    let first = place.as_ref().is_none_or(|place| turn == Turn::Now && waiting::lets_pass(place, key));
    if !first || !key.view().admits(claim.holders) {
        return Attempt::Refused(key.view().refusal(claim.holders));
    }
    let reply = key.grant(claim);
    if let Some(place) = place {
        waiting::watch(&place, key);
    }
    Attempt::Granted(reply)
}
