//! What callers did, and the most that a limit lets them do in any window.

/// Something that a caller did, once it had been granted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    /// When: between these two, unix µs of the server's clock.
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
    pub(crate) cost: i64,
}

/// What a limit promises.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Promise {
    /// At most `burst + count * t / period` in any window of length t.
    Rate { count: i64, period_us: i64, burst: i64 },
    /// At most `count` in any window of the period.
    Strict { count: i64, period_us: i64 },
    /// At most `count` in each window of the calendar, one of which begins at 1970 and `offset_us`.
    Aligned { count: i64, period_us: i64, offset_us: i64 },
}

impl Act {
    /// An act at a time that was told, rounded up to a µs.
    pub(crate) fn told(act_us: i64, cost: i64) -> Self {
        Self { from_us: act_us - 1, to_us: act_us, cost }
    }
}

impl Promise {
    /// The first window that surely held more than promised, in words.
    pub(crate) fn broken_by(self, acts: &[Act]) -> Option<String> {
        let (from_us, to_us, cost) = match self {
            Self::Rate { count, period_us, burst } => {
                // In units of 1/period tokens, so that nothing is rounded.
                let most = |span_us: i64| {
                    i128::from(burst) * i128::from(period_us) + i128::from(count) * i128::from(span_us)
                };
                fullest(acts, |span_us, cost| i128::from(cost) * i128::from(period_us) > most(span_us))
            }
            Self::Strict { count, period_us } => {
                fullest(acts, |span_us, cost| span_us < period_us && cost > count)
            }
            Self::Aligned { count, period_us, offset_us } => calendar(acts, period_us, offset_us, count),
        }?;
        Some(format!("{self:?}: {cost} in the {} us from {from_us} to {to_us}", to_us - from_us))
    }
}

impl Promise {
    /// How much was done of what could be done between two times, in thousandths: of a bucket that was full at first,
    /// or in whole windows.
    pub(crate) fn used(self, acts: &[Act], began_us: i64, ended_us: i64) -> i64 {
        let done = |from_us: i64, to_us: i64| -> i64 {
            acts.iter().filter(|act| (from_us..to_us).contains(&act.to_us)).map(|act| act.cost).sum()
        };
        let (done, possible) = match self {
            Self::Rate { count, period_us, burst } => {
                let first = acts.iter().map(|act| act.from_us).min().unwrap_or(began_us);
                (done(began_us, ended_us), burst + count * (ended_us - first) / period_us)
            }
            Self::Strict { count, period_us } => {
                let first = acts.iter().map(|act| act.to_us).min().unwrap_or(began_us);
                let windows = (ended_us - first) / period_us;
                (done(first, first + windows * period_us), count * windows)
            }
            Self::Aligned { count, period_us, offset_us } => {
                let number = |us: i64| (us - offset_us).div_euclid(period_us);
                // Not the one in which it began nor the one in which it ended.
                let (first, last) = (number(began_us) + 1, number(ended_us));
                let at = |number: i64| number * period_us + offset_us;
                (done(at(first), at(last)), count * (last - first))
            }
        };
        done * 1000 / possible.max(1)
    }
}

/// The first window of those that begin and end with an act for which it is true: of how long it is, in µs, and what
/// surely happened in it. Windows in which fewer acts begin than `MANY` are all looked at.
fn fullest(acts: &[Act], too_much: impl Fn(i64, i64) -> bool) -> Option<(i64, i64, i64)> {
    const MANY: usize = 3000;
    let mut acts = acts.to_vec();
    acts.sort_by_key(|act| act.from_us);
    for (index, first) in acts.iter().enumerate() {
        let mut inside: Vec<_> = acts[index..].iter().take(MANY).map(|act| (act.to_us, act.cost)).collect();
        inside.sort_unstable();
        let mut total = 0;
        for (to_us, cost) in inside {
            total += cost;
            if too_much(to_us - first.from_us, total) {
                return Some((first.from_us, to_us, total));
            }
        }
    }
    None
}

/// The first window of a calendar that surely held more.
fn calendar(acts: &[Act], period_us: i64, offset_us: i64, count: i64) -> Option<(i64, i64, i64)> {
    let window = |us: i64| (us - offset_us).div_euclid(period_us);
    let mut totals = std::collections::BTreeMap::new();
    for act in acts.iter().filter(|act| window(act.from_us) == window(act.to_us)) {
        *totals.entry(window(act.from_us)).or_insert(0) += act.cost;
    }
    let (window, total) = totals.into_iter().find(|(_, total)| *total > count)?;
    let from_us = window * period_us + offset_us;
    Some((from_us, from_us + period_us, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acts(at_us: &[i64]) -> Vec<Act> {
        at_us.iter().map(|at| Act::told(*at, 1)).collect()
    }

    #[test]
    fn one_token_too_early_is_found() {
        let promise = Promise::Rate { count: 10, period_us: 1_000_000, burst: 2 };
        assert_eq!(promise.broken_by(&acts(&[5, 5, 100_005, 200_005])), None);
        assert!(promise.broken_by(&acts(&[5, 5, 5])).is_some());
        // The third is back 100 ms after the first; a told time is up to a µs late.
        assert!(promise.broken_by(&acts(&[5, 5, 100_003])).is_some());
        assert_eq!(promise.broken_by(&acts(&[5, 5, 100_004])), None);
        assert!(promise.broken_by(&acts(&[5, 100_005, 100_006, 200_004, 200_005, 200_006])).is_some());
        let heavy = [Act::told(5, 1), Act::told(6, 2)];
        assert!(promise.broken_by(&heavy).is_some());
    }

    #[test]
    fn what_may_have_happened_later_is_no_proof() {
        let promise = Promise::Rate { count: 10, period_us: 1_000_000, burst: 1 };
        let early = Act { from_us: 0, to_us: 50_000, cost: 1 };
        let late = Act { from_us: 60_000, to_us: 100_000, cost: 1 };
        assert_eq!(promise.broken_by(&[late, early]), None);
        assert!(promise.broken_by(&[Act { to_us: 99_999, ..late }, early]).is_some());
    }

    #[test]
    fn a_strict_window_is_any_window() {
        let promise = Promise::Strict { count: 2, period_us: 1000 };
        assert_eq!(promise.broken_by(&acts(&[1, 1000, 1001, 2000])), None);
        assert!(promise.broken_by(&acts(&[1, 500, 999])).is_some());
        assert!(promise.broken_by(&acts(&[1, 900, 1800, 1850])).is_some());
    }

    #[test]
    fn what_is_not_used_is_seen() {
        let rate = Promise::Rate { count: 10, period_us: 1_000_000, burst: 2 };
        let half = acts(&[100_000, 100_000, 300_000, 500_000, 700_000, 900_000]);
        assert_eq!(rate.used(&half, 0, 1_100_000), 500);
        let strict = Promise::Strict { count: 2, period_us: 1000 };
        assert_eq!(strict.used(&acts(&[100, 100, 1100, 2150]), 0, 2200), 750);
        let aligned = Promise::Aligned { count: 2, period_us: 1000, offset_us: 0 };
        assert_eq!(aligned.used(&acts(&[500, 1500, 1600, 2100, 3100]), 100, 3200), 750);
    }

    #[test]
    fn a_calendar_window_is_one_of_its_own() {
        let promise = Promise::Aligned { count: 2, period_us: 1000, offset_us: 300 };
        assert_eq!(promise.broken_by(&acts(&[400, 1200, 1400, 1500])), None);
        assert!(promise.broken_by(&acts(&[400, 800, 1200])).is_some());
    }
}
