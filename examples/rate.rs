//! `--rate` of both programs, read by the client: `2/s`, `100/min`, `2/1s:5`, `100/1m:strict`,
//! `1000/1d:align=0`.

use std::fmt;
use std::str::FromStr;

use humantime::format_duration;
use sluice_client::{Limit, LimitKind, ParseLimitError};

/// How it is written, for the help.
pub(crate) const FORM: &str = "COUNT/TIME[:BURST|:strict|:align=OFFSET]";

/// A limit that spaces calls evenly, unless the text says behind a colon how tokens come back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate(Limit);

impl Rate {
    pub(crate) const fn limit(self) -> Limit {
        self.0
    }
}

impl FromStr for Rate {
    type Err = ParseLimitError;

    fn from_str(text: &str) -> Result<Self, ParseLimitError> {
        let limit: Limit = text.parse()?;
        Ok(Self(if text.contains(':') { limit } else { limit.try_burst(1)? }))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, period) = (self.0.count(), format_duration(self.0.period()));
        match self.0.kind() {
            LimitKind::Strict => write!(f, "{count} in any {period}"),
            LimitKind::Aligned { .. } => write!(f, "{count} in each {period} of the calendar"),
            _ if self.0.capacity() == 1 => write!(f, "{count} in {period}, evenly spaced,"),
            _ => write!(f, "{count} in {period}, {} of them at once,", self.0.capacity()),
        }
    }
}
