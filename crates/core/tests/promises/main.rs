//! What the core promises, one promise a file. All of it in one test binary, since each binary is
//! linked with full LTO.
//!
//! | file | promise |
//! |---|---|
//! | `agrees_with_the_model` | every reply and every stored state is that of a rational model |
//! | `never_too_many` | the acts in any window stay within `burst + count * t / period` |
//! | `waits_are_exact` | `wait_ms` later it is granted, 1 ms earlier it is not |
//! | `refusals_change_nothing` | a refusal leaves no trace, a PEEK tells what ACQUIRE would |
//! | `returns_never_overfill` | what is given back was taken, and fills no bucket beyond full |
//! | `bounds` | no input overflows, and no reply leaves its range |
//! | `codec`, `grammar` | what is encoded reads back the same; what is foreign is refused |
//! | `conformance` | every step of `tests/conformance/ratelimit.json` |
//!
//! `model` is the reference, `key` a key of a server, `story` the random calls, `cases` how many.
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
mod model;
mod story;

mod agrees_with_the_model;
mod bounds;
mod codec;
mod conformance;
mod grammar;
mod never_too_many;
mod refusals_change_nothing;
mod returns_never_overfill;
mod waits_are_exact;
