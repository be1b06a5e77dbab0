//! A rate as it is written on the command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sluice_client::{Limit, LimitError};

/// `2/1s`, `100/1m:20`
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    count: u64,
    period: Duration,
    pub(crate) burst: Option<u64>,
}

impl Rate {
    pub(crate) fn limit(&self, burst: u64) -> Result<Limit, LimitError> {
        Limit::try_per(self.count, self.period)?.try_burst(burst)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            text.parse()
                .map_err(|_| format!("{text:?} is no whole number; a rate is written as 2/1s or 100/1m:20"))
        };
        let (count, rest) = text.split_once('/').ok_or("a rate is written as 2/1s or 100/1m:20")?;
        let (period, burst) = match rest.split_once(':') {
            Some((period, burst)) => (period, Some(number(burst)?)),
            None => (rest, None),
        };
        let period = humantime::parse_duration(period)
            .map_err(|error| format!("{period:?} is no time such as 1s or 500ms: {error}"))?;
        let rate = Self { count: number(count)?, period, burst };
        rate.limit(burst.unwrap_or(1)).map_err(|error| error.to_string())?;
        Ok(rate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests in {}", self.count, humantime::format_duration(self.period))
    }
}
