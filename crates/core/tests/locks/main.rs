//! What the core promises of locks, one promise a file.
//!
//! | file | promise |
//! |---|---|
//! | `leases` | every answer is that of a plain list of leases, wherever the clock goes; never one holder too many |
//! | `fences` | every fence is larger than all before it, and none uses up the others |
//! | `words` | what is encoded reads back the same; what is foreign is refused; nothing panics |
//! | `queue` | first in, first out, key by key |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says where"
)]

mod fences;
mod leases;
mod queue;
mod words;

use proptest::prelude::ProptestConfig;

/// So many random cases, or `SLUICE_CASES_FACTOR` times as many.
fn cases(cases: u32) -> ProptestConfig {
    let factor = std::env::var("SLUICE_CASES_FACTOR").ok().and_then(|factor| factor.parse().ok());
    ProptestConfig::with_cases(cases.saturating_mul(factor.unwrap_or(1)))
}
