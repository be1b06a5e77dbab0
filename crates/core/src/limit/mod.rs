//! Rate limits: what a limit is, how far it is used, and whether a call goes ahead.
//!
//! | file | duty |
//! |---|---|
//! | [`quota`] | one limit: `count` tokens a `period`, at most `burst` at once |
//! | [`bucket`] | a quota and how far it is used: GCRA's theoretical arrival time, exact |
//! | [`call`] | what a call asks and what it is answered |
//! | [`gcra`] | the decision over all clauses of a call: acquire, give back, look |
//! | [`codec`] | the stored string, `<tat>[+<r>]:<count>/<period_ms>:<burst>` |

pub mod bucket;
pub mod call;
pub mod codec;
pub mod gcra;
pub mod quota;
