//! The one table of this server.

use sluice_core::grammar::error::CommandError;
use sluice_core::limit::call::{Clauses, Verdict};
use sluice_core::policy::definition::{Found, Lookup, Name, Policy};
use sluice_core::policy::table::{Counts, Table};
use sluice_core::policy::text::{self, TextError};

use crate::server::Guarded;

static TABLE: Guarded<Table> = Guarded::new();

/// The policies that there are, to whoever reads a call.
pub(crate) struct Known;

impl Lookup for Known {
    #[inline]
    fn look_up(&self, name: &[u8], clauses: &mut Clauses) -> Option<Found> {
        TABLE.with(|table| table.look_up(name, clauses))
    }
}

/// Counts what came of an ACQUIRE by a policy.
#[inline]
pub(crate) fn count(policy: Found, verdict: &Verdict) {
    TABLE.with(|table| table.count(policy, verdict));
}

/// Sets one policy. True if there was none of this name.
pub(crate) fn set(name: Name, policy: Policy) -> Result<bool, CommandError> {
    TABLE.with(|table| table.set(name, policy))
}

/// Deletes the policies of these names. How many there were.
pub(crate) fn delete<'a>(names: impl Iterator<Item = &'a [u8]>) -> usize {
    let names: Vec<_> = names.collect(); // asks the server, which must not be while the table is in hand
    TABLE.with(|table| table.delete(names.into_iter()))
}

/// Makes the policies those of a text, all or nothing. How many there are then.
pub(crate) fn replace(text: &[u8]) -> Result<usize, TextError> {
    TABLE.with(|table| table.replace(text))
}

/// Forgets all of them, as the module does not load after all: nobody else would free them.
pub(crate) fn forget() {
    TABLE.with(|table| *table = Table::default());
}

/// How many there are.
pub(crate) fn len() -> usize {
    TABLE.with(|table| table.len())
}

/// All of them as one text.
pub(crate) fn text() -> String {
    TABLE.with(|table| table.text())
}

/// Each with its name in front, by name.
pub(crate) fn list() -> Vec<String> {
    TABLE.with(|table| table.iter().map(|(name, policy, _)| text::named(name, policy)).collect())
}

/// The limits of a policy as text, and what came of the calls by it.
pub(crate) fn get(name: &[u8]) -> Option<(String, Counts)> {
    TABLE.with(|table| table.get(name).map(|(policy, counts)| (text::limits(policy), *counts)))
}

/// What came of the calls by each, by name.
pub(crate) fn counts() -> Vec<(String, Counts)> {
    TABLE.with(|table| table.iter().map(|(name, _, counts)| (name.as_str().to_owned(), *counts)).collect())
}
