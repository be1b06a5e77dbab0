//! How this process stays connected: a connection that is made when it is needed and made anew when it
//! fails.
//!
//! | file | idea |
//! |---|---|
//! | `way` | what a line leads to: a server somewhere, or one in this process |
//! | `source` | where connections come from: a client, a sentinel, a connection that is ready |
//! | `line` | the connection that all calls share, replaced when it fails |

mod line;
mod source;
mod way;

pub(crate) use line::{Line, Use};
#[cfg(feature = "sentinel")]
pub use source::Sentinel;
pub use source::{Connect, Ready, Source};
pub(crate) use way::{Way, Wire};
