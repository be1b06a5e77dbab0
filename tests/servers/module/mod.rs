//! The module as a whole.

mod compatibility;
mod documentation;
pub(crate) mod load;
mod old_server;
mod refused_keys;
mod rollback;
mod since_0_1_0;
