//! Every error that a command can answer, each a fixed text. Bytes of the user's are never echoed.
//!
//! The wording is Redis's own where it has one. The module answers [`CommandError::text`]; the client knows an error
//! again by [`CommandError::recognise`].

use std::borrow::Cow;
use std::ffi::{CStr, CString};

use super::names::{self, CommandName};
use crate::limit::quota::QuotaError;

/// Why a command was not carried out. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// An unknown word, a word twice, a value missing, or no `LIMIT` at all.
    Syntax,
    /// Not a canonical 64-bit integer.
    NotAnInteger,
    /// `EX` or `PX` is 0, negative, or beyond 100 years.
    Time,
    /// The count of a `LIMIT` is not 1 or more.
    Count,
    /// `BURST` is not 1 or more.
    Burst,
    /// `COST` is negative.
    Cost,
    /// `MAXWAIT` is negative or beyond 100 years.
    MaxWait,
    /// `DUE` is negative or beyond 100 years.
    Due,
    /// More than one token a nanosecond.
    TooFast,
    /// A full bucket would take more than 100 years to refill.
    TooSlow,
    /// More than [`MAX_CLAUSES`](crate::limit::call::MAX_CLAUSES) clauses.
    TooManyClauses,
    /// No clause has a cost above 0.
    NoCost,
    /// `PARTIAL` with different costs.
    UnequalCosts,
    /// The owner of a lock is empty or longer than [`MAX_OWNER_LEN`](crate::lock::MAX_OWNER_LEN).
    Owner,
    /// `HOLDERS` is not 1 to [`MAX_HOLDERS`](crate::lock::MAX_HOLDERS).
    Holders,
    /// `BLOCK` is negative or beyond 100 years.
    Block,
    /// `MAXWAIT` is above the setting.
    MaxWaitSetting,
    /// As many clients wait for the lock as the setting allows.
    TooManyWaiters,
    /// `LOCK.LOAD` of a fence that would use up all others.
    Fence,
    /// `LOCK.LOAD` by anybody but the server.
    NotReplayed,
    /// The key holds something else.
    WrongType,
    /// The key would be new, and memory is full.
    OutOfMemory,
    /// The server did not do what it always does. Not seen to happen.
    Server,
}

impl CommandError {
    /// Every error.
    pub const ALL: &'static [Self] = &[
        Self::Syntax,
        Self::NotAnInteger,
        Self::Time,
        Self::Count,
        Self::Burst,
        Self::Cost,
        Self::MaxWait,
        Self::Due,
        Self::TooFast,
        Self::TooSlow,
        Self::TooManyClauses,
        Self::NoCost,
        Self::UnequalCosts,
        Self::Owner,
        Self::Holders,
        Self::Block,
        Self::MaxWaitSetting,
        Self::TooManyWaiters,
        Self::Fence,
        Self::NotReplayed,
        Self::WrongType,
        Self::OutOfMemory,
        Self::Server,
    ];

    /// The text as the client gets it from this command.
    pub fn text(self, command: CommandName) -> Cow<'static, CStr> {
        Cow::Borrowed(match self {
            Self::Syntax => c"ERR syntax error",
            Self::NotAnInteger => c"ERR value is not an integer or out of range",
            Self::Time => return invalid_expire_time(command),
            Self::Count => c"ERR LIMIT must be at least 1",
            Self::Burst => c"ERR BURST must be at least 1",
            Self::Cost => c"ERR COST must not be negative",
            Self::MaxWait => c"ERR MAXWAIT must be from 0 to 3155760000000 ms (100 years)",
            Self::Due => c"ERR DUE must be from 0 to 3155760000000 ms (100 years)",
            Self::TooFast => c"ERR LIMIT is more than one token a nanosecond",
            Self::TooSlow => c"ERR BURST takes more than 100 years to refill",
            Self::TooManyClauses => c"ERR at most 8 LIMIT clauses",
            Self::NoCost => c"ERR COST must be above 0 in at least one LIMIT",
            Self::UnequalCosts => c"ERR PARTIAL needs the same COST in every LIMIT",
            Self::Owner => c"ERR owner must be 1 to 512 bytes",
            Self::Holders => c"ERR HOLDERS must be from 1 to 1024",
            Self::Block => c"ERR BLOCK must be from 0 to 3155760000000 ms (100 years)",
            Self::MaxWaitSetting => c"ERR MAXWAIT is above the setting sluice.max-wait-ms",
            Self::TooManyWaiters => {
                c"ERR too many clients wait for this lock, see the setting sluice.max-waiters"
            }
            Self::Fence => c"ERR fence is out of range",
            Self::NotReplayed => c"ERR LOCK.LOAD is for replication and AOF only",
            Self::WrongType => c"WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::OutOfMemory => c"OOM command not allowed when used memory > 'maxmemory'.",
            Self::Server => c"ERR the server refused to write the key",
        })
    }

    /// The error whose text this is, whatever command answered it; `None` for what is none of ours.
    pub fn recognise(text: &str) -> Option<Self> {
        let is =
            |error: &&Self| names::ALL.iter().any(|name| error.text(*name).to_bytes() == text.as_bytes());
        Self::ALL.iter().find(is).copied()
    }
}

fn invalid_expire_time(command: CommandName) -> Cow<'static, CStr> {
    let text = format!("ERR invalid expire time in '{}' command", command.lower().to_string_lossy());
    CString::new(text).map_or(Cow::Borrowed(c"ERR invalid expire time"), Cow::Owned)
}

impl From<QuotaError> for CommandError {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Count => Self::Count,
            QuotaError::Period => Self::Time,
            QuotaError::Burst => Self::Burst,
            QuotaError::TooFast => Self::TooFast,
            QuotaError::TooSlow => Self::TooSlow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::call::MAX_CLAUSES;
    use crate::lock::{MAX_HOLDERS, MAX_OWNER_LEN};
    use crate::time::MAX_MS;

    fn text(error: CommandError) -> String {
        error.text(names::LOCK_TRY).to_str().unwrap().to_owned()
    }

    #[test]
    fn every_text_is_known_again_and_no_other() {
        for error in CommandError::ALL {
            for name in names::ALL {
                assert_eq!(CommandError::recognise(error.text(*name).to_str().unwrap()), Some(*error));
            }
        }
        assert_eq!(CommandError::recognise("ERR no such key"), None);
    }

    #[test]
    fn texts_name_the_bounds_that_are_checked() {
        for (error, bound) in [
            (CommandError::MaxWait, MAX_MS),
            (CommandError::Due, MAX_MS),
            (CommandError::Block, MAX_MS),
            (CommandError::TooManyClauses, MAX_CLAUSES as u64),
            (CommandError::Owner, MAX_OWNER_LEN as u64),
            (CommandError::Holders, MAX_HOLDERS as u64),
        ] {
            assert!(text(error).split(' ').any(|word| word == bound.to_string()), "{}", text(error));
        }
    }

    #[test]
    fn texts_name_the_settings_that_they_speak_of() {
        use crate::grammar::settings::{MAX_WAIT_MS, MAX_WAITERS};
        for (error, setting) in
            [(CommandError::MaxWaitSetting, MAX_WAIT_MS), (CommandError::TooManyWaiters, MAX_WAITERS)]
        {
            let name = format!("sluice.{}", setting.name.to_str().unwrap());
            assert!(text(error).ends_with(&name), "{}", text(error));
        }
    }
}
