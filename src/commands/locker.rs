//! What the LOCK commands share: the words of their grammar, and the attempt to take a lock.

use std::ffi::CStr;

use sluice_core::lock::{Claim, Reply};

use crate::info;
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
pub(super) enum Outcome {
    /// Granted.
    Granted(Reply),
    /// The owner holds it already: not granted again, and no use in waiting.
    Own(Reply),
    /// Others hold it, or wait for it.
    Refused(Reply),
}

impl Outcome {
    /// What the caller is told who does not wait; counted.
    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Granted(reply) => reply,
            Self::Own(reply) | Self::Refused(reply) => {
                info::LOCK_REFUSED.add(1);
                reply
            }
        }
    }
}

/// Takes the lock if it is free and nobody who waits comes first. Returns the waits that ended by
/// this, to be woken when the key is committed.
///
/// Whoever waits is served first, in case the lock has become free and they have not been looked
/// at yet. But what a transaction or a script has freed is theirs to take again until they are over.
pub(super) fn attempt(
    ctx: &Context<'_>,
    name: Arg<'_>,
    key: &mut LockKey<'_>,
    claim: &Claim<'_>,
) -> (Outcome, Vec<u64>) {
    let place = waiting::place(ctx, name);
    let (first, ended) = match &place {
        None => (true, Vec::new()),
        Some(place) if ctx.may_block() => {
            let ended = waiting::admit(place, key);
            (waiting::count(place) == 0, ended)
        }
        Some(place) => (waiting::head_fits(place, key), Vec::new()),
    };
    let view = key.view();
    let outcome = if let Some(own) = view.own(claim.owner) {
        Outcome::Own(own)
    } else if !(first && view.admits(claim.holders)) {
        Outcome::Refused(view.refusal(claim.holders))
    } else {
        Outcome::Granted(key.grant(claim))
    };
    if let Some(place) = &place {
        waiting::watch(place, key);
    }
    (outcome, ended)
}
