//! The median of several rounds, and how far they lie apart.

use serde::Serialize;

#[derive(Clone, Copy, Serialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// Of at least one value. Of an even number, the median lies in the middle of the middle two.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<_> = values.collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let middle = [sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]];
        Self { median: f64::midpoint(middle[0], middle[1]), min: sorted[0], max: sorted[sorted.len() - 1] }
    }

    /// `0.93 (0.90–0.95)`
    pub(crate) fn text(&self, decimals: usize) -> String {
        let Self { median, min, max } = self;
        format!("{median:.decimals$} ({min:.decimals$}–{max:.decimals$})")
    }
}
