//! What replicas, the AOF and its rewriting get of a lock: the whole of it, as `LOCK.LOAD`.

use std::ffi::CStr;

use sluice_core::grammar::lock::{HolderWords, encode_load, load_of_one};
use sluice_core::grammar::names;
use sluice_core::lock::Lock;

use crate::server::{Arg, Context, OwnedArg};

/// The command.
pub(super) const LOAD: &CStr = names::LOCK_LOAD.upper();

/// The words behind its key.
pub(super) fn load_words(lock: &Lock) -> Vec<OwnedArg> {
    let mut words = Vec::with_capacity(1 + 4 * lock.holders().len());
    encode_load(lock, |word| words.push(OwnedArg::new(word)));
    words
}

/// Sends the whole lock to replicas and AOF.
pub(super) fn replicate(ctx: &Context<'_>, name: Arg<'_>, lock: &Lock) {
    match lock.holders() {
        // Nearly every lock: without a string of the server's for each word.
        [holder] => ctx.replicate_five(LOAD, name, load_of_one(holder, &mut HolderWords::default())),
        _ => ctx.replicate(LOAD, name, &load_words(lock)),
    }
}
