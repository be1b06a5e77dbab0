//! Clients at work, and what they remember of it.

mod link;
mod locks;
mod stored;
mod writer;

pub(crate) use link::{Link, Only, Route};
pub(crate) use locks::{Habits, LockClient, record, words};
pub(crate) use stored::field;
pub(crate) use writer::Writer;
