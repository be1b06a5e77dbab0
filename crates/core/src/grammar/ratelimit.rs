//! The words of the RATELIMIT commands.
//!
//! ```text
//! LIMIT count <EX seconds | PX ms> [BURST n] [COST n] [LIMIT ...]... [PARTIAL | FORCE | MAXWAIT ms]
//! LIMIT count <EX seconds | PX ms> [BURST n] [COST n] [LIMIT ...]... [DUE ms]
//! ```
//!
//! Keywords are case-insensitive. `EX`, `PX`, `BURST` and `COST` belong to the `LIMIT` before
//! them, in any order; the others may stand anywhere behind the key. Nothing may be said twice.

use super::error::CommandError;
use super::words::{at_least, encode_option, folded, integer, millis};
use crate::limit::call::{Acquire, Clause, Clauses, GiveBack, Mode};
use crate::limit::quota::Quota;
use crate::time::Millis;

/// Parses what follows the key in `RATELIMIT.ACQUIRE`.
#[inline]
pub fn parse_acquire<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Acquire, CommandError> {
    let mut call = Acquire { clauses: Clauses::new(), mode: Mode::PLAIN };
    fill_peek(words, &mut call)?;
    some_cost(&call.clauses)?;
    Ok(call)
}

/// Parses what follows the key in `RATELIMIT.PEEK`: as for ACQUIRE, but every cost may be 0.
#[inline]
pub fn parse_peek<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Acquire, CommandError> {
    let mut call = Acquire { clauses: Clauses::new(), mode: Mode::PLAIN };
    fill_peek(words, &mut call)?;
    Ok(call)
}

/// Here and below, the clauses are put where they are to stay: moving eight costs more than parsing
/// one.
fn fill_peek<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    Acquire { clauses, mode }: &mut Acquire,
) -> Result<(), CommandError> {
    let options = parse(words, clauses)?;
    if options.due.is_some() {
        return Err(CommandError::Syntax);
    }
    *mode = options.mode.unwrap_or(Mode::PLAIN);
    if *mode == Mode::Partial {
        let mut costs = clauses.iter().map(|clause| clause.cost).filter(|cost| *cost > 0);
        let first = costs.next();
        if costs.any(|cost| Some(cost) != first) {
            return Err(CommandError::UnequalCosts);
        }
    }
    Ok(())
}

/// Parses what follows the key in `RATELIMIT.RETURN`.
#[inline]
pub fn parse_return<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<GiveBack, CommandError> {
    let mut call = GiveBack { clauses: Clauses::new(), due: None };
    let Options { mode, due } = parse(words, &mut call.clauses)?;
    if mode.is_some() {
        return Err(CommandError::Syntax);
    }
    some_cost(&call.clauses)?;
    call.due = due;
    Ok(call)
}

/// Calls `word` with each word that [`parse_acquire`] reads back as `call`.
pub fn encode_acquire(call: &Acquire, mut word: impl FnMut(&[u8])) {
    encode_clauses(&call.clauses, &mut word);
    match call.mode {
        Mode::PLAIN => {}
        Mode::Wait(limit) => encode_option(b"MAXWAIT", limit.get(), &mut word),
        Mode::Partial => word(b"PARTIAL"),
        Mode::Force => word(b"FORCE"),
    }
}

/// Calls `word` with each word that [`parse_return`] reads back as `call`.
pub fn encode_return(call: &GiveBack, mut word: impl FnMut(&[u8])) {
    encode_clauses(&call.clauses, &mut word);
    if let Some(due) = call.due {
        encode_option(b"DUE", due.get(), &mut word);
    }
}

fn encode_clauses(clauses: &Clauses, word: &mut impl FnMut(&[u8])) {
    for Clause { quota, cost } in clauses {
        encode_option(b"LIMIT", quota.count(), word);
        encode_option(b"PX", quota.period_ms(), word);
        if quota.burst() != quota.count() {
            encode_option(b"BURST", quota.burst(), word);
        }
        if *cost != 1 {
            encode_option(b"COST", *cost, word);
        }
    }
}

fn some_cost(clauses: &Clauses) -> Result<(), CommandError> {
    match clauses.iter().any(|clause| clause.cost > 0) {
        true => Ok(()),
        false => Err(CommandError::NoCost),
    }
}

/// What the words said beside the clauses, before the rules of one command are applied.
#[derive(Default)]
struct Options {
    mode: Option<Mode>,
    due: Option<Millis>,
}

/// A clause whose end has not been seen yet.
#[derive(Clone, Copy)]
struct Draft {
    count: u64,
    period: Option<Millis>,
    burst: Option<u64>,
    cost: Option<u64>,
}

impl Draft {
    fn finish(self) -> Result<Clause, CommandError> {
        let period = self.period.ok_or(CommandError::Syntax)?;
        let quota = Quota::new(self.count, period, self.burst.unwrap_or(self.count))?;
        Ok(Clause { quota, cost: self.cost.unwrap_or(1) })
    }
}

fn parse<'a>(
    mut words: impl Iterator<Item = &'a [u8]>,
    clauses: &mut Clauses,
) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut draft: Option<Draft> = None;
    let mut push = |draft: Draft| {
        let clause = draft.finish()?;
        clauses.try_push(clause).map_err(|_| CommandError::TooManyClauses)
    };
    while let Some(word) = words.next() {
        let keyword = Keyword::of(word).ok_or(CommandError::Syntax)?;
        match (keyword, &mut draft) {
            (Keyword::Limit, draft) => {
                if let Some(done) = draft.take() {
                    push(done)?;
                }
                let count = at_least(1, integer(&mut words)?, CommandError::Count)?;
                *draft = Some(Draft { count, period: None, burst: None, cost: None });
            }
            (Keyword::Ex, Some(Draft { period: period @ None, .. })) => {
                let seconds = at_least(1, integer(&mut words)?, CommandError::Time)?;
                *period = Some(millis(seconds.checked_mul(1_000), CommandError::Time)?);
            }
            (Keyword::Px, Some(Draft { period: period @ None, .. })) => {
                let ms = at_least(1, integer(&mut words)?, CommandError::Time)?;
                *period = Some(millis(Some(ms), CommandError::Time)?);
            }
            (Keyword::Burst, Some(Draft { burst: burst @ None, .. })) => {
                *burst = Some(at_least(1, integer(&mut words)?, CommandError::Burst)?);
            }
            (Keyword::Cost, Some(Draft { cost: cost @ None, .. })) => {
                *cost = Some(at_least(0, integer(&mut words)?, CommandError::Cost)?);
            }
            (Keyword::Partial, _) if options.mode.is_none() => options.mode = Some(Mode::Partial),
            (Keyword::Force, _) if options.mode.is_none() => options.mode = Some(Mode::Force),
            (Keyword::MaxWait, _) if options.mode.is_none() => {
                let ms = at_least(0, integer(&mut words)?, CommandError::MaxWait)?;
                options.mode = Some(Mode::Wait(millis(Some(ms), CommandError::MaxWait)?));
            }
            (Keyword::Due, _) if options.due.is_none() => {
                let ms = at_least(0, integer(&mut words)?, CommandError::Due)?;
                options.due = Some(millis(Some(ms), CommandError::Due)?);
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    push(draft.ok_or(CommandError::Syntax)?)?;
    Ok(options)
}

#[derive(Clone, Copy)]
enum Keyword {
    Limit,
    Ex,
    Px,
    Burst,
    Cost,
    Partial,
    Force,
    MaxWait,
    Due,
}

impl Keyword {
    fn of(word: &[u8]) -> Option<Self> {
        const LIMIT: u64 = folded(b"LIMIT");
        const EX: u64 = folded(b"EX");
        const PX: u64 = folded(b"PX");
        const BURST: u64 = folded(b"BURST");
        const COST: u64 = folded(b"COST");
        const PARTIAL: u64 = folded(b"PARTIAL");
        const FORCE: u64 = folded(b"FORCE");
        const MAXWAIT: u64 = folded(b"MAXWAIT");
        const DUE: u64 = folded(b"DUE");
        match folded(word) {
            LIMIT => Some(Self::Limit),
            EX => Some(Self::Ex),
            PX => Some(Self::Px),
            BURST => Some(Self::Burst),
            COST => Some(Self::Cost),
            PARTIAL => Some(Self::Partial),
            FORCE => Some(Self::Force),
            MAXWAIT => Some(Self::MaxWait),
            DUE => Some(Self::Due),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquire(text: &str) -> Result<Acquire, CommandError> {
        parse_acquire(text.split_whitespace().map(str::as_bytes))
    }

    fn clause(count: u64, period_ms: u64, burst: u64, cost: u64) -> Clause {
        Clause { quota: Quota::new(count, Millis::new(period_ms).unwrap(), burst).unwrap(), cost }
    }

    fn call(clauses: &[Clause], mode: Mode) -> Result<Acquire, CommandError> {
        Ok(Acquire { clauses: clauses.iter().copied().collect(), mode })
    }

    #[test]
    fn words_mean_what_they_say() {
        let wait = Mode::Wait(Millis::new(500).unwrap());
        for (text, expected) in [
            ("LIMIT 10 EX 1", call(&[clause(10, 1000, 10, 1)], Mode::PLAIN)),
            ("limit 10 px 250 burst 3 cost 2 force", call(&[clause(10, 250, 3, 2)], Mode::Force)),
            ("LIMIT 10 COST 2 BURST 3 PX 250 PARTIAL", call(&[clause(10, 250, 3, 2)], Mode::Partial)),
            ("MAXWAIT 500 LIMIT 10 EX 1", call(&[clause(10, 1000, 10, 1)], wait)),
            ("LIMIT 10 EX 1 MAXWAIT 0", call(&[clause(10, 1000, 10, 1)], Mode::PLAIN)),
            (
                "LIMIT 60 EX 60 LIMIT 90000 EX 60 COST 1500 MAXWAIT 500",
                call(&[clause(60, 60_000, 60, 1), clause(90_000, 60_000, 90_000, 1500)], wait),
            ),
            (
                "LIMIT 5 EX 1 COST 2 LIMIT 6 EX 1 COST 0 PARTIAL",
                call(&[clause(5, 1000, 5, 2), clause(6, 1000, 6, 0)], Mode::Partial),
            ),
        ] {
            assert_eq!(acquire(text), expected, "{text}");
        }
    }

    #[test]
    fn every_mistake_has_its_error() {
        use CommandError::*;
        for (text, error) in [
            ("", Syntax),
            ("LIMIT", Syntax),
            ("LIMIT 10", Syntax),
            ("LIMIT 10 EX", Syntax),
            ("EX 1 LIMIT 10", Syntax),
            ("LIMIT 10 EX 1 PX 1000", Syntax),
            ("LIMIT 10 EX 1 EX 1", Syntax),
            ("LIMIT 10 EX 1 BURST 2 BURST 2", Syntax),
            ("LIMIT 10 EX 1 COST 2 COST 2", Syntax),
            ("LIMIT 10 EX 1 LIMIT 10", Syntax),
            ("LIMIT 10 EX 1 FORCE PARTIAL", Syntax),
            ("LIMIT 10 EX 1 FORCE FORCE", Syntax),
            ("LIMIT 10 EX 1 MAXWAIT 1 MAXWAIT 1", Syntax),
            ("LIMIT 10 EX 1 MAXWAIT", Syntax),
            ("LIMIT 10 EX 1 DUE 5", Syntax),
            ("LIMIT 10 EX 1 HARD", Syntax),
            ("LIMIT ten EX 1", NotAnInteger),
            ("LIMIT 1.5 EX 1", NotAnInteger),
            ("LIMIT 9223372036854775808 EX 1", NotAnInteger),
            ("LIMIT 10 EX 1 COST x", NotAnInteger),
            ("LIMIT 0 EX 1", Count),
            ("LIMIT -1 EX 1", Count),
            ("LIMIT 10 EX 0", Time),
            ("LIMIT 10 PX -1", Time),
            ("LIMIT 10 EX 3155760001", Time),
            ("LIMIT 10 EX 9223372036854775807", Time),
            ("LIMIT 10 EX 1 BURST 0", Burst),
            ("LIMIT 10 EX 1 COST -1", Cost),
            ("LIMIT 10 EX 1 COST 0", NoCost),
            ("LIMIT 10 EX 1 MAXWAIT -1", MaxWait),
            ("LIMIT 10 EX 1 MAXWAIT 3155760000001", MaxWait),
            ("LIMIT 1000001 PX 1", TooFast),
            ("LIMIT 1 EX 3155760000 BURST 2", TooSlow),
            ("LIMIT 5 EX 1 COST 2 LIMIT 6 EX 1 COST 3 PARTIAL", UnequalCosts),
        ] {
            assert_eq!(acquire(text), Err(error), "{text}");
        }
        let nine = "LIMIT 10 EX 1 ".repeat(9);
        assert_eq!(acquire(&nine), Err(TooManyClauses));
        assert!(acquire(&nine[14..]).is_ok());
    }

    #[test]
    fn a_peek_may_cost_nothing_and_a_return_takes_due_alone() {
        let words = |text: &'static str| text.split_whitespace().map(str::as_bytes);
        assert!(parse_peek(words("LIMIT 10 EX 1 COST 0")).is_ok());
        assert_eq!(parse_return(words("LIMIT 10 EX 1 DUE 5")).unwrap().due, Millis::new(5));
        assert_eq!(parse_return(words("LIMIT 10 EX 1 DUE -1")), Err(CommandError::Due));
        assert_eq!(parse_return(words("LIMIT 10 EX 1 COST 0")), Err(CommandError::NoCost));
        for text in ["LIMIT 10 EX 1 FORCE", "LIMIT 10 EX 1 MAXWAIT 5", "LIMIT 10 EX 1 DUE 5 DUE 5"] {
            assert_eq!(parse_return(words(text)), Err(CommandError::Syntax), "{text}");
        }
    }
}
