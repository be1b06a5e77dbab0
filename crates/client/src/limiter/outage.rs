//! The choice for when the server is out of reach.

use std::num::NonZeroU32;

/// The caller's choice for when the server is out of reach: no answer within the deadline, no
/// connection, or a server that does not serve (it loads, or fails over). Other errors, a module that
/// is not loaded among them, are errors whatever was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outage {
    /// Everything passes, as [`Decision::Unchecked`](crate::Decision::Unchecked): for a limit that is a courtesy.
    Open,
    /// Nothing passes: the call is an error. For a limit that must hold.
    Closed,
    /// This process limits by itself, with the module's own code and its share of the limit. What was
    /// used at the server before is not known, so a burst can pass twice.
    Local {
        /// Among how many processes the limit is shared: each lets one part in so many pass, at
        /// least what one call costs at once.
        /// Of a window, strict or aligned, that is a part of its count.
        one_of: NonZeroU32,
    },
}

impl Outage {
    /// [`Outage::Local`] for one of so many processes; 0 counts as 1.
    pub const fn local(one_of: u32) -> Self {
        match NonZeroU32::new(one_of) {
            Some(one_of) => Self::Local { one_of },
            None => Self::Local { one_of: NonZeroU32::MIN },
        }
    }
}
