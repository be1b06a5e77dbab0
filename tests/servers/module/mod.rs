//! The module as a whole.

mod compatibility;
pub(crate) mod load;
mod old_server;
