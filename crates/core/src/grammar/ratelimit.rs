//! The words of the RATELIMIT commands.
//!
//! ```text
//! limits: LIMIT count <EX seconds | PX ms> [BURST n | STRICT | ALIGN seconds] [COST n] [LIMIT ...]...
//!
//! limits [PARTIAL | FORCE | MAXWAIT ms]         RATELIMIT.ACQUIRE and PEEK
//! limits [DUE ms | AT us]                       RATELIMIT.RETURN
//! EX seconds | PX ms | OFF                      RATELIMIT.HOLD
//! ms                                            RATELIMIT.TURN
//! ```
//!
//! Keywords are case-insensitive. What belongs to a `LIMIT` stands behind it, in any order; the
//! others may stand anywhere behind the key. Nothing may be said twice.

use super::error::CommandError;
use super::keyword::Keyword;
use super::words::{at_least, encode_keyword, encode_number, encode_option, integer, millis, time};
use crate::digits;
use crate::limit::call::{Acquire, Clause, Clauses, GiveBack, Mode, Why};
use crate::limit::quota::{Kind, Quota};
use crate::time::Millis;

/// Parses what follows the key in `RATELIMIT.ACQUIRE`.
pub fn parse_acquire<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Acquire, CommandError> {
    let mut call = Acquire::new();
    read_acquire(words, &mut call).map(|()| call)
}

/// [`parse_acquire`] to where the call, empty so far, is to stay: moving eight clauses costs more
/// than parsing one.
#[inline]
pub fn read_acquire<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    call: &mut Acquire,
) -> Result<(), CommandError> {
    read_peek(words, call)?;
    some_cost(&call.clauses)
}

/// Parses what follows the key in `RATELIMIT.PEEK`: as for ACQUIRE, but every cost may be 0.
pub fn parse_peek<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Acquire, CommandError> {
    let mut call = Acquire::new();
    read_peek(words, &mut call).map(|()| call)
}

/// [`parse_peek`] to where the call, empty so far, is to stay.
#[inline]
pub fn read_peek<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    Acquire { clauses, mode }: &mut Acquire,
) -> Result<(), CommandError> {
    let options = parse(words, clauses)?;
    match options.why {
        None => {}
        Some(Why::ActAt(_)) => return Err(CommandError::Foreign(Keyword::At)),
        Some(_) => return Err(CommandError::Foreign(Keyword::Due)),
    }
    *mode = options.mode.unwrap_or(Mode::Plain);
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
pub fn parse_return<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<GiveBack, CommandError> {
    let mut call = GiveBack::new();
    read_return(words, &mut call).map(|()| call)
}

/// [`parse_return`] to where the call, empty so far, is to stay.
#[inline]
pub fn read_return<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    call: &mut GiveBack,
) -> Result<(), CommandError> {
    let Options { mode, why } = parse(words, &mut call.clauses)?;
    match mode {
        None | Some(Mode::Plain) => {}
        Some(Mode::Partial) => return Err(CommandError::Foreign(Keyword::Partial)),
        Some(Mode::Force) => return Err(CommandError::Foreign(Keyword::Force)),
        Some(Mode::Wait(_)) => return Err(CommandError::Foreign(Keyword::MaxWait)),
    }
    some_cost(&call.clauses)?;
    call.why = why.unwrap_or(Why::Refund);
    Ok(())
}

/// Parses what follows the key in `RATELIMIT.HOLD`: for how long, or `None` for `OFF`.
pub fn parse_hold<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Option<Millis>, CommandError> {
    let keyword = words.next().and_then(Keyword::of).ok_or(CommandError::Syntax)?;
    let value = words.next();
    if words.next().is_some() {
        return Err(CommandError::Arity);
    }
    match (keyword, value) {
        (Keyword::Off, None) => Ok(None),
        (Keyword::Ex | Keyword::Px, Some(value)) => time(keyword, &mut std::iter::once(value)).map(Some),
        _ => Err(CommandError::Syntax),
    }
}

/// Parses what follows the key in `RATELIMIT.TURN`: how long ago the turn was told.
pub fn parse_turn<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Millis, CommandError> {
    let told = words.next().ok_or(CommandError::Arity)?;
    let told = digits::parse_i64(told).map_err(|_| CommandError::NoInteger)?;
    match words.next() {
        None => millis(Some(at_least(0, told, CommandError::Told)?), CommandError::Told),
        Some(_) => Err(CommandError::Arity),
    }
}

/// Calls `word` with each word that [`parse_acquire`] reads back as `call`.
pub fn encode_acquire(call: &Acquire, mut word: impl FnMut(&[u8])) {
    encode_clauses(&call.clauses, &mut word);
    match call.mode {
        Mode::Plain => {}
        Mode::Wait(limit) => encode_option(Keyword::MaxWait, limit.get(), &mut word),
        Mode::Partial => encode_keyword(Keyword::Partial, &mut word),
        Mode::Force => encode_keyword(Keyword::Force, &mut word),
    }
}

/// Calls `word` with each word that [`parse_return`] reads back as `call`.
pub fn encode_return(call: &GiveBack, mut word: impl FnMut(&[u8])) {
    encode_clauses(&call.clauses, &mut word);
    match call.why {
        Why::Refund => {}
        Why::DueIn(due) => encode_option(Keyword::Due, due.get(), &mut word),
        Why::ActAt(us) => encode_option(Keyword::At, us, &mut word),
    }
}

/// Calls `word` with each word that [`parse_hold`] reads back.
pub fn encode_hold(time: Option<Millis>, mut word: impl FnMut(&[u8])) {
    match time {
        Some(time) => encode_option(Keyword::Px, time.get(), &mut word),
        None => encode_keyword(Keyword::Off, &mut word),
    }
}

/// Calls `word` with the word that [`parse_turn`] reads back.
pub fn encode_turn(told: Millis, mut word: impl FnMut(&[u8])) {
    encode_number(told.get(), &mut word);
}

fn encode_clauses(clauses: &Clauses, word: &mut impl FnMut(&[u8])) {
    for Clause { quota, cost } in clauses {
        encode_option(Keyword::Limit, quota.count(), word);
        encode_option(Keyword::Px, quota.period_ms(), word);
        match quota.kind() {
            Kind::Rate if quota.burst() == quota.count() => {}
            Kind::Rate => encode_option(Keyword::Burst, quota.burst(), word),
            Kind::Strict => encode_keyword(Keyword::Strict, word),
            Kind::Align(offset_ms) => {
                encode_option(Keyword::Align, first_second(offset_ms, quota.period_ms()), word);
            }
        }
        if *cost != 1 {
            encode_option(Keyword::Cost, *cost, word);
        }
    }
}

/// The first whole second at which a calendar window begins that begins at `offset_ms`: there is one, as that is how
/// calendars are told.
fn first_second(offset_ms: u64, period_ms: u64) -> u64 {
    let mut begins = (0..1_000).map(|windows| offset_ms + windows * period_ms);
    begins.find(|ms| ms.is_multiple_of(1_000)).unwrap_or(offset_ms) / 1_000
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
    why: Option<Why>,
}

/// A clause whose end has not been seen yet.
#[derive(Clone, Copy)]
struct Draft {
    count: u64,
    period: Option<Millis>,
    /// `BURST`, `STRICT` or `ALIGN`.
    form: Option<Form>,
    cost: Option<u64>,
}

#[derive(Clone, Copy)]
enum Form {
    Burst(u64),
    Strict,
    Align(u64),
}

impl Draft {
    #[inline(always)]
    fn finish(self) -> Result<Clause, CommandError> {
        let period = self.period.ok_or(CommandError::NoPeriod)?;
        let quota = match self.form {
            None => Quota::new(self.count, period, self.count)?,
            Some(Form::Burst(burst)) => Quota::new(self.count, period, burst)?,
            Some(Form::Strict) => Quota::strict(self.count, period)?,
            Some(Form::Align(offset_s)) => Quota::aligned(self.count, period, offset_s)?,
        };
        Ok(Clause { quota, cost: self.cost.unwrap_or(1) })
    }

    /// What is wrong with a word that belongs to a `LIMIT` and was not taken.
    #[cold]
    fn mistake(this: Option<&Self>, keyword: Keyword) -> CommandError {
        match (this, keyword) {
            (None, Keyword::Strict) => CommandError::Syntax,
            (None, keyword) => CommandError::OutsideLimit(keyword),
            (Some(_), Keyword::Cost) => CommandError::Twice(keyword),
            (Some(Self { form: Some(Form::Burst(_)), .. }), Keyword::Burst) => CommandError::Twice(keyword),
            _ => CommandError::Syntax, // what excludes each other
        }
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
                let count = at_least(1, integer(keyword, &mut words)?, CommandError::Count)?;
                *draft = Some(Draft { count, period: None, form: None, cost: None });
            }
            (Keyword::Ex | Keyword::Px, Some(Draft { period: period @ None, .. })) => {
                *period = Some(time(keyword, &mut words)?);
            }
            (Keyword::Cost, Some(Draft { cost: cost @ None, .. })) => {
                *cost = Some(at_least(0, integer(keyword, &mut words)?, CommandError::Cost)?);
            }
            (Keyword::Burst, Some(Draft { form: form @ None, .. })) => {
                let burst = at_least(1, integer(keyword, &mut words)?, CommandError::Burst)?;
                *form = Some(Form::Burst(burst));
            }
            (Keyword::Strict, Some(Draft { form: form @ None, .. })) => *form = Some(Form::Strict),
            (Keyword::Align, Some(Draft { form: form @ None, .. })) => {
                let offset_s = at_least(0, integer(keyword, &mut words)?, CommandError::Align)?;
                *form = Some(Form::Align(offset_s));
            }
            (Keyword::Partial, _) => options.choose(Mode::Partial)?,
            (Keyword::Force, _) => options.choose(Mode::Force)?,
            (Keyword::MaxWait, _) => {
                let ms = at_least(0, integer(keyword, &mut words)?, CommandError::MaxWait)?;
                options.choose(Mode::Wait(millis(Some(ms), CommandError::MaxWait)?))?;
            }
            (Keyword::Due, _) => {
                let ms = at_least(0, integer(keyword, &mut words)?, CommandError::Due)?;
                options.give_up(keyword, Why::DueIn(millis(Some(ms), CommandError::Due)?))?;
            }
            (Keyword::At, _) => {
                let us = at_least(0, integer(keyword, &mut words)?, CommandError::At)?;
                options.give_up(keyword, Why::ActAt(us))?;
            }
            (Keyword::Off | Keyword::Holders | Keyword::Block, _) => return Err(CommandError::Syntax),
            (keyword, draft) => return Err(Draft::mistake(draft.as_ref(), keyword)),
        }
    }
    push(draft.ok_or(CommandError::NoLimit)?)?;
    Ok(options)
}

impl Options {
    fn choose(&mut self, mode: Mode) -> Result<(), CommandError> {
        match self.mode.replace(mode) {
            None => Ok(()),
            Some(_) => Err(CommandError::Modes),
        }
    }

    fn give_up(&mut self, keyword: Keyword, why: Why) -> Result<(), CommandError> {
        match self.why.replace(why) {
            None => Ok(()),
            Some(before) if std::mem::discriminant(&before) == std::mem::discriminant(&why) => {
                Err(CommandError::Twice(keyword))
            }
            Some(_) => Err(CommandError::Syntax),
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
            ("LIMIT 10 EX 1", call(&[clause(10, 1000, 10, 1)], Mode::Plain)),
            ("limit 10 px 250 burst 3 cost 2 force", call(&[clause(10, 250, 3, 2)], Mode::Force)),
            ("LIMIT 10 COST 2 BURST 3 PX 250 PARTIAL", call(&[clause(10, 250, 3, 2)], Mode::Partial)),
            ("MAXWAIT 500 LIMIT 10 EX 1", call(&[clause(10, 1000, 10, 1)], wait)),
            ("LIMIT 10 EX 1 MAXWAIT 0", call(&[clause(10, 1000, 10, 1)], Mode::Wait(Millis::ZERO))),
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
            ("", NoLimit),
            ("FORCE", NoLimit),
            ("LIMIT", ValueMissing(Keyword::Limit)),
            ("LIMIT 10", NoPeriod),
            ("LIMIT 10 BURST 5", NoPeriod),
            ("LIMIT 10 EX", ValueMissing(Keyword::Ex)),
            ("EX 1 LIMIT 10", OutsideLimit(Keyword::Ex)),
            ("BURST 1 LIMIT 10 EX 1", OutsideLimit(Keyword::Burst)),
            ("ALIGN 0 LIMIT 10 EX 1", OutsideLimit(Keyword::Align)),
            ("STRICT LIMIT 10 EX 1", Syntax),
            ("LIMIT 10 EX 1 PX 1000", Syntax),
            ("LIMIT 10 EX 1 EX 1", Syntax),
            ("LIMIT 10 EX 1 STRICT STRICT", Syntax),
            ("LIMIT 10 EX 1 STRICT BURST 2", Syntax),
            ("LIMIT 10 EX 1 BURST 2 STRICT", Syntax),
            ("LIMIT 10 EX 1 ALIGN 0 STRICT", Syntax),
            ("LIMIT 10 EX 1 BURST 2 ALIGN 0", Syntax),
            ("LIMIT 10 EX 1 BURST 2 BURST 2", Twice(Keyword::Burst)),
            ("LIMIT 10 EX 1 COST 2 COST 2", Twice(Keyword::Cost)),
            ("LIMIT 10 EX 1 LIMIT 10", NoPeriod),
            ("LIMIT 10 EX 1 FORCE PARTIAL", Modes),
            ("LIMIT 10 EX 1 FORCE FORCE", Modes),
            ("LIMIT 10 EX 1 MAXWAIT 1 MAXWAIT 1", Modes),
            ("LIMIT 10 EX 1 MAXWAIT", ValueMissing(Keyword::MaxWait)),
            ("LIMIT 10 EX 1 DUE 5", Foreign(Keyword::Due)),
            ("LIMIT 10 EX 1 AT 5", Foreign(Keyword::At)),
            ("LIMIT 10 EX 1 HARD", Syntax),
            ("LIMIT 10 EX 1 HOLDERS 1", Syntax),
            ("LIMIT ten EX 1", NotAnInteger(Keyword::Limit)),
            ("LIMIT 1.5 EX 1", NotAnInteger(Keyword::Limit)),
            ("LIMIT 9223372036854775808 EX 1", NotAnInteger(Keyword::Limit)),
            ("LIMIT 10 EX 1 COST x", NotAnInteger(Keyword::Cost)),
            ("LIMIT 10 EX 1 ALIGN x", NotAnInteger(Keyword::Align)),
            ("LIMIT 10 EX 1 ALIGN -1", Align),
            ("LIMIT 10 EX 1 ALIGN 3155760001", Align),
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
    fn windows_are_limits_of_their_own() {
        let (second, day) = (Millis::new(1_000).unwrap(), Millis::new(86_400_000).unwrap());
        let strict = Clause { quota: Quota::strict(10, second).unwrap(), cost: 2 };
        let aligned = Clause { quota: Quota::aligned(3, day, 54_000).unwrap(), cost: 1 };
        assert_eq!(acquire("limit 10 strict ex 1 cost 2"), call(&[strict], Mode::Plain));
        let text = "LIMIT 10 EX 1 STRICT COST 2 LIMIT 3 EX 86400 ALIGN 140400 FORCE";
        assert_eq!(acquire(text), call(&[strict, aligned], Mode::Force));
        let mut words = Vec::new();
        encode_acquire(&acquire(text).unwrap(), |word| words.push(String::from_utf8(word.to_vec()).unwrap()));
        assert_eq!(words.join(" "), "LIMIT 10 PX 1000 STRICT COST 2 LIMIT 3 PX 86400000 ALIGN 54000 FORCE");
        let mut words = Vec::new();
        encode_acquire(&acquire("LIMIT 9 PX 1500 ALIGN 2").unwrap(), |word| words.push(word.to_vec()));
        assert_eq!(
            words.concat(),
            b"LIMIT9PX1500ALIGN2",
            "500 ms into a window of 1500 ms is a whole second"
        );
    }

    #[test]
    fn a_peek_may_cost_nothing_and_a_return_takes_due_or_at() {
        use CommandError::{Due, Foreign, NoCost, Syntax, Twice};
        let words = |text: &'static str| text.split_whitespace().map(str::as_bytes);
        assert!(parse_peek(words("LIMIT 10 EX 1 COST 0")).is_ok());
        let why = |text| parse_return(words(text)).map(|call| call.why);
        assert_eq!(why("LIMIT 10 EX 1"), Ok(Why::Refund));
        assert_eq!(why("LIMIT 10 EX 1 DUE 5"), Ok(Why::DueIn(Millis::new(5).unwrap())));
        assert_eq!(why("AT 7 LIMIT 10 EX 1"), Ok(Why::ActAt(7)));
        for (text, error) in [
            ("LIMIT 10 EX 1 DUE -1", Due),
            ("LIMIT 10 EX 1 AT -1", CommandError::At),
            ("LIMIT 10 EX 1 COST 0", NoCost),
            ("LIMIT 10 EX 1 FORCE", Foreign(Keyword::Force)),
            ("LIMIT 10 EX 1 MAXWAIT 5", Foreign(Keyword::MaxWait)),
            ("LIMIT 10 EX 1 DUE 5 DUE 5", Twice(Keyword::Due)),
            ("LIMIT 10 EX 1 DUE 5 AT 5", Syntax),
        ] {
            assert_eq!(why(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_hold_has_a_time_or_ends_and_a_turn_was_told_some_time_ago() {
        use CommandError::{Arity, NoInteger, NotAnInteger, Syntax, Time, Told};
        let hold = |text: &'static str| parse_hold(text.split_whitespace().map(str::as_bytes));
        assert_eq!(hold("EX 2"), Ok(Millis::new(2_000)));
        assert_eq!(hold("px 2"), Ok(Millis::new(2)));
        assert_eq!(hold("Off"), Ok(None));
        for (text, error) in [
            ("", Syntax),
            ("EX", Syntax),
            ("5", Syntax),
            ("OFF 5", Syntax),
            ("LIMIT 5", Syntax),
            ("EX 1 OFF", Arity),
            ("EX 0", Time),
            ("PX -1", Time),
            ("PX x", NotAnInteger(Keyword::Px)),
        ] {
            assert_eq!(hold(text), Err(error), "{text}");
        }
        let turn = |text: &'static str| parse_turn(text.split_whitespace().map(str::as_bytes));
        assert_eq!(turn("5"), Ok(Millis::new(5).unwrap()));
        for (text, error) in
            [("", Arity), ("1 2", Arity), ("x", NoInteger), ("-1", Told), ("3155760000001", Told)]
        {
            assert_eq!(turn(text), Err(error), "{text}");
        }
    }
}
