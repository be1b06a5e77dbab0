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
//! | [`quota`] | one limit: `count` tokens a `period`, at most `burst` at once |
//! | [`bucket`] | a quota and how far it is used: GCRA's theoretical arrival time, exact |
//! | [`gcra`] | the decision over all clauses of a call: acquire, give back, look |
//! | [`codec`] | the stored string, `<tat>[+<r>]:<count>/<period_ms>:<burst>` |
//! | [`lock`] | who holds a lock, with which fence, until when; the decision to grant |
//! | [`waiters`] | who waits for which lock, first in first out |
//! | [`grammar`] | the words of the commands, parsed and encoded |
#![forbid(unsafe_code)]

pub mod bucket;
pub mod codec;
pub mod digits;
pub mod gcra;
pub mod grammar;
pub mod lock;
pub mod quota;
pub mod time;
pub mod waiters;
