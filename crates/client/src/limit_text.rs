//! Limits as people write them, on a command line or in a configuration: `100/1m:strict`.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::limit::{Limit, LimitError, LimitKind};
use crate::limits::Limits;

/// What a text that is no limit has instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseLimitError {
    /// There is no `/` between a count and a time.
    NoTime(String),
    /// The count or the burst is no whole number.
    Number(String),
    /// The period or the offset is no time.
    Time(String),
    /// What stands behind the colon is none of the three forms.
    Form(String),
    /// All is written well, and a number is out of bounds.
    Bounds(LimitError),
}

/// In every error, so that nobody has to look it up.
const EXAMPLES: &str =
    "a limit is written as 2/s, 100/min, 2/1s:5 (burst 5), 100/1m:strict or 1000/1d:align=0";

impl fmt::Display for ParseLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTime(text) => write!(f, "{text:?} lacks a time: {EXAMPLES}"),
            Self::Number(text) => write!(f, "{text:?} is no whole number: {EXAMPLES}"),
            Self::Time(text) => {
                write!(f, "{text:?} is no time such as 500ms, s, 1m, min, 6h, day or 1w: {EXAMPLES}")
            }
            Self::Form(text) => {
                write!(f, "{text:?} is neither a burst such as 5, nor strict, nor align=0: {EXAMPLES}")
            }
            Self::Bounds(error) => error.fmt(f),
        }
    }
}

impl Error for ParseLimitError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Bounds(error) => Some(error),
            _ => None,
        }
    }
}

impl From<LimitError> for ParseLimitError {
    fn from(error: LimitError) -> Self {
        Self::Bounds(error)
    }
}

/// `COUNT/TIME`, and behind a colon how the tokens come back, unless that is the default.
///
/// | | |
/// |---|---|
/// | `2/s`, `100/min`, `3/500ms` | [`Limit::per`]: the burst is the count, as in `LIMIT 100 EX 60` |
/// | `2/1s:5`, `2/s:1` | [`Limit::burst`]; 1 spaces evenly |
/// | `100/1m:strict` | [`Limit::strict`]: never more than 100 in any minute |
/// | `1000/1d:align=0`, `1000/1d:align=15h` | [`Limit::aligned`]: from midnight UTC, from midnight in Tokyo; a number without a unit is seconds |
///
/// A time is a whole number with a unit, or a unit alone: `ms`, `s` `sec` `second`, `m` `min` `minute`,
/// `h` `hour`, `d` `day`, `w` `week`, and their plurals.
///
/// ```
/// use std::time::Duration;
/// use sluice_client::{Limit, Limits};
///
/// assert_eq!("100/1m:strict".parse(), Ok(Limit::per_minute(100).strict()));
/// assert_eq!("2/s:5".parse(), Ok(Limit::per_second(2).burst(5)));
/// let day = Limit::per(1000, Duration::from_secs(86_400));
/// assert_eq!("1000/day:align=15h".parse(), Ok(day.aligned(Duration::from_secs(54_000))));
/// assert_eq!(day.aligned(Duration::ZERO).to_string(), "1000/1d:align=0");
/// assert_eq!("10/s, 1000/h".parse(), Ok(Limit::per_second(10).and(Limit::per_hour(1000))));
///
/// let error = "2".parse::<Limit>().unwrap_err();
/// assert!(error.to_string().starts_with("\"2\" lacks a time: a limit is written as 2/s,"));
/// ```
impl FromStr for Limit {
    type Err = ParseLimitError;

    fn from_str(text: &str) -> Result<Self, ParseLimitError> {
        let (count, rest) = text.split_once('/').ok_or_else(|| ParseLimitError::NoTime(text.to_owned()))?;
        let (period, form) = match rest.split_once(':') {
            Some((period, form)) => (period, Some(form.trim())),
            None => (rest, None),
        };
        let limit = Self::try_per(number(count)?, time(period)?)?;
        Ok(match form.map(|form| (form, form.split_once('='))) {
            None => limit,
            Some(("strict", _)) => limit.try_strict()?,
            Some((_, Some(("align", offset)))) => limit.try_aligned(seconds_or_time(offset)?)?,
            Some((burst, None)) if burst.starts_with(|c: char| c.is_ascii_digit()) => {
                limit.try_burst(number(burst)?)?
            }
            Some((form, _)) => return Err(ParseLimitError::Form(form.to_owned())),
        })
    }
}

/// Limits with commas between them.
impl FromStr for Limits {
    type Err = ParseLimitError;

    fn from_str(text: &str) -> Result<Self, ParseLimitError> {
        let limits = text.split(',').map(str::parse).collect::<Result<Vec<Limit>, _>>()?;
        Ok(Self::try_from(limits.as_slice())?)
    }
}

/// As it is read, without what a call takes of it: `100/1m`, `2/1s:5`, `100/1m:strict`.
impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count(), InWords(self.period()))?;
        match self.kind() {
            LimitKind::Rate if self.capacity() == self.count() => Ok(()),
            LimitKind::Rate => write!(f, ":{}", self.capacity()),
            LimitKind::Strict => f.write_str(":strict"),
            LimitKind::Aligned { offset } => write!(f, ":align={}", InWords(offset)),
        }
    }
}

/// As they are read, with commas between them.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, limit) in self.as_slice().iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{limit}")?;
        }
        Ok(())
    }
}

/// Units with their names, the one that is written first.
const UNITS: [(u64, &[&str]); 6] = [
    (604_800_000, &["w", "week", "weeks"]),
    (86_400_000, &["d", "day", "days"]),
    (3_600_000, &["h", "hour", "hours"]),
    (60_000, &["m", "min", "mins", "minute", "minutes"]),
    (1000, &["s", "sec", "secs", "second", "seconds"]),
    (1, &["ms"]),
];

fn number(text: &str) -> Result<u64, ParseLimitError> {
    text.trim().parse().map_err(|_| ParseLimitError::Number(text.trim().to_owned()))
}

/// A whole number with a unit, or a unit alone.
fn time(text: &str) -> Result<Duration, ParseLimitError> {
    let text = text.trim();
    let wrong = || ParseLimitError::Time(text.to_owned());
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let (unit_ms, _) = UNITS.iter().find(|(_, names)| names.contains(&unit.trim())).ok_or_else(wrong)?;
    let number: u64 = if number.is_empty() { 1 } else { number.parse().map_err(|_| wrong())? };
    number.checked_mul(*unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

/// As `ALIGN` has it, in seconds, or a time with a unit.
fn seconds_or_time(text: &str) -> Result<Duration, ParseLimitError> {
    text.trim().parse().map(Duration::from_secs).or_else(|_| time(text))
}

/// A time of whole ms in the largest unit that divides it.
struct InWords(Duration);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let divides = |unit: &&(u64, &[&str])| ms > 0 && ms.is_multiple_of(u128::from(unit.0));
        match UNITS.iter().find(divides) {
            Some((unit_ms, names)) => {
                write!(f, "{}{}", ms / u128::from(*unit_ms), names.first().unwrap_or(&""))
            }
            None => f.write_str("0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Limit {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn what_people_write_is_what_they_mean() {
        let ms = Duration::from_millis;
        for (texts, limit) in [
            (&["2/s", "2/1s", "2/sec", "2/1second", "2/1000ms", " 2 / 1 s "][..], Limit::per_second(2)),
            (&["100/m", "100/min", "100/1m", "100/60s", "100/minute"], Limit::per_minute(100)),
            (&["9/h", "9/1hour", "9/60m"], Limit::per_hour(9)),
            (&["3/500ms"], Limit::per(3, ms(500))),
            (&["7/w", "7/week", "7/7d", "7/7 days"], Limit::per(7, ms(604_800_000))),
            (&["2/1s:5", "2/s:5", "2/s: 5"], Limit::per_second(2).burst(5)),
            (&["100/1m:strict", "100/min:strict"], Limit::per_minute(100).strict()),
            (&["9/d:align=0", "9/d:align=0s"], Limit::per(9, ms(86_400_000)).aligned(ms(0))),
            (&["9/d:align=54000", "9/d:align=15h"], Limit::per(9, ms(86_400_000)).aligned(ms(54_000_000))),
        ] {
            for text in texts {
                assert_eq!(read(text), limit, "{text}");
            }
            assert_eq!(read(&limit.to_string()), limit, "{limit}");
        }
        let texts = [
            "2/1s",
            "100/1m",
            "9/1h:1",
            "3/500ms",
            "1/90s",
            "4/2w:strict",
            "9/1d:align=15h",
            "9/1500ms:align=500ms",
        ];
        assert_eq!(texts.map(|text| read(text).to_string()), texts);
    }

    #[test]
    fn a_list_reads_back_too() {
        let limits = Limit::per_second(10).burst(20).and(Limit::per_hour(1000).strict());
        assert_eq!(limits.to_string(), "10/1s:20, 1000/1h:strict");
        assert_eq!(limits.to_string().parse(), Ok(limits));
        assert_eq!("".parse::<Limits>(), Err(ParseLimitError::NoTime(String::new())));
        let nine = ["1/s"; 9].join(",");
        assert_eq!(nine.parse::<Limits>(), Err(ParseLimitError::Bounds(LimitError::Clauses)));
    }

    #[test]
    fn an_error_says_what_is_wrong_and_shows_what_is_right() {
        let parts = |text: &str| text.to_owned();
        for (text, error) in [
            ("", ParseLimitError::NoTime(parts(""))),
            ("2", ParseLimitError::NoTime(parts("2"))),
            ("two/s", ParseLimitError::Number(parts("two"))),
            ("-2/s", ParseLimitError::Number(parts("-2"))),
            ("2/", ParseLimitError::Time(parts(""))),
            ("2/1", ParseLimitError::Time(parts("1"))),
            ("2/fortnight", ParseLimitError::Time(parts("fortnight"))),
            ("2/99999999999999999999s", ParseLimitError::Time(parts("99999999999999999999s"))),
            ("2/s:", ParseLimitError::Form(parts(""))),
            ("2/s:fast", ParseLimitError::Form(parts("fast"))),
            ("2/s:strict=1", ParseLimitError::Form(parts("strict=1"))),
            ("2/s:5x", ParseLimitError::Number(parts("5x"))),
            ("2/s:5:strict", ParseLimitError::Number(parts("5:strict"))),
            ("2/s:align=soon", ParseLimitError::Time(parts("soon"))),
        ] {
            assert_eq!(text.parse::<Limit>(), Err(error.clone()));
            assert!(error.to_string().ends_with(EXAMPLES), "{error}");
        }
        assert_eq!("0/s".parse::<Limit>(), Err(LimitError::Count.into()));
        assert_eq!("2/s:0".parse::<Limit>(), Err(LimitError::Burst.into()));
        assert_eq!("2/s:align=1ms".parse::<Limit>(), Err(LimitError::Align.into()));
        // What the errors show is read.
        for text in ["2/s", "100/min", "2/1s:5", "100/1m:strict", "1000/1d:align=0"] {
            assert!(EXAMPLES.contains(text) && text.parse::<Limit>().is_ok(), "{text}");
        }
    }
}
