//! The pure half of Sluice: what a rate limit and a lock *are*, with no server, no clock and no unsafe code.
//!
//! Time is always a parameter, state comes in as bytes or values, a decision goes out. The module
//! reads a command, calls one function of this crate and carries out what it says; the client
//! encodes with the same grammar that the module parses with, so the two cannot drift apart.
//!
//! | module | duty |
//! |---|---|
//! | [`time`] | instants in ns, durations in ms, and the bound of 100 years on both |
//! | [`digits`] | integers as the wire and the stored state spell them |
//! | [`limit`] | rate limits: quota, bucket, the decision, the stored string |
//! | [`policy`] | limits with a name: the table of them, its text, and what shadow mode answers |
//! | [`top`] | which keys were refused most |
//! | [`throttle`] | `CL.THROTTLE`, as redis-cell decides |
//! | [`lock`] | locks: who holds one, with which fence, until when, and who waits |
//! | [`grammar`] | the words of the commands, parsed and encoded; names, error texts, bounds |
#![forbid(unsafe_code)]

pub mod digits;
pub mod grammar;
pub mod limit;
pub mod lock;
pub mod policy;
pub mod throttle;
pub mod time;
pub mod top;
