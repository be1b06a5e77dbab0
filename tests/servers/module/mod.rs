//! The module as a whole.

pub(crate) mod load;
mod old_server;
