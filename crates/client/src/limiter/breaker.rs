//! Whether a command may be sent now: pure, time is a parameter.
//!
//! A server that stands still carries out, when it wakes, all that was sent to it meanwhile: turns for
//! callers who have long been told of an outage, and nobody passes until those have lapsed. So as little
//! as possible is sent to a server that does not answer:
//!
//! ```text
//!            answers                        no answer by the deadline, to anybody
//!   closed ──────────► closed      closed ─────────────────────────────────────────► open
//!                                  open: nothing is sent but one PING at a time ────► closed, when answered
//! ```
//!
//! While it is closed, two things bound how much is out when a server falls silent. Nobody adds to what is
//! out while no answer has come for a *patience* of an eighth of the deadline, or two round trips where
//! those take longer; and no more is out than a *window*, which is small after a pause and grows with each
//! answer that comes while it is full, so that a busy process is not held up. Who may not send yet waits
//! here, first in, first out, and has sent nothing if the deadline comes first.

use std::time::Duration;

use tokio::time::Instant;

/// How many commands may be out at first.
const FIRST_WINDOW: usize = 8;

/// How many commands may be out at most.
const WIDEST: usize = 8192;

/// After such a pause the window is small again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// Send the command. It counts as out.
    Go,
    /// Wait until a command is answered.
    Wait,
    /// There is an outage: the server has been silent for so long.
    Refused(Duration),
}

/// What is out, and what came back.
#[derive(Debug)]
pub(super) struct Breaker {
    /// When the command was sent that was not answered in time, while it is open.
    open: Option<Instant>,
    /// Commands whose answer is awaited.
    out: usize,
    window: usize,
    /// Since when commands are out and nothing has been answered.
    silent_since: Option<Instant>,
    /// When a command was answered last.
    answered_at: Option<Instant>,
    /// A smoothed round trip.
    round_trip: Duration,
}

impl Breaker {
    pub(super) const fn new() -> Self {
        Self {
            open: None,
            out: 0,
            window: FIRST_WINDOW,
            silent_since: None,
            answered_at: None,
            round_trip: Duration::ZERO,
        }
    }

    /// A caller comes whose answer is to be there within the deadline.
    pub(super) fn enter(&mut self, now: Instant, deadline: Duration) -> Entry {
        if let Some(since) = self.open {
            return Entry::Refused(now.saturating_duration_since(since));
        }
        if self.out == 0 && self.answered_at.is_some_and(|at| now.saturating_duration_since(at) > PAUSE) {
            self.window = FIRST_WINDOW;
        }
        let patience = (deadline / 8).max(self.round_trip * 2);
        let silent = self.silent_since.is_some_and(|since| now.saturating_duration_since(since) > patience);
        if self.out >= self.window || self.out > 0 && silent {
            return Entry::Wait;
        }
        self.out += 1;
        self.silent_since.get_or_insert(now);
        Entry::Go
    }

    /// A command that was sent then has been answered.
    pub(super) fn answered(&mut self, sent: Instant, now: Instant) {
        if self.out >= self.window {
            self.window = (self.window + 1).min(WIDEST);
        }
        let round_trip = now.saturating_duration_since(sent);
        self.round_trip =
            if self.round_trip.is_zero() { round_trip } else { (self.round_trip * 7 + round_trip) / 8 };
        self.out = self.out.saturating_sub(1);
        self.alive(now);
    }

    /// The server answers, if only what nobody waits for any longer.
    pub(super) fn alive(&mut self, now: Instant) {
        self.open = None;
        self.answered_at = Some(now);
        self.silent_since = (self.out > 0).then_some(now);
    }

    /// A command will not be answered: its connection broke, or it was not sent after all.
    pub(super) fn ended(&mut self) {
        self.out = self.out.saturating_sub(1);
        if self.out == 0 {
            self.silent_since = None;
        }
    }

    /// A command that was sent then has not been answered by the deadline. True if the server is to be asked
    /// from now on whether it is there: nobody has been answered since.
    pub(super) fn timed_out(&mut self, sent: Instant) -> bool {
        self.ended();
        if self.open.is_some() || self.answered_at.is_some_and(|at| at > sent) {
            return false;
        }
        self.open = Some(sent);
        self.window = FIRST_WINDOW;
        true
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_millis(250);

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn go(breaker: &mut Breaker, now: Instant) -> usize {
        std::iter::from_fn(|| (breaker.enter(now, DEADLINE) == Entry::Go).then_some(())).count()
    }

    #[test]
    fn it_opens_at_a_deadline_and_closes_at_an_answer() {
        let (mut breaker, start) = (Breaker::new(), Instant::now());
        assert_eq!(breaker.enter(start, DEADLINE), Entry::Go);
        assert!(breaker.timed_out(start), "somebody has to ask");
        assert_eq!(breaker.enter(start + ms(400), DEADLINE), Entry::Refused(ms(400)));
        breaker.alive(start + ms(500));
        assert!(!breaker.is_open());
        assert_eq!(breaker.enter(start + ms(500), DEADLINE), Entry::Go);
    }

    #[test]
    fn one_probe_is_enough() {
        let (mut breaker, start) = (Breaker::new(), Instant::now());
        assert_eq!(go(&mut breaker, start), FIRST_WINDOW);
        assert!(breaker.timed_out(start));
        assert!(!breaker.timed_out(start) && !breaker.timed_out(start + ms(1)));
    }

    #[test]
    fn a_command_that_is_lost_among_others_opens_nothing() {
        let (mut breaker, start) = (Breaker::new(), Instant::now());
        assert_eq!(breaker.enter(start, DEADLINE), Entry::Go);
        assert_eq!(breaker.enter(start + ms(1), DEADLINE), Entry::Go);
        breaker.answered(start + ms(1), start + ms(2));
        assert!(!breaker.timed_out(start));
        assert_eq!(breaker.enter(start + ms(250), DEADLINE), Entry::Go);
    }

    #[test]
    fn nobody_adds_to_what_is_out_while_nothing_is_answered() {
        let (mut breaker, start) = (Breaker::new(), Instant::now());
        assert_eq!(breaker.enter(start, DEADLINE), Entry::Go);
        assert_eq!(breaker.enter(start + ms(31), DEADLINE), Entry::Go);
        assert_eq!(breaker.enter(start + ms(32), DEADLINE), Entry::Wait);
        breaker.answered(start, start + ms(33));
        assert_eq!(breaker.enter(start + ms(33), DEADLINE), Entry::Go);
    }

    #[test]
    fn a_long_way_to_the_server_is_no_silence() {
        let (mut breaker, start) = (Breaker::new(), Instant::now());
        assert_eq!(breaker.enter(start, DEADLINE), Entry::Go);
        breaker.answered(start, start + ms(100));
        let later = start + ms(200);
        assert_eq!(breaker.enter(later, DEADLINE), Entry::Go);
        assert_eq!(breaker.enter(later + ms(150), DEADLINE), Entry::Go);
    }

    #[test]
    fn the_window_grows_with_what_is_answered_and_is_small_after_a_pause() {
        let (mut breaker, start) = (Breaker::new(), Instant::now());
        // Many wait: for each answer two go.
        let mut out = go(&mut breaker, start);
        assert_eq!(out, FIRST_WINDOW);
        for _ in 0..40 {
            breaker.answered(start, start + ms(1));
            out += go(&mut breaker, start + ms(1)) - 1;
        }
        assert_eq!(out, FIRST_WINDOW + 40);
        // Few wait: it does not grow.
        for _ in 0..30 {
            breaker.answered(start, start + ms(1));
        }
        assert_eq!(go(&mut breaker, start + ms(1)), 30 + 1);
        while breaker.out > 0 {
            breaker.answered(start, start + ms(2));
        }
        assert_eq!(go(&mut breaker, start + ms(1003)), FIRST_WINDOW);
    }

    #[test]
    fn what_will_not_be_answered_is_not_waited_for() {
        let (mut breaker, start) = (Breaker::new(), Instant::now());
        assert_eq!(go(&mut breaker, start), FIRST_WINDOW);
        assert_eq!(breaker.enter(start, DEADLINE), Entry::Wait);
        breaker.ended();
        assert_eq!(breaker.enter(start, DEADLINE), Entry::Go);
        for _ in 0..FIRST_WINDOW {
            breaker.ended();
        }
        assert_eq!(
            breaker.enter(start + ms(200), DEADLINE),
            Entry::Go,
            "nothing is out, so nobody is silent"
        );
    }
}
