//! The decision, beside the reference.

use arbitrary::{Result, Unstructured};
use sluice_core::limit::call::{Acquire, Change, Clause, Clauses, GiveBack, MAX_CLAUSES, Mode, Verdict, Why};
use sluice_core::limit::quota::Quota;
use sluice_core::time::{MAX_MS, Millis, NS_PER_MS, Nanos};

use crate::key::Key;
use crate::model::{Answer, Fate, Model};
use crate::quotas::{bounds, quota};

/// Every reply and note, what becomes of the key, its string and expiry, what INFO shows and TURN tells: as the
/// rational model has it, whatever is called and whenever.
pub fn decision(bytes: &[u8]) {
    // The bytes end somewhere, and so does the story.
    let _ = tell(&mut Unstructured::new(bytes));
}

/// So many steps are a long story; the reference is slow.
const STEPS: usize = 24;

/// No clock is set back behind the one or forward beyond the other: stored times have so many digits.
const DAWN: i128 = 1_600_000_000_000_000_000;
const DUSK: i128 = 2_800_000_000_000_000_000;

fn tell(bytes: &mut Unstructured<'_>) -> Result<()> {
    let bounds = bounds(bytes)?;
    let known = (0..bytes.int_in_range(1..=12usize)?).map(|_| quota(bytes)).collect::<Result<Vec<_>>>()?;
    let mut story =
        Story { key: Key::new(bounds), model: Model::new(bounds), now: Nanos(1_795_640_112_345_678_900) };
    let mut told = Told { wait_ms: 0, reset_ms: 0, act_us: 0 };
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        story.now = told.later(story.now, bytes)?;
        let deed = deed(bytes, &known, &told, bounds.max_wait)?;
        if let Some(verdict) = story.goes_on(&deed) {
            told.hears(&verdict);
        }
    }
    Ok(())
}

/// What the caller was told last.
struct Told {
    wait_ms: i64,
    reset_ms: i64,
    act_us: u64,
}

impl Told {
    fn hears(&mut self, verdict: &Verdict) {
        (self.wait_ms, self.reset_ms) = (verdict.reply.wait_ms, verdict.reply.reset_ms);
        if verdict.act_us > 0 {
            self.act_us = verdict.act_us.unsigned_abs();
        }
    }

    fn later(&self, now: Nanos, bytes: &mut Unstructured<'_>) -> Result<Nanos> {
        let ms = i128::from(NS_PER_MS);
        let pause = match bytes.int_in_range(0..=9u8)? {
            0..=2 => 0,
            3 => i128::from(bytes.arbitrary::<u16>()?),
            4 => i128::from(bytes.arbitrary::<u16>()?) * ms,
            5 => i128::from(self.wait_ms.max(0)) * ms + i128::from(bytes.int_in_range(-2..=1i8)?),
            6 => i128::from(self.reset_ms) * ms + i128::from(bytes.int_in_range(-2..=1i8)?),
            7 => i128::from(bytes.arbitrary::<u32>()?),
            8 => i128::from(bytes.arbitrary::<i32>()?) * ms,
            _ => i128::from(bytes.arbitrary::<i64>()?),
        };
        let then = (i128::from(now.0) + pause).clamp(DAWN, DUSK);
        Ok(Nanos(u64::try_from(then).expect("between dawn and dusk")))
    }
}

#[derive(Debug)]
enum Deed {
    Acquire(Acquire),
    Peek(Acquire),
    GiveBack(GiveBack),
    Hold(Millis),
    Release,
    Turn(Millis),
}

fn deed(bytes: &mut Unstructured<'_>, known: &[Quota], told: &Told, max_wait: Millis) -> Result<Deed> {
    Ok(match bytes.int_in_range(0..=15u8)? {
        0..=7 => Deed::Acquire(acquire(bytes, known, true, max_wait)?),
        8 | 9 => Deed::Peek(acquire(bytes, known, false, max_wait)?),
        10..=12 => {
            let why = match bytes.int_in_range(0..=3u8)? {
                0 => Why::Refund,
                1 => Why::ActAt(told.act_us.saturating_add_signed(bytes.int_in_range(-1..=1i64)?)),
                2 => Why::DueIn(millis(bytes, told.wait_ms.max(0).unsigned_abs())?),
                _ => Why::ActAt(bytes.int_in_range(0..=i64::MAX as u64)?),
            };
            Deed::GiveBack(GiveBack { clauses: clauses(bytes, known, true)?, why })
        }
        // No longer than three years: what is stored comes nowhere near the last instant that fits.
        13 => Deed::Hold(Millis::new(bytes.int_in_range(1..=100_000_000_000u64)?).expect("years")),
        14 => Deed::Release,
        _ => Deed::Turn(millis(bytes, told.wait_ms.max(0).unsigned_abs())?),
    })
}

/// What was told, or any.
fn millis(bytes: &mut Unstructured<'_>, told: u64) -> Result<Millis> {
    let ms = if bytes.arbitrary()? { told } else { bytes.arbitrary::<u64>()? };
    Ok(Millis::new(ms.min(MAX_MS)).expect("at most 100 years"))
}

fn acquire(bytes: &mut Unstructured<'_>, known: &[Quota], costs: bool, max_wait: Millis) -> Result<Acquire> {
    let mut clauses = clauses(bytes, known, costs)?;
    let mode = match bytes.int_in_range(0..=5u8)? {
        0 | 1 => Mode::Plain,
        2 => Mode::Partial,
        3 => Mode::Force,
        4 => Mode::Wait(max_wait),
        _ => Mode::Wait(Millis::new(bytes.int_in_range(0..=max_wait.get())?).expect("at most 100 years")),
    };
    let cost = clauses.iter().map(|clause| clause.cost).find(|cost| *cost > 0);
    if let (Mode::Partial, Some(cost)) = (mode, cost) {
        clauses.iter_mut().filter(|clause| clause.cost > 0).for_each(|clause| clause.cost = cost);
    }
    Ok(Acquire { clauses, mode })
}

fn clauses(bytes: &mut Unstructured<'_>, known: &[Quota], costs: bool) -> Result<Clauses> {
    let mut clauses = Clauses::new();
    for _ in 0..*bytes.choose(&[1, 1, 2, 2, 3, MAX_CLAUSES])? {
        let quota = *bytes.choose(known)?;
        let cost = match bytes.int_in_range(0..=7u8)? {
            0..=3 => 1,
            4 => 0,
            5 => u64::from(bytes.arbitrary::<u8>()?),
            6 => quota.burst().saturating_add_signed(bytes.int_in_range(-1..=1i64)?),
            _ => bytes.arbitrary()?,
        };
        clauses.push(Clause { quota, cost: cost.min(i64::MAX as u64) });
    }
    if costs && clauses.iter().all(|clause| clause.cost == 0) {
        clauses[0].cost = 1;
    }
    Ok(clauses)
}

struct Story {
    key: Key,
    model: Model,
    now: Nanos,
}

impl Story {
    fn goes_on(&mut self, deed: &Deed) -> Option<Verdict> {
        let Self { key, model, now } = self;
        let now = *now;
        key.state(now); // what has expired is gone
        model.expire(now);
        let at = format!("at {}: {deed:?}, before it {:?}", now.0, key.stored());
        let (verdict, answer) = match deed {
            Deed::Acquire(call) => (Some(key.acquire(call, now)), Some(model.acquire(call, now))),
            Deed::Peek(call) => (Some(key.peek(call, now)), Some(model.peek(call, now))),
            Deed::GiveBack(call) => (Some(key.give_back(call, now)), Some(model.give_back(call, now))),
            Deed::Hold(time) => {
                let held = key.hold(*time, now);
                assert_eq!((held.held_ms, fate(held.change)), model.hold(*time, now), "{at}");
                (None, None)
            }
            Deed::Release => {
                let held = key.release(now);
                assert_eq!((held.held_ms, fate(held.change)), (0, model.release(now)), "{at}");
                (None, None)
            }
            Deed::Turn(told) => {
                assert_eq!(key.turn(*told, now), model.turn(*told, now), "{at}");
                (None, None)
            }
        };
        assert_eq!(verdict.as_ref().map(as_answer), answer, "{at}");
        assert_eq!(key.stored(), model.stored(), "stored after {at}");
        assert_eq!(key.look(now), model.look(now), "INFO after {at}");
        verdict
    }
}

fn as_answer(verdict: &Verdict) -> Answer {
    let Verdict { reply, act_us, change, notes } = *verdict;
    Answer { reply, act_us, fate: fate(change), notes }
}

fn fate(change: Change) -> Fate {
    match change {
        Change::Keep => Fate::Kept,
        Change::Write | Change::WriteTimes => Fate::Written,
        Change::Delete => Fate::Deleted,
    }
}
