//! Any string that is a state, put together from the grammar of states alone.

use proptest::prelude::*;
use sluice_core::limit::bucket::MAX_TAT;
use sluice_core::limit::call::MAX_CLAUSES;
use sluice_core::limit::codec::{MIN_LEN, decode};
use sluice_core::limit::quota::{Kind, Quota};
use sluice_core::limit::state::State;
use sluice_core::time::NS_PER_MS;

use crate::limits::any_limit;

const LAST_MS: u64 = MAX_TAT / NS_PER_MS;
const YEAR_2026_MS: u64 = 1_795_640_112_345;

#[derive(Debug, Clone)]
struct Limit {
    quota: Quota,
    tat: u64,
    r: u64,
    forced: bool,
    entries: Vec<(u64, u64)>,
    own_ms: u64,
    /// It has a place of its own, and nobody else has charged it.
    is_apart: bool,
    has_own: bool,
}

/// A stored string.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    let limits = || prop::collection::vec(limit(), 1..=MAX_CLAUSES).prop_map(limits_text);
    prop_oneof![
        4 => limits(),
        2 => (limits(), hold()).prop_map(|(limits, hold)| limits + &hold),
        1 => hold(),
    ]
    .prop_filter("nothing that short is ever stored", |text| text.len() >= MIN_LEN)
}

pub(crate) fn states() -> impl Strategy<Value = State> {
    texts().prop_map(|text| decode(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a state")))
}

fn limits_text(mut limits: Vec<Limit>) -> String {
    // a limit is stored once at a place
    let mut place: Vec<Quota> = Vec::new();
    for limit in &mut limits {
        if limit.is_apart || place.contains(&limit.quota) {
            place.clear();
            limit.is_apart = true;
        }
        place.push(limit.quota);
    }
    let mut text = String::new();
    for (i, limit) in limits.iter().enumerate() {
        if i > 0 {
            text.push(if limit.is_apart { ';' } else { '|' });
        }
        let is_alone = (i == 0 || limit.is_apart) && limits.get(i + 1).is_none_or(|next| next.is_apart);
        text += &limit.text(is_alone);
    }
    text
}

impl Limit {
    fn text(&self, is_alone: bool) -> String {
        let (count, period_ms) = (self.quota.count(), self.quota.period_ms());
        let (used, end_ms) = match self.quota.kind() {
            Kind::Rate => self.rate(),
            _ => self.window(),
        };
        let own = match is_alone {
            true if !self.has_own || self.own_ms >= end_ms => String::new(),
            _ => format!("~{:0>13}", self.own_ms),
        };
        match self.quota.kind() {
            Kind::Rate => format!("{used}{own}:{count}/{period_ms}:{}", self.quota.burst()),
            Kind::Strict => format!("{used}{own}:{count}/{period_ms}:S"),
            Kind::Align(offset) => format!("{used}{own}:{count}/{period_ms}:A{offset}"),
        }
    }

    fn rate(&self) -> (String, u64) {
        let count = self.quota.count();
        let mark = if self.forced && self.tat > 0 { "-" } else { "" };
        let (rest, r) = match self.quota.period_ns() % count {
            0 => (String::new(), 0),
            _ => {
                let r = self.r % count;
                (format!("+{r:0>width$}", width = count.to_string().len()), r)
            }
        };
        (format!("{mark}{:0>19}{rest}", self.tat), (self.tat + u64::from(r > 0)).div_ceil(NS_PER_MS))
    }

    fn window(&self) -> (String, u64) {
        let (mut left, mut back_ms, mut text) = (self.quota.count(), 0, String::new());
        for (n, gap) in &self.entries {
            let n = n % left.saturating_add(1);
            if n == 0 || back_ms + gap > LAST_MS {
                continue;
            }
            left -= n;
            back_ms += gap;
            text += &match text.is_empty() {
                true => format!("{n}@{back_ms:013}"),
                false => format!(",{n}+{gap}"),
            };
        }
        (if text.is_empty() { "0@0".to_owned() } else { text }, back_ms)
    }
}

fn limit() -> impl Strategy<Value = Limit> {
    let tat = prop_oneof![
        4 => YEAR_2026_MS * NS_PER_MS..(YEAR_2026_MS + 200_000) * NS_PER_MS,
        1 => Just(0),
        1 => Just(MAX_TAT),
        1 => 0..=MAX_TAT
    ];
    let tokens = prop_oneof![Just(1), 1..10u64, any::<u64>()];
    let gap = prop_oneof![4 => 1..1000u64, 1 => 1..LAST_MS / 64];
    let length = prop_oneof![4 => 0..=3usize, 1 => 0..=64usize];
    let entries = length.prop_flat_map(move |n| prop::collection::vec((tokens.clone(), gap.clone()), n));
    let first = prop_oneof![6 => YEAR_2026_MS..YEAR_2026_MS + 200_000, 1 => 1..=LAST_MS];
    let own = prop_oneof![4 => YEAR_2026_MS - 5_000_000..YEAR_2026_MS + 100_000, 1 => 0..=LAST_MS];
    let last = prop_oneof![Just(0), Just(u64::MAX), any::<u64>()];
    let flags = any::<[bool; 4]>();
    (any_limit(), tat, last, (first, entries), own, flags).prop_map(
        |(quota, tat, r, (first, mut entries), own_ms, [forced, apart, apart_too, has_own])| {
            if let Some(entry) = entries.first_mut() {
                entry.1 = first;
            }
            Limit { quota, tat, r, forced, entries, own_ms, is_apart: apart || apart_too, has_own }
        },
    )
}

fn hold() -> impl Strategy<Value = String> {
    let until = prop_oneof![4 => YEAR_2026_MS - 1000..YEAR_2026_MS + 200_000, 1 => 1..=LAST_MS];
    let step = (prop_oneof![Just(0u64), 0..100_000u64], prop_oneof![1..100_000u64, 1..=LAST_MS]);
    let steps = prop::collection::vec(step, 1..=8);
    let first = prop_oneof![4 => YEAR_2026_MS - 100_000..YEAR_2026_MS, 1 => 0..LAST_MS - 1_000_000];
    (until, first, steps).prop_map(|(until, first, steps)| {
        let mut since = first;
        let mut text = format!("!{until:0>13}");
        for (gap, by) in steps {
            since += gap;
            text += &format!(",{since:0>13}+{by}");
        }
        text
    })
}
