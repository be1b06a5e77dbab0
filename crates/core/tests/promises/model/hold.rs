//! The hold of the reference: when it ends, and by how much turns have moved.

use num_traits::Zero;
use sluice_core::limit::bounds::Bounds;

use super::number::{Rational, ceil_ms, floor_ms, ms, ns};

/// Nothing is held, and nothing known of earlier holds, where `until` is 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hold {
    pub(crate) until: i128,
    /// Since when, and by how many ms.
    pub(crate) moves: Vec<(i128, i128)>,
}

impl Hold {
    /// The key's own time.
    pub(crate) fn key_time(&self, now: &Rational) -> Rational {
        now.clone().max(ms(self.until))
    }

    pub(crate) fn holds(&self, now: &Rational) -> bool {
        ms(self.until) > *now
    }

    /// A hold lasts no longer than it was set for.
    pub(crate) fn cut(&mut self, now: &Rational) -> bool {
        let now_ms = ceil_ms(now);
        let longest = now_ms + self.moves.iter().map(|(_, by)| by).sum::<i128>();
        let cut = self.until > longest;
        if cut {
            self.until = longest;
            self.not_ahead(now_ms);
        }
        cut
    }

    /// No hold was set later than now.
    fn not_ahead(&mut self, now_ms: i128) {
        for (since, _) in &mut self.moves {
            *since = now_ms.min(*since);
        }
    }

    /// By how much everything moves.
    pub(crate) fn set(&mut self, now: &Rational, until: i128) -> i128 {
        let by = ceil_ms(&(ms(until) - self.key_time(now)));
        self.until = until;
        self.not_ahead(ceil_ms(now));
        self.moves.push((ceil_ms(now), by));
        if self.moves.len() > 8 {
            let (_, oldest) = self.moves.remove(0);
            self.moves[0].1 += oldest;
        }
        by
    }

    /// By how much everything moves back.
    pub(crate) fn end(&mut self, now: &Rational) -> i128 {
        let rest = floor_ms(&(ms(self.until) - now));
        self.until = floor_ms(now);
        let mut left = rest;
        while left > 0
            && let Some((_, by)) = self.moves.last_mut()
        {
            let off = left.min(*by);
            (left, *by) = (left - off, *by - off);
            if *by == 0 {
                self.moves.pop();
            }
        }
        rest
    }

    pub(crate) fn turn(&self, now: &Rational, told: &Rational) -> Rational {
        let moved = self.moves.iter().filter(|(since, _)| ms(*since) > now - told).map(|(_, by)| by);
        ms(moved.sum()).max(ms(self.until) - now).max(Rational::zero())
    }

    pub(crate) fn settle(&mut self, now: &Rational, turn_ahead: bool, bounds: &Bounds) {
        if self.holds(now) {
            return;
        }
        self.moves.retain(|(since, _)| ms(*since) + ns(bounds.max_wait) > *now);
        if !turn_ahead || self.moves.is_empty() {
            *self = Self::default();
        }
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.until == 0 {
            return Ok(());
        }
        write!(out, "!{:0>13}", self.until)?;
        self.moves.iter().try_for_each(|(since, by)| write!(out, ",{since:0>13}+{by}"))
    }
}
