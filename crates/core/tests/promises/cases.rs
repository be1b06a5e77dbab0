//! How many random cases each property runs.
//!
//! `SLUICE_CASES_FACTOR=50 cargo test --release -p sluice-core --test promises` runs 50 times as many.

use proptest::prelude::ProptestConfig;

pub(crate) const EVERYDAY_CALLS: u32 = 10_000;
pub(crate) const CALLS_AT_THE_BOUNDS: u32 = 6_000;
pub(crate) const AS_BEFORE: u32 = 6_000;
pub(crate) const PATHS: u32 = 12_000;
pub(crate) const ACTS: u32 = 12_000;
pub(crate) const CANCELLED: u32 = 8_000;
pub(crate) const TOGETHER: u32 = 12_000;
pub(crate) const WAITS: u32 = 10_000;
pub(crate) const REFUSALS: u32 = 8_000;
pub(crate) const RETURNS: u32 = 8_000;
pub(crate) const CROWDED: u32 = 1_000;
pub(crate) const HOLDS: u32 = 8_000;
pub(crate) const BOUNDS: u32 = 12_000;
pub(crate) const CODEC: u32 = 12_000;
pub(crate) const GRAMMAR: u32 = 12_000;
pub(crate) const POLICIES: u32 = 6_000;
pub(crate) const TOP: u32 = 1_000;

pub(crate) fn config(cases: u32) -> ProptestConfig {
    let factor = std::env::var("SLUICE_CASES_FACTOR").ok().and_then(|factor| factor.parse().ok());
    let cases = f64::from(cases) * factor.unwrap_or(1.0);
    let cases = cases.ceil() as u32;
    // A property that passes over one story in a hundred may do so however many there are.
    ProptestConfig { max_global_rejects: cases.max(1024), ..ProptestConfig::with_cases(cases) }
}

#[test]
fn a_run_has_at_least_300_000_cases() {
    let properties = [
        (3, EVERYDAY_CALLS),
        (1, CALLS_AT_THE_BOUNDS),
        (2, AS_BEFORE),
        (1, PATHS),
        (1, ACTS),
        (3, CANCELLED),
        (5, TOGETHER),
        (2, CROWDED),
        (3, HOLDS),
        (3, WAITS),
        (3, REFUSALS),
        (6, RETURNS),
        (4, BOUNDS),
        (5, CODEC),
        (6, GRAMMAR),
        (4, POLICIES),
    ];
    let cases: u32 = properties.iter().map(|(properties, cases)| properties * cases).sum();
    assert!(cases >= 300_000, "{cases}");
}
