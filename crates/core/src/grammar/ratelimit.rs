//! The words of the RATELIMIT commands that work on a key.
//!
//! ```text
//! limits: LIMIT ... [LIMIT ...]...  |  @policy [COST n [n ...]]         see [`super::limits`]
//!
//! limits [PARTIAL | FORCE | MAXWAIT ms]         RATELIMIT.ACQUIRE and PEEK
//! limits [DUE ms | AT us]                       RATELIMIT.RETURN
//! EX seconds | PX ms | OFF                      RATELIMIT.HOLD
//! ms                                            RATELIMIT.TURN
//! ```
//!
//! Keywords are case-insensitive. What belongs to a `LIMIT`, or to a policy's name, stands behind it, in any order; the
//! others may stand anywhere behind the key. Nothing may be said twice.

use super::error::CommandError;
use super::keyword::Keyword;
use super::limits::{Options, encode_clauses, encode_named, parse};
use super::words::{at_least, encode_keyword, encode_number, encode_option, millis, time};
use crate::digits;
use crate::limit::call::{Acquire, Clauses, GiveBack, Mode, Why};
use crate::policy::definition::{Found, Lookup, NoPolicies};
use crate::time::Millis;

/// Parses what follows the key in `RATELIMIT.ACQUIRE`, where nobody knows any policy.
pub fn parse_acquire<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Acquire, CommandError> {
    let mut call = Acquire::new();
    read_acquire(words, &NoPolicies, &mut call).map(|_| call)
}

/// Parses what follows the key in `RATELIMIT.ACQUIRE` to where the call, empty so far, is to stay: moving eight
/// clauses costs more than parsing one. Answers the policy that its limits are from, if it names one.
#[inline]
pub fn read_acquire<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    policies: &impl Lookup,
    call: &mut Acquire,
) -> Result<Option<Found>, CommandError> {
    let policy = read_peek(words, policies, call)?;
    some_cost(&call.clauses)?;
    Ok(policy)
}

/// Parses what follows the key in `RATELIMIT.PEEK`, where nobody knows any policy: as for ACQUIRE, but every cost may
/// be 0.
pub fn parse_peek<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Acquire, CommandError> {
    let mut call = Acquire::new();
    read_peek(words, &NoPolicies, &mut call).map(|_| call)
}

/// As [`read_acquire`], but every cost may be 0.
#[inline]
pub fn read_peek<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    policies: &impl Lookup,
    Acquire { clauses, mode }: &mut Acquire,
) -> Result<Option<Found>, CommandError> {
    let options = parse(words, policies, clauses)?;
    match options.why {
        None => {}
        Some(Why::ActAt(_)) => return Err(CommandError::Foreign(Keyword::At)),
        Some(_) => return Err(CommandError::Foreign(Keyword::Due)),
    }
    let policy = options.named.known()?;
    *mode = options.mode.unwrap_or(Mode::Plain);
    if *mode == Mode::Partial {
        let mut costs = clauses.iter().map(|clause| clause.cost).filter(|cost| *cost > 0);
        let first = costs.next();
        if costs.any(|cost| Some(cost) != first) {
            return Err(CommandError::UnequalCosts);
        }
    }
    Ok(policy)
}

/// Parses what follows the key in `RATELIMIT.RETURN`, where nobody knows any policy.
pub fn parse_return<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<GiveBack, CommandError> {
    let mut call = GiveBack::new();
    read_return(words, &NoPolicies, &mut call).map(|_| call)
}

/// Parses what follows the key in `RATELIMIT.RETURN` to where the call, empty so far, is to stay. Answers the policy
/// that its limits are from, if it names one.
#[inline]
pub fn read_return<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    policies: &impl Lookup,
    call: &mut GiveBack,
) -> Result<Option<Found>, CommandError> {
    let Options { mode, why, named } = parse(words, policies, &mut call.clauses)?;
    match mode {
        None | Some(Mode::Plain) => {}
        Some(Mode::Partial) => return Err(CommandError::Foreign(Keyword::Partial)),
        Some(Mode::Force) => return Err(CommandError::Foreign(Keyword::Force)),
        Some(Mode::Wait(_)) => return Err(CommandError::Foreign(Keyword::MaxWait)),
    }
    let policy = named.known()?;
    some_cost(&call.clauses)?;
    call.why = why.unwrap_or(Why::Refund);
    Ok(policy)
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
    encode_clauses(&call.clauses, false, &mut word);
    encode_mode(call.mode, &mut word);
}

/// Calls `word` with each word that [`read_acquire`] reads back as a call by the policy of this name, with these costs
/// for its first limits, at most [`MAX_CLAUSES`](crate::limit::call::MAX_CLAUSES) of them.
pub fn encode_acquire_by(policy: &str, costs: &[u64], mode: Mode, mut word: impl FnMut(&[u8])) {
    encode_named(policy, costs, &mut word);
    encode_mode(mode, &mut word);
}

fn encode_mode(mode: Mode, word: &mut impl FnMut(&[u8])) {
    match mode {
        Mode::Plain => {}
        Mode::Wait(limit) => encode_option(Keyword::MaxWait, limit.get(), word),
        Mode::Partial => encode_keyword(Keyword::Partial, word),
        Mode::Force => encode_keyword(Keyword::Force, word),
    }
}

/// Calls `word` with each word that [`parse_return`] reads back as `call`.
pub fn encode_return(call: &GiveBack, mut word: impl FnMut(&[u8])) {
    encode_clauses(&call.clauses, false, &mut word);
    encode_why(call.why, &mut word);
}

/// The same by a policy, as [`encode_acquire_by`].
pub fn encode_return_by(policy: &str, costs: &[u64], why: Why, mut word: impl FnMut(&[u8])) {
    encode_named(policy, costs, &mut word);
    encode_why(why, &mut word);
}

fn encode_why(why: Why, word: &mut impl FnMut(&[u8])) {
    match why {
        Why::Refund => {}
        Why::DueIn(due) => encode_option(Keyword::Due, due.get(), word),
        Why::ActAt(us) => encode_option(Keyword::At, us, word),
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

fn some_cost(clauses: &Clauses) -> Result<(), CommandError> {
    match clauses.iter().any(|clause| clause.cost > 0) {
        true => Ok(()),
        false => Err(CommandError::NoCost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::call::Clause;
    use crate::limit::quota::Quota;

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
            ("LIMIT 10 60", NoPeriod),
            ("LIMIT 10 60s BURST 5", NoPeriod),
            ("LIMIT 10 60 EX 1", NoPeriod),
            ("LIMIT 10 EX 60 60", Syntax),
            ("10 60", Syntax),
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
