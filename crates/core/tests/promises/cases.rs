//! How many random cases each property runs.
//!
//! `SLUICE_CASES_FACTOR=50 cargo test --release -p sluice-core --test promises` runs 50 times as many.

use proptest::prelude::ProptestConfig;

pub(crate) const EVERYDAY_CALLS: u32 = 24_000;
pub(crate) const CALLS_AT_THE_BOUNDS: u32 = 12_000;
pub(crate) const ACTS: u32 = 24_000;
pub(crate) const CANCELLED: u32 = 16_000;
pub(crate) const WAITS: u32 = 12_000;
pub(crate) const REFUSALS: u32 = 10_000;
pub(crate) const RETURNS: u32 = 10_000;
pub(crate) const BOUNDS: u32 = 12_000;
pub(crate) const CODEC: u32 = 16_000;
pub(crate) const GRAMMAR: u32 = 16_000;

pub(crate) fn config(cases: u32) -> ProptestConfig {
    let factor = std::env::var("SLUICE_CASES_FACTOR").ok().and_then(|factor| factor.parse().ok());
    ProptestConfig::with_cases(cases.saturating_mul(factor.unwrap_or(1)))
}

#[test]
fn a_run_has_at_least_100_000_cases() {
    let properties = [
        (1, EVERYDAY_CALLS),
        (1, CALLS_AT_THE_BOUNDS),
        (1, ACTS),
        (3, CANCELLED),
        (2, WAITS),
        (2, REFUSALS),
        (4, RETURNS),
        (3, BOUNDS),
        (5, CODEC),
        (5, GRAMMAR),
    ];
    let cases: u32 = properties.iter().map(|(properties, cases)| properties * cases).sum();
    assert!(cases >= 100_000, "{cases}");
}
