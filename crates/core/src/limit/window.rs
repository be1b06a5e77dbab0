//! A limit by windows: which of its tokens are out, and when each is back.
//!
//! There are `count` tokens. One that is used is back at a whole unix ms: a period after its act
//! (`STRICT`), so that no window of the period ever sees more than `count` acts, or when the
//! calendar window ends that holds the act (`ALIGN`). Tokens that are back at the same ms are
//! stored as one entry; when more than [`MAX_ENTRIES`] times are out, times are rounded up, so that
//! a token may be back late by up to `period / 32` and 2 ms, and is never back early.

use smallvec::SmallVec;

use super::bounds::Bounds;
use super::quota::{Kind, Quota};
use super::span::Span;
use crate::time::{MAX_MS, NS_PER_MS, Nanos};

/// How many different times a window keeps.
pub const MAX_ENTRIES: usize = 64;

/// The last ms that a stored time can name: that of [`super::bucket::MAX_TAT`], rounded up.
const MAX_TIME_MS: u64 = super::bucket::MAX_TAT.div_ceil(NS_PER_MS);

/// Some tokens that are out, and when they are back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// How many; at least 1.
    pub tokens: u64,
    /// The first unix ms at which they are there again.
    pub back_ms: u64,
}

/// The entries of a window: nearly always few.
type Entries = SmallVec<[Entry; 2]>;

/// One limit by windows, with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    quota: Quota,
    /// In ascending order, no time twice, together at most `count` tokens.
    entries: Entries,
}

impl Window {
    /// Every token is there.
    pub fn idle(quota: Quota) -> Self {
        Self { quota, entries: Entries::new() }
    }

    /// Adds the next stored entry to those before, of which so many tokens are out; how many are then.
    #[inline(always)]
    pub(super) fn push(&mut self, entry: Entry, out: u64) -> Option<u64> {
        let last = self.entries.last().map_or(0, |last| last.back_ms);
        let fits = entry.tokens > 0
            && entry.tokens <= self.quota.count() - out
            && (last + 1..=MAX_TIME_MS).contains(&entry.back_ms)
            && self.entries.len() < MAX_ENTRIES;
        fits.then(|| {
            self.entries.push(entry);
            out + entry.tokens
        })
    }

    /// The limit.
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// The tokens that are out, also those that are back by now; the soonest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The first ms at which every token is there: 0 when idle.
    pub(super) fn end_ms(&self) -> u64 {
        self.entries.last().map_or(0, |last| last.back_ms)
    }

    /// Those that are out at `now`.
    fn out(&self, now: Nanos) -> impl DoubleEndedIterator<Item = &Entry> {
        let now_ms = now.as_millis();
        self.entries.iter().filter(move |entry| entry.back_ms > now_ms)
    }

    /// How many are there.
    pub(super) fn remaining(&self, now: Nanos) -> u64 {
        self.quota.count() - self.out(now).map(|entry| entry.tokens).sum::<u64>()
    }

    /// Until `tokens` are there, or all of them if that is fewer.
    pub(super) fn wait(&self, now: Nanos, tokens: u64) -> Span {
        let mut missing = tokens.min(self.quota.count()).saturating_sub(self.remaining(now));
        for entry in self.out(now) {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(entry.tokens);
            if missing == 0 {
                return until(now, entry.back_ms);
            }
        }
        Span::NOTHING
    }

    /// Until all are there.
    pub(super) fn reset(&self, now: Nanos) -> Span {
        until(now, self.end_ms())
    }

    /// When a token is back whose act is at this instant.
    fn back_ms(&self, act: Nanos) -> u64 {
        let period_ms = self.quota.period_ms();
        let back = match self.quota.kind() {
            Kind::Align(offset_ms) => {
                let into = (act.as_millis() + period_ms - offset_ms) % period_ms;
                act.as_millis() + period_ms - into
            }
            _ => act.ceil_millis() + period_ms,
        };
        back.min(MAX_TIME_MS)
    }

    /// Takes tokens for an act: those that are there first, then those that are back soonest; each
    /// is back a window after the act, and none is back sooner than it was. More than `count` are
    /// not taken.
    pub(super) fn take(&mut self, now: Nanos, act: Nanos, tokens: u64) {
        let back_ms = self.back_ms(act);
        let mut moved = tokens.min(self.remaining(now));
        let mut missing = tokens.min(self.quota.count()) - moved;
        self.drop_free(now);
        for entry in &mut self.entries {
            let taken = missing.min(entry.tokens);
            missing -= taken;
            if entry.back_ms < back_ms {
                entry.tokens -= taken;
                moved += taken;
            }
        }
        self.entries.retain(|entry| entry.tokens > 0);
        self.add(Entry { tokens: moved, back_ms });
        self.join_times();
    }

    /// Gives tokens back, those that are out the longest first: each is back a period sooner. True
    /// if any was out.
    pub(super) fn give_back(&mut self, now: Nanos, tokens: u64) -> bool {
        if self.reset(now).is_nothing() {
            return false;
        }
        self.drop_free(now);
        let mut rest = tokens;
        let mut sooner = Entries::new();
        for entry in self.entries.iter_mut().rev() {
            let given = rest.min(entry.tokens);
            rest -= given;
            entry.tokens -= given;
            sooner
                .push(Entry { tokens: given, back_ms: entry.back_ms.saturating_sub(self.quota.period_ms()) });
        }
        self.entries.retain(|entry| entry.tokens > 0);
        sooner.into_iter().for_each(|entry| self.add(entry));
        self.drop_free(now);
        self.join_times();
        rest < tokens
    }

    /// Brings times sooner that no queue explains, see [`super::bucket::Bucket::cut`]. True if it did.
    pub(super) fn cut(&mut self, now: Nanos, bounds: &Bounds) -> bool {
        let period_ms = self.quota.period_ms();
        let latest_ms = now.ceil_millis() + period_ms + period_ms.max(bounds.max_wait.get());
        if self.end_ms() <= latest_ms {
            return false;
        }
        let entries = std::mem::take(&mut self.entries);
        for entry in entries {
            self.add(Entry { back_ms: entry.back_ms.min(latest_ms), ..entry });
        }
        true
    }

    /// Moves every time that lies ahead; not in a calendar, which goes on.
    pub(super) fn shift(&mut self, now: Nanos, change: impl Fn(u64) -> u64) {
        if matches!(self.quota.kind(), Kind::Align(_)) {
            return;
        }
        self.drop_free(now);
        let entries = std::mem::take(&mut self.entries);
        for entry in entries {
            self.add(Entry { back_ms: change(entry.back_ms).min(MAX_TIME_MS), ..entry });
        }
    }

    /// A window in which so many tokens are used by acts at this instant.
    pub(super) fn used(quota: Quota, now: Nanos, act: Nanos, tokens: u64) -> Self {
        let mut window = Self::idle(quota);
        window.take(now, act, tokens);
        window
    }

    /// A window that counts the acts of another: they keep their instants, as far as that other
    /// knows them, and the newest count.
    pub(super) fn of_acts(quota: Quota, now: Nanos, other: &Self) -> Self {
        let mut window = Self::idle(quota);
        let mut rest = quota.count();
        for entry in other.out(now).rev() {
            let act_ms = entry.back_ms.saturating_sub(other.quota.period_ms());
            let act = match other.quota.kind() {
                Kind::Align(_) => Nanos::from_millis(act_ms).max(now),
                _ => Nanos::from_millis(act_ms),
            };
            let tokens = rest.min(entry.tokens);
            rest -= tokens;
            let back_ms = window.back_ms(act);
            window.add(Entry { tokens, back_ms });
        }
        window.drop_free(now);
        window.join_times();
        window
    }

    fn drop_free(&mut self, now: Nanos) {
        let now_ms = now.as_millis();
        self.entries.retain(|entry| entry.back_ms > now_ms);
    }

    /// Adds an entry where it belongs, to the one of the same time if there is one.
    fn add(&mut self, entry: Entry) {
        if entry.tokens == 0 {
            return;
        }
        match self.entries.binary_search_by_key(&entry.back_ms, |entry| entry.back_ms) {
            Ok(at) => {
                if let Some(same) = self.entries.get_mut(at) {
                    same.tokens += entry.tokens;
                }
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// Rounds times up to ever coarser grids, starting with a 32nd of the period, until few enough
    /// are left; none goes beyond the latest.
    fn join_times(&mut self) {
        let latest_ms = self.end_ms();
        let (mut parts, mut periods) = (32, 1);
        while self.entries.len() > MAX_ENTRIES {
            let step = u128::from(self.quota.period_ms()) * periods; // the grid is step / parts
            let entries = std::mem::take(&mut self.entries);
            for entry in entries {
                let cell = u128::from(entry.back_ms - 1) * parts / step + 1;
                let end_ms = u64::try_from((cell * step).div_ceil(parts)).unwrap_or(u64::MAX);
                self.add(Entry { back_ms: end_ms.min(latest_ms), ..entry });
            }
            if parts > 1 {
                parts /= 2;
            } else {
                periods *= 2;
            }
        }
    }
}

fn until(now: Nanos, unix_ms: u64) -> Span {
    debug_assert!(unix_ms <= MAX_TIME_MS + 2 * MAX_MS);
    Span::ns(Nanos::from_millis(unix_ms).0.saturating_sub(now.0))
}
