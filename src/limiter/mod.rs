//! Limits in the server: a plain string, read from a key and written back.
//!
//! ```text
//! RATELIMIT.ACQUIRE ──► key: open ──► sluice_core::limit decides ──► key: commit ──► the key, replicas
//! ```
//!
//! Whoever refuses a call says so to [`top`], which knows the keys that are refused most.
//!
//! What a limit means is decided in `sluice_core::limit`. Keys of `CL.THROTTLE` are of their own kind, and decided on in
//! `sluice_core::throttle`.

pub(crate) mod key;
pub(crate) mod throttle_key;
pub(crate) mod top;
