//! Rate limits: what a limit is, how far it is used, and whether a call goes ahead.
//!
//! | file | duty |
//! |---|---|
//! | [`quota`] | one limit: `count` tokens a `period`, at most `burst` at once, and how they come back |
//! | `span` | a stretch of time, exact where a nanosecond is too coarse |
//! | [`bounds`] | how far ahead of the clock a limit may stand |
//! | [`bucket`] | a rate and how far it is used: GCRA's theoretical arrival time, exact |
//! | [`window`] | a strict or calendar window: which tokens are out, and when each is back |
//! | [`meter`] | one limit of a key, a bucket or a window, and what its own callers have used |
//! | [`hold`] | an instant before which nobody acts, and which turns have moved behind it |
//! | [`state`] | what a key stores: its limits by place, and its hold |
//! | `places` | which stored limit a clause means, and how limits that differ count together |
//! | [`call`] | what a call asks and what it is answered |
//! | [`gcra`] | the decision over all limits of a call |
//! | [`mod@give_back`] | refunds, and reservations that are given up |
//! | [`holding`] | holding a key, and whether a turn still stands |
//! | [`mod@look`] | where every limit stands |
//! | [`mod@expiry`] | when a key may go |
//! | [`codec`] | the stored string |

pub mod bounds;
pub mod bucket;
pub mod call;
pub mod codec;
pub mod expiry;
pub mod gcra;
pub mod give_back;
pub mod hold;
pub mod holding;
pub mod look;
pub mod meter;
mod places;
pub mod quota;
mod span;
pub mod state;
pub mod window;
