//! The errors that a command can answer.

pub(crate) use sluice_core::grammar::error::CommandError as Error;

use crate::server::Refused;

impl From<Refused> for Error {
    fn from(_: Refused) -> Self {
        Self::Server
    }
}
