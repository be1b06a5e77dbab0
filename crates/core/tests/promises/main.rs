//! What the core promises, one promise a file. All of it in one test binary, since each binary is
//! linked with full LTO.
//!
//! | file | promise |
//! |---|---|
//! | `agrees_with_the_model` | every reply, stored string and expiry is that of a rational model |
//! | `one_caller_as_before` | one caller with one set of limits: replies and bytes of 0.1.0 |
//! | `both_paths_agree` | the short path of one caller answers what the long one does |
//! | `never_too_many` | one caller's acts in any window stay within `burst + count * t / period` |
//! | `callers_together` | so do the acts of all who name a limit, whatever others do |
//! | `crowded_windows` | a window of more times than are stored lets nobody through too early, few too late |
//! | `holds` | nobody acts while a key is held; turns move behind it |
//! | `waits_are_exact` | `wait_ms` later it is granted, 1 ms earlier it is not |
//! | `refusals_change_nothing` | a refusal leaves no trace, a PEEK tells what ACQUIRE would |
//! | `returns_never_overfill` | what is given back was taken, and fills no limit beyond full |
//! | `bounds` | no input overflows, and no reply leaves its range |
//! | `codec`, `grammar` | what is encoded reads back the same; what is foreign is refused |
//! | `policies` | a call by a policy is the call with its limits spelled out; a table of policies is its text |
//! | `conformance` | every step of `tests/conformance/ratelimit.json` |
//! | `top` | what is shown of the keys refused most is within its bound of error |
//! | `throttle` | every call of CL.THROTTLE that redis-cell has answered |
//!
//! `model` is the reference and `one_caller_model` that of 0.1.0; `key` is a key of a server; `story`,
//! `crowd` and `town` are random calls, `limits` and `states` what they are about; `cases` says how many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says where"
)]

mod cases;
mod crowd;
mod key;
mod limits;
mod model;
mod one_caller_model;
mod states;
mod story;
mod town;

mod agrees_with_the_model;
mod both_paths_agree;
mod bounds;
mod callers_together;
mod codec;
mod conformance;
mod crowded_windows;
mod grammar;
mod holds;
mod never_too_many;
mod one_caller_as_before;
mod policies;
mod refusals_change_nothing;
mod returns_never_overfill;
mod throttle;
mod top;
mod waits_are_exact;
