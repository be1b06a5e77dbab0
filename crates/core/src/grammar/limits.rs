//! Where limits stand in a call: spelled out, or as the name of a policy that has them.
//!
//! ```text
//! LIMIT count <EX seconds | PX ms> [BURST n | STRICT | ALIGN seconds] [COST n] [LIMIT ...]...
//! @policy [COST n [n ...]]
//! ```
//!
//! Behind a policy's name, costs stand for its limits in their order, whatever these are by now: limits beyond the
//! numbers cost what the policy says, numbers beyond the limits are ignored.

use super::error::CommandError;
use super::keyword::Keyword;
use super::words::{at_least, encode_keyword, encode_number, encode_option, integer, millis, time};
use crate::digits;
use crate::limit::call::{Clause, Clauses, MAX_CLAUSES, Mode, Why};
use crate::limit::quota::{Kind, Quota};
use crate::policy::definition::{Found, Lookup};
use crate::time::Millis;

/// What the words said beside the limits, before the rules of one command are applied.
#[derive(Default)]
pub(super) struct Options {
    pub(super) mode: Option<Mode>,
    pub(super) why: Option<Why>,
    pub(super) named: Named,
}

/// Whether the limits are a policy's.
#[derive(Default)]
pub(super) enum Named {
    /// They are spelled out.
    #[default]
    No,
    /// They are.
    Known(Found),
    /// There is no such policy. Told last: whatever is wrong with the words themselves goes before.
    Unknown,
}

impl Named {
    /// The policy, if there is to be one.
    #[inline(always)]
    pub(super) fn known(self) -> Result<Option<Found>, CommandError> {
        match self {
            Self::No => Ok(None),
            Self::Known(found) => Ok(Some(found)),
            Self::Unknown => Err(CommandError::NoPolicy),
        }
    }
}

/// Reads limits into `clauses`, which is empty, and the options around them, up to the end of the words.
#[inline(always)]
pub(super) fn parse<'a>(
    mut words: impl Iterator<Item = &'a [u8]>,
    policies: &impl Lookup,
    clauses: &mut Clauses,
) -> Result<Options, CommandError> {
    let mut options = Options::default();
    let mut draft: Option<Draft> = None;
    let push = |clauses: &mut Clauses, draft: Draft| {
        let clause = draft.finish()?;
        clauses.try_push(clause).map_err(|_| CommandError::TooManyClauses)
    };
    while let Some(word) = words.next() {
        let Some(keyword) = Keyword::of(word) else {
            let ([b'@', name @ ..], None) = (word, draft) else { return Err(Draft::stray(draft)) };
            named(name, &mut words, policies, clauses, &mut options)?;
            return Ok(options);
        };
        match (keyword, &mut draft) {
            (Keyword::Limit, draft) => {
                if let Some(done) = draft.take() {
                    push(clauses, done)?;
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
            (keyword, draft) => {
                if !options.take(keyword, &mut words)? {
                    return Err(Draft::mistake(draft.as_ref(), keyword));
                }
            }
        }
    }
    push(clauses, draft.ok_or(CommandError::NoLimit)?)?;
    Ok(options)
}

/// The rest of the words behind the name of a policy, whose limits come from whoever knows it.
fn named<'a>(
    name: &[u8],
    words: &mut impl Iterator<Item = &'a [u8]>,
    policies: &impl Lookup,
    clauses: &mut Clauses,
    options: &mut Options,
) -> Result<(), CommandError> {
    options.named = match policies.look_up(name, clauses) {
        Some(found) => Named::Known(found),
        None => Named::Unknown,
    };
    let mut costs_are_said = false;
    let mut next = words.next();
    while let Some(word) = next {
        let keyword = Keyword::of(word).ok_or(CommandError::Syntax)?;
        next = if keyword == Keyword::Cost {
            if costs_are_said {
                return Err(CommandError::Twice(keyword));
            }
            costs_are_said = true;
            costs(words, clauses)?
        } else if options.take(keyword, words)? {
            words.next()
        } else {
            return Err(CommandError::Syntax);
        };
    }
    Ok(())
}

/// The numbers behind `COST`, each for the limit of its place. Answers the word behind them, if there is one.
fn costs<'a>(
    words: &mut impl Iterator<Item = &'a [u8]>,
    clauses: &mut Clauses,
) -> Result<Option<&'a [u8]>, CommandError> {
    let mut word = words.next().ok_or(CommandError::ValueMissing(Keyword::Cost))?;
    for place in 0..MAX_CLAUSES {
        let number = digits::parse_i64(word).map_err(|_| CommandError::NotAnInteger(Keyword::Cost))?;
        let cost = at_least(0, number, CommandError::Cost)?;
        if let Some(clause) = clauses.get_mut(place) {
            clause.cost = cost;
        }
        match words.next() {
            Some(next @ [b'0'..=b'9' | b'+' | b'-', ..]) => word = next,
            other => return Ok(other),
        }
    }
    Err(CommandError::TooManyCosts)
}

impl Options {
    /// Takes an option that may stand anywhere, with its value. False if the keyword is none.
    fn take<'a>(
        &mut self,
        keyword: Keyword,
        words: &mut impl Iterator<Item = &'a [u8]>,
    ) -> Result<bool, CommandError> {
        match keyword {
            Keyword::Partial => self.choose(Mode::Partial)?,
            Keyword::Force => self.choose(Mode::Force)?,
            Keyword::MaxWait => {
                let ms = at_least(0, integer(keyword, words)?, CommandError::MaxWait)?;
                self.choose(Mode::Wait(millis(Some(ms), CommandError::MaxWait)?))?;
            }
            Keyword::Due => {
                let ms = at_least(0, integer(keyword, words)?, CommandError::Due)?;
                self.give_up(keyword, Why::DueIn(millis(Some(ms), CommandError::Due)?))?;
            }
            Keyword::At => {
                let us = at_least(0, integer(keyword, words)?, CommandError::At)?;
                self.give_up(keyword, Why::ActAt(us))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

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

    /// What is wrong with a word that is none of ours: behind a `LIMIT` without a period it is most likely the period,
    /// as in `LIMIT 10 60`.
    #[cold]
    fn stray(this: Option<Self>) -> CommandError {
        match this {
            Some(Self { period: None, .. }) => CommandError::NoPeriod,
            _ => CommandError::Syntax,
        }
    }

    /// What is wrong with a word that belongs to a `LIMIT`, or to another command, and was not taken.
    #[cold]
    fn mistake(this: Option<&Self>, keyword: Keyword) -> CommandError {
        let of_a_limit =
            matches!(keyword, Keyword::Ex | Keyword::Px | Keyword::Burst | Keyword::Align | Keyword::Cost);
        match (this, keyword) {
            (None, keyword) if of_a_limit => CommandError::OutsideLimit(keyword),
            (Some(_), Keyword::Cost) => CommandError::Twice(keyword),
            (Some(Self { form: Some(Form::Burst(_)), .. }), Keyword::Burst) => CommandError::Twice(keyword),
            _ => CommandError::Syntax, // what excludes each other, and what is no word of these commands
        }
    }
}

/// Calls `word` with each word of these limits; whole seconds as `EX` if asked, else every period as `PX`.
pub(super) fn encode_clauses(clauses: &[Clause], seconds: bool, word: &mut impl FnMut(&[u8])) {
    for Clause { quota, cost } in clauses {
        encode_option(Keyword::Limit, quota.count(), word);
        match quota.period_ms() {
            ms if seconds && ms.is_multiple_of(1_000) => encode_option(Keyword::Ex, ms / 1_000, word),
            ms => encode_option(Keyword::Px, ms, word),
        }
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

/// Calls `word` with the words for a policy of this name and these costs, at most [`MAX_CLAUSES`].
pub(super) fn encode_named(name: &str, costs: &[u64], word: &mut impl FnMut(&[u8])) {
    word(format!("@{name}").as_bytes());
    if !costs.is_empty() {
        encode_keyword(Keyword::Cost, word);
        costs.iter().for_each(|cost| encode_number(*cost, word));
    }
}

/// The first whole second at which a calendar window begins that begins at `offset_ms`: there is one, as that is how
/// calendars are told.
fn first_second(offset_ms: u64, period_ms: u64) -> u64 {
    let mut begins = (0..1_000).map(|windows| offset_ms + windows * period_ms);
    begins.find(|ms| ms.is_multiple_of(1_000)).unwrap_or(offset_ms) / 1_000
}
