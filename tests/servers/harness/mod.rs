//! The harness keeps its own promises; every other test stands on them.

mod failures;
mod names;
mod servers;
