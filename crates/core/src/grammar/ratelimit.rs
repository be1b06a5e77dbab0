//! The words of the RATELIMIT commands.
//!
//! ```text
//! LIMIT count <EX seconds | PX ms> [BURST n] [COST n] [LIMIT ...]... [PARTIAL | FORCE | MAXWAIT ms]
//! LIMIT count <EX seconds | PX ms> [BURST n] [COST n] [LIMIT ...]... [DUE ms]
//! ```
//!
//! Keywords are case-insensitive. `EX`, `PX`, `BURST` and `COST` belong to the `LIMIT` before
//! them, in any order; the others may stand anywhere behind the key. Nothing may be said twice.

use arrayvec::ArrayVec;

use super::{GrammarError, at_least, encode_option, integer, millis};
use crate::gcra::{Acquire, Clause, Clauses, GiveBack, Mode};
use crate::quota::Quota;
use crate::time::Millis;

/// Parses what follows the key in `RATELIMIT.ACQUIRE`.
pub fn parse_acquire<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Acquire, GrammarError> {
    let call = parse_peek(words)?;
    some_cost(&call.clauses)?;
    Ok(call)
}

/// Parses what follows the key in `RATELIMIT.PEEK`: as for ACQUIRE, but every cost may be 0.
pub fn parse_peek<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Acquire, GrammarError> {
    let sentence = Sentence::parse(words)?;
    if sentence.due.is_some() {
        return Err(GrammarError::Syntax);
    }
    let mode = sentence.mode.unwrap_or(Mode::PLAIN);
    if mode == Mode::Partial {
        let mut costs = sentence.clauses.iter().map(|clause| clause.cost).filter(|cost| *cost > 0);
        let first = costs.next();
        if costs.any(|cost| Some(cost) != first) {
            return Err(GrammarError::UnequalCosts);
        }
    }
    Ok(Acquire { clauses: sentence.clauses, mode })
}

/// Parses what follows the key in `RATELIMIT.RETURN`.
pub fn parse_return<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<GiveBack, GrammarError> {
    let sentence = Sentence::parse(words)?;
    if sentence.mode.is_some() {
        return Err(GrammarError::Syntax);
    }
    some_cost(&sentence.clauses)?;
    Ok(GiveBack { clauses: sentence.clauses, due: sentence.due })
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

fn some_cost(clauses: &Clauses) -> Result<(), GrammarError> {
    match clauses.iter().any(|clause| clause.cost > 0) {
        true => Ok(()),
        false => Err(GrammarError::NoCost),
    }
}

/// All that the words said, before the rules of one command are applied.
struct Sentence {
    clauses: Clauses,
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

impl Sentence {
    fn parse<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Self, GrammarError> {
        let mut sentence = Self { clauses: ArrayVec::new(), mode: None, due: None };
        let mut draft: Option<Draft> = None;
        while let Some(word) = words.next() {
            let keyword = Keyword::of(word).ok_or(GrammarError::Syntax)?;
            match (keyword, &mut draft) {
                (Keyword::Limit, draft) => {
                    if let Some(done) = draft.take() {
                        sentence.push(done)?;
                    }
                    let count = at_least(1, integer(&mut words)?, GrammarError::Count)?;
                    *draft = Some(Draft { count, period: None, burst: None, cost: None });
                }
                (Keyword::Ex, Some(Draft { period: period @ None, .. })) => {
                    let seconds = at_least(1, integer(&mut words)?, GrammarError::Time)?;
                    *period = Some(millis(seconds.checked_mul(1_000), GrammarError::Time)?);
                }
                (Keyword::Px, Some(Draft { period: period @ None, .. })) => {
                    let ms = at_least(1, integer(&mut words)?, GrammarError::Time)?;
                    *period = Some(millis(Some(ms), GrammarError::Time)?);
                }
                (Keyword::Burst, Some(Draft { burst: burst @ None, .. })) => {
                    *burst = Some(at_least(1, integer(&mut words)?, GrammarError::Burst)?);
                }
                (Keyword::Cost, Some(Draft { cost: cost @ None, .. })) => {
                    *cost = Some(at_least(0, integer(&mut words)?, GrammarError::Cost)?);
                }
                (Keyword::Partial, _) if sentence.mode.is_none() => sentence.mode = Some(Mode::Partial),
                (Keyword::Force, _) if sentence.mode.is_none() => sentence.mode = Some(Mode::Force),
                (Keyword::MaxWait, _) if sentence.mode.is_none() => {
                    let ms = at_least(0, integer(&mut words)?, GrammarError::MaxWait)?;
                    sentence.mode = Some(Mode::Wait(millis(Some(ms), GrammarError::MaxWait)?));
                }
                (Keyword::Due, _) if sentence.due.is_none() => {
                    let ms = at_least(0, integer(&mut words)?, GrammarError::Due)?;
                    sentence.due = Some(millis(Some(ms), GrammarError::Due)?);
                }
                _ => return Err(GrammarError::Syntax),
            }
        }
        sentence.push(draft.ok_or(GrammarError::Syntax)?)?;
        Ok(sentence)
    }

    fn push(&mut self, draft: Draft) -> Result<(), GrammarError> {
        let period = draft.period.ok_or(GrammarError::Syntax)?;
        let quota = Quota::new(draft.count, period, draft.burst.unwrap_or(draft.count))?;
        let clause = Clause { quota, cost: draft.cost.unwrap_or(1) };
        self.clauses.try_push(clause).map_err(|_| GrammarError::TooManyClauses)
    }
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
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        match word.len() {
            2 if is(b"EX") => Some(Self::Ex),
            2 if is(b"PX") => Some(Self::Px),
            3 if is(b"DUE") => Some(Self::Due),
            4 if is(b"COST") => Some(Self::Cost),
            5 if is(b"LIMIT") => Some(Self::Limit),
            5 if is(b"BURST") => Some(Self::Burst),
            5 if is(b"FORCE") => Some(Self::Force),
            7 if is(b"MAXWAIT") => Some(Self::MaxWait),
            7 if is(b"PARTIAL") => Some(Self::Partial),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acquire(text: &str) -> Result<Acquire, GrammarError> {
        parse_acquire(text.split_whitespace().map(str::as_bytes))
    }

    fn clause(count: u64, period_ms: u64, burst: u64, cost: u64) -> Clause {
        Clause { quota: Quota::new(count, Millis::new(period_ms).unwrap(), burst).unwrap(), cost }
    }

    fn call(clauses: &[Clause], mode: Mode) -> Result<Acquire, GrammarError> {
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
        use GrammarError::*;
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
        assert_eq!(parse_return(words("LIMIT 10 EX 1 DUE -1")), Err(GrammarError::Due));
        assert_eq!(parse_return(words("LIMIT 10 EX 1 COST 0")), Err(GrammarError::NoCost));
        for text in ["LIMIT 10 EX 1 FORCE", "LIMIT 10 EX 1 MAXWAIT 5", "LIMIT 10 EX 1 DUE 5 DUE 5"] {
            assert_eq!(parse_return(words(text)), Err(GrammarError::Syntax), "{text}");
        }
    }
}
