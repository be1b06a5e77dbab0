//! Random limits, natural or at the bounds, and what a call may take of them.

use proptest::prelude::*;
use sluice_core::limit::quota::{MAX_OFFSET_S, Quota};
use sluice_core::time::{MAX_MS, MAX_NS, Millis};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Cost {
    Tokens(u64),
    /// BURST and so many more.
    Burst(i64),
    Percent(u64),
}

impl Cost {
    pub(crate) fn of(self, quota: Quota) -> u64 {
        match self {
            Self::Tokens(tokens) => tokens,
            Self::Burst(more) => quota.burst().saturating_add_signed(more).min(i64::MAX as u64),
            Self::Percent(percent) => (u128::from(quota.burst()) * u128::from(percent) / 100) as u64,
        }
    }
}

/// The nearest legal rate.
pub(crate) fn rate(count: u64, period_ms: u64, burst: u64) -> Quota {
    let period = Millis::new(period_ms.clamp(1, MAX_MS)).unwrap();
    let count = count.clamp(1, period.as_nanos());
    let most = u128::from(count) * u128::from(MAX_NS) / u128::from(period.as_nanos());
    let burst = u128::from(burst).clamp(1, most.min(i64::MAX as u128)) as u64;
    Quota::new(count, period, burst).unwrap()
}

/// The nearest legal window; `None`: strict.
pub(crate) fn window(count: u64, period_ms: u64, offset_s: Option<u64>) -> Quota {
    let period = Millis::new(period_ms.clamp(1, MAX_MS)).unwrap();
    let count = count.clamp(1, period.as_nanos());
    match offset_s {
        None => Quota::strict(count, period).unwrap(),
        Some(offset_s) => Quota::aligned(count, period, offset_s.min(MAX_OFFSET_S)).unwrap(),
    }
}

fn natural_count() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 1..=10u64,
        2 => prop::sample::select(vec![60, 100, 300, 1000, 90_000]),
        1 => 1..=2000u64
    ]
}

fn natural_period() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![1, 7, 100, 1000, 1000, 1000, 3000, 60_000, 3_600_000])
}

pub(crate) fn natural_rate() -> impl Strategy<Value = Quota> {
    let burst =
        prop_oneof![2 => Just(None), 1 => (1..=3u64).prop_map(Some), 1 => (1..=2000u64).prop_map(Some)];
    (natural_count(), natural_period(), burst)
        .prop_map(|(count, period, burst)| rate(count, period, burst.unwrap_or(count)))
}

pub(crate) fn natural_window() -> impl Strategy<Value = Quota> {
    let offset = prop_oneof![3 => Just(None), 1 => Just(Some(0)), 1 => (0..100_000u64).prop_map(Some)];
    (natural_count(), natural_period(), offset)
        .prop_map(|(count, period, offset)| window(count, period, offset))
}

pub(crate) fn rate_at_the_bounds() -> impl Strategy<Value = Quota> {
    let odd =
        |quota: Quota, less: u64| rate(quota.count().saturating_sub(less), quota.period_ms(), quota.burst());
    (edge(), period_at_the_bounds(), edge(), 0..3u64)
        .prop_map(move |(count, period, burst, less)| odd(rate(count, period, burst), less))
}

pub(crate) fn window_at_the_bounds() -> impl Strategy<Value = Quota> {
    let offset = prop_oneof![Just(None), Just(Some(MAX_OFFSET_S)), edge().prop_map(Some)];
    (edge(), period_at_the_bounds(), offset).prop_map(|(count, period, offset)| window(count, period, offset))
}

fn edge() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1u64), 1..4u64, Just(u64::MAX), any::<u64>(), any::<u64>().prop_map(|n| n >> (n & 63))]
}

fn period_at_the_bounds() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1), Just(MAX_MS), Just(MAX_MS - 1), 1..=MAX_MS, 1..5000u64]
}

pub(crate) fn natural_limit() -> impl Strategy<Value = Quota> {
    prop_oneof![3 => natural_rate(), 2 => natural_window()]
}

pub(crate) fn limit_at_the_bounds() -> impl Strategy<Value = Quota> {
    prop_oneof![3 => rate_at_the_bounds(), 2 => window_at_the_bounds()]
}

pub(crate) fn any_limit() -> impl Strategy<Value = Quota> {
    prop_oneof![natural_limit(), limit_at_the_bounds()]
}
