//! Clients at work, and what they remember of it.

mod link;
mod locks;
mod writer;

pub(crate) use link::{Link, Only, Route};
pub(crate) use locks::{Habits, LockClient, record, words};
pub(crate) use writer::{Writer, field};
