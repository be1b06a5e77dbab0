//! What goes over the wire, said once for module and client: the words behind the key, parsed by the one and encoded
//! by the other; the names of commands and settings, the texts of errors, and the bounds that they name.
//!
//! | file | duty |
//! |---|---|
//! | [`ratelimit`], [`policy`], [`lock`] | the words of each family, and of named limits |
//! | [`top`], [`throttle`] | the words of `RATELIMIT.TOP` and `CL.THROTTLE` |
//! | `limits` | limits in a call: spelled out, or a policy's |
//! | [`keyword`] | the keywords of all commands |
//! | `words` | how single words are read and written |
//! | [`names`] | the commands |
//! | [`settings`] | the settings, with their defaults and bounds |
//! | [`error`] | every error that a command can answer |

pub mod error;
pub mod keyword;
mod limits;
pub mod lock;
pub mod names;
pub mod policy;
pub mod ratelimit;
pub mod settings;
pub mod throttle;
pub mod top;
mod words;
