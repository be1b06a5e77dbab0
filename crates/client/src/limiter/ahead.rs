//! Tokens that a process takes ahead for calls that will come: how many, for how long, and when not.
//!
//! They were charged when they were asked for, and are good for a time *h*: whoever goes by one does so at most
//! h after the charge. That is the whole promise: in any time t, callers go for at most
//! `burst + count * (t + h) / period` tokens, however many processes there are and whichever of them crash.
//! What is not used by then lapses. It is never given back: a token that is given back late lets another pass
//! in the same moment as one that somebody else has held.
//!
//! How many: as many as came in the *lap* before, half of h, less what chance may have added. So what is taken
//! is used within h, and what lapses is little.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::shares::Shares;
use crate::decision::Decision;
use crate::limit::LimitKind;
use crate::limits::Limits;

/// Below so many calls a lap nothing is taken ahead: each call asks for itself.
const FEW: u64 = 3;

/// The longest that callers are refused from memory, so that what others give back is seen soon.
const SHUT: Duration = Duration::from_secs(1);

/// What the limits allow to take ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// For how long a token is good.
    hold: Duration,
    /// How many may be taken ahead at once.
    most: u64,
}

impl Plan {
    /// `None` where nothing may be taken ahead: nothing was asked for; a burst of less than four, for which
    /// spacing matters; a window, which is chosen for a promise that this would weaken.
    pub(super) fn of(limits: &Limits, ahead: Duration) -> Option<Self> {
        let mut plan = Self { hold: ahead, most: u64::MAX };
        for limit in limits.as_slice().iter().filter(|limit| limit.tokens() > 0) {
            if !matches!(limit.kind(), LimitKind::Rate) {
                return None;
            }
            // burst * period / count: the time in which it fills
            let full = limit.period().as_nanos().saturating_mul(u128::from(limit.capacity()));
            let quarter = full / u128::from(limit.count()) / 4;
            plan.hold = plan.hold.min(Duration::from_nanos(u64::try_from(quarter).unwrap_or(u64::MAX)));
            plan.most = plan.most.min(limit.capacity() / 4);
        }
        (plan.most > 0 && !plan.lap().is_zero()).then_some(plan)
    }

    const fn lap(&self) -> Duration {
        Duration::from_nanos((self.hold.as_nanos() / 2) as u64)
    }
}

/// What a process holds of one key and limits, and what it knows.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Tokens, those that lapse first in front.
    lots: VecDeque<Lot>,
    held: u64,
    demand: Demand,
    /// The last answer, for what callers are told.
    told: Option<(Instant, Shares)>,
    shut: Option<Shut>,
    /// Until then nothing is taken ahead: the server does not answer, or only when tokens have lapsed.
    none_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Lot {
    until: Instant,
    tokens: u64,
}

/// After an answer that was short nobody asks for a while.
#[derive(Debug, Clone, Copy)]
struct Shut {
    since: Instant,
    until: Instant,
    refusal: Decision,
}

/// How many calls come in a lap. It is brought up to date by each call.
#[derive(Debug, Default)]
struct Demand {
    lap_ends: Option<Instant>,
    this_lap: u64,
    lap_before: u64,
}

/// What a caller finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Told(Decision),
    /// Nothing: somebody has to ask, for those who wait and ahead.
    Nothing,
    /// Nothing, and so few calls come that each asks for itself.
    Few,
}

impl Ahead {
    /// Whether there is nothing to remember.
    pub(super) fn is_over(&self, now: Instant, plan: &Plan) -> bool {
        self.demand.lap_ends.is_none_or(|end| now.saturating_duration_since(end) > plan.hold)
            && self.shut.is_none_or(|shut| shut.until <= now)
    }

    /// A call comes.
    pub(super) fn arrive(&mut self, now: Instant, plan: &Plan) -> Found {
        self.demand.count(now, plan.lap());
        if let Some(decision) = self.take(now) {
            return Found::Told(decision);
        }
        match self.refuse(now) {
            Some(refusal) => Found::Told(refusal),
            None if self.demand.lap_before < FEW => Found::Few,
            None => Found::Nothing,
        }
    }

    /// How many to ask for beyond those who wait: none while enough are held or nobody is to ask.
    pub(super) fn wanted(&self, now: Instant, plan: &Plan) -> u64 {
        let enough = enough(self.demand.lap_before).min(plan.most);
        if self.held.saturating_mul(2) >= enough {
            return 0;
        }
        let shut = self.shut.map(|shut| shut.until).max(self.none_until);
        if shut.is_some_and(|until| until > now) { 0 } else { enough }
    }

    /// An answer came to a question that was asked then, for so many tokens; so many of what was granted are left
    /// when those who waited have had theirs, or so many had none. `chance` is between 0 and 1: processes that
    /// were refused together do not ask again together.
    pub(super) fn answered(&mut self, answer: &Answered, now: Instant, chance: f64, plan: &Plan) {
        let Answered { shares, asked_at, asked_for, left, .. } = *answer;
        self.told = Some((now, shares));
        let until = asked_at + plan.hold;
        if until <= now {
            self.failed(now);
        } else if left > 0 {
            self.lots.push_back(Lot { until, tokens: left });
            self.held = self.held.saturating_add(left);
        }
        self.shut = None;
        if shares.granted() < asked_for {
            self.shut(shares, now, plan.lap().mul_f64(0.5 + chance.clamp(0.0, 1.0)));
        }
    }

    /// There is no answer, or one that came when what it granted had lapsed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.none_until = Some(now + SHUT);
    }

    /// Nobody asks for so long, or for as long as the answer says that there will be nothing.
    fn shut(&mut self, shares: Shares, now: Instant, pause: Duration) {
        let known = shares.refusal();
        let wait = known.and_then(|refusal| refusal.retry_after()).unwrap_or_default();
        let pause = pause.max(wait).min(SHUT);
        let refusal = known.unwrap_or_else(|| shares.grant(0, Duration::ZERO).denied(pause));
        self.shut = Some(Shut { since: now, until: now + pause, refusal });
    }

    /// Takes a token of those that are held.
    pub(super) fn take(&mut self, now: Instant) -> Option<Decision> {
        while let Some(lot) = self.lots.front_mut() {
            if lot.until > now && lot.tokens > 0 {
                lot.tokens -= 1;
                self.held = self.held.saturating_sub(1);
                let (at, shares) = self.told.as_ref()?;
                return Some(shares.grant(self.held, now.saturating_duration_since(*at)));
            }
            self.held = self.held.saturating_sub(lot.tokens);
            self.lots.pop_front();
        }
        None
    }

    /// What a caller is told while nobody asks.
    pub(super) fn refuse(&self, now: Instant) -> Option<Decision> {
        let Shut { since, until, refusal } = self.shut.filter(|shut| shut.until > now)?;
        let at_least = until.saturating_duration_since(now);
        let refusal = refusal.later(now.saturating_duration_since(since));
        Some(match refusal.retry_after() {
            Some(retry_after) => refusal.denied(retry_after.max(at_least)),
            None => refusal,
        })
    }

    /// What was given back may be there again: the next call asks.
    pub(super) fn open(&mut self) {
        self.shut = None;
    }
}

/// An answer, when those who waited for it have had theirs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) shares: Shares,
    /// Before the command was written.
    pub(super) asked_at: Instant,
    pub(super) asked_for: u64,
    /// Granted tokens that nobody waited for.
    pub(super) left: u64,
}

impl Demand {
    /// A call comes now.
    fn count(&mut self, now: Instant, lap: Duration) {
        if self.lap_ends.is_none_or(|end| now >= end) {
            self.begin(now, lap);
        }
        self.this_lap = self.this_lap.saturating_add(1);
    }

    /// The next lap, or the first after a pause, before which nothing came.
    fn begin(&mut self, now: Instant, lap: Duration) {
        let next = self.lap_ends.map(|end| end + lap).filter(|end| now < *end);
        self.lap_before = if next.is_some() { self.this_lap } else { 0 };
        self.this_lap = 0;
        self.lap_ends = next.or(Some(now + lap));
    }
}

/// How many are enough for a lap: what came in the one before less its square root, which is how far chance
/// carries it; none of a few.
fn enough(demand: u64) -> u64 {
    if demand < FEW {
        return 0;
    }
    let root = demand.isqrt();
    demand.saturating_sub(if root * root < demand { root + 1 } else { root })
}
