//! What replicas, the AOF and its rewriting get of a lock, as `LOCK.LOAD`: the whole of it, or of one with many holders
//! what has changed.

use std::ffi::CStr;

use sluice_core::grammar::lock::{HolderWords, encode_change, encode_load, load_of_one};
use sluice_core::grammar::names;
use sluice_core::lock::{Changes, Lock};

use crate::server::{Arg, Context, OwnedArg};

/// The command.
pub(super) const LOAD: &CStr = names::LOCK_LOAD.upper();

/// The words behind its key, for the whole lock.
pub(super) fn load_words(lock: &Lock) -> Vec<OwnedArg> {
    let mut words = Vec::with_capacity(1 + 4 * lock.len());
    encode_load(lock, |word| words.push(OwnedArg::new(word)));
    words
}

/// Sends what has been done to a lock to replicas and AOF.
pub(super) fn replicate(ctx: &Context<'_>, name: Arg<'_>, lock: &Lock, changes: &Changes) {
    let mut holders = lock.holders();
    if let (Some(holder), None) = (holders.next(), holders.next()) {
        // Nearly every lock: without a string of the server's for each word.
        return ctx.replicate_five(LOAD, name, load_of_one(holder, &mut HolderWords::default()));
    }
    let words = match lock.told(changes) {
        None => load_words(lock),
        Some(told) => {
            let mut words = Vec::new();
            told.for_each(|change| encode_change(&change, |word| words.push(OwnedArg::new(word))));
            words
        }
    };
    ctx.replicate(LOAD, name, &words);
}
