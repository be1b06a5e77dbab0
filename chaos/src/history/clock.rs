//! The server's clock as the clients' clock sees it.

/// When a server's clock stepped, and by how much it was ahead from then on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// In order. Before the first the clock is true.
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// It happened between these two.
    from_us: i64,
    to_us: i64,
    ahead_us: i64,
}

impl Clock {
    /// Somewhere in `from_us..=to_us` it was set `ahead_us` ahead of the true time; negative is behind.
    pub(crate) fn step(&mut self, from_us: i64, to_us: i64, ahead_us: i64) {
        self.steps.push(Step { from_us, to_us, ahead_us });
    }

    /// The highest that it can have shown in `from_us..=to_us`.
    pub(crate) fn highest(&self, from_us: i64, to_us: i64) -> i64 {
        let shown = self.parts(from_us, to_us).map(|(_, until, ahead)| until.saturating_add(ahead));
        shown.max().unwrap_or(to_us)
    }

    /// The lowest.
    pub(crate) fn lowest(&self, from_us: i64, to_us: i64) -> i64 {
        self.parts(from_us, to_us).map(|(from, _, ahead)| from + ahead).min().unwrap_or(from_us)
    }

    /// How far it was ahead, if it surely did not step in `from_us..=to_us`.
    pub(crate) fn steady(&self, from_us: i64, to_us: i64) -> Option<i64> {
        let mut parts = self.parts(from_us, to_us);
        let (_, _, ahead) = parts.next()?;
        parts.next().is_none().then_some(ahead)
    }

    /// The parts of a time in which it may have been so far ahead, in order: from, until, ahead.
    fn parts(&self, from_us: i64, to_us: i64) -> impl Iterator<Item = (i64, i64, i64)> {
        let starts =
            [(i64::MIN, 0)].into_iter().chain(self.steps.iter().map(|step| (step.from_us, step.ahead_us)));
        let ends = self.steps.iter().map(|step| step.to_us).chain([i64::MAX]);
        starts.zip(ends).filter_map(move |((start, ahead), end)| {
            let (from, until) = (start.max(from_us), end.min(to_us));
            (from <= until).then_some((from, until, ahead))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_nobody_set_is_true() {
        let clock = Clock::default();
        assert_eq!((clock.lowest(3, 9), clock.highest(3, 9), clock.steady(3, 9)), (3, 9, Some(0)));
    }

    #[test]
    fn while_it_is_set_it_may_show_either() {
        let mut clock = Clock::default();
        clock.step(100, 110, 1000);
        clock.step(200, 210, -1000);
        assert_eq!(clock.highest(50, 60), 60);
        assert_eq!((clock.lowest(50, 105), clock.highest(50, 105)), (50, 1105));
        assert_eq!((clock.lowest(120, 130), clock.highest(120, 130)), (1120, 1130));
        assert_eq!((clock.lowest(50, 300), clock.highest(50, 300)), (-800, 1210));
        assert_eq!(clock.steady(120, 130), Some(1000));
        assert_eq!(clock.steady(105, 130), None);
    }
}
