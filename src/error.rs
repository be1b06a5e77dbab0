//! The errors that a command can answer, each a fixed text. User bytes are never echoed.

use std::borrow::Cow;
use std::ffi::{CStr, CString};

use sluice_core::grammar::GrammarError;

use crate::server::Refused;

/// Why a command was not carried out. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Error {
    /// The words are not those of the command.
    Grammar(GrammarError),
    /// MAXWAIT is above the setting.
    MaxWaitSetting,
    /// As many clients wait for the lock as the setting allows.
    TooManyWaiters,
    /// LOCK.LOAD of a fence that would use up all others.
    Fence,
    /// LOCK.LOAD by anybody but the server.
    NotReplayed,
    /// The key holds something else.
    WrongType,
    /// The key would be new, and memory is full.
    OutOfMemory,
    /// The server did not do what it always does. Not seen to happen.
    Server,
}

impl Error {
    /// The text as the client gets it, for a command of this name. Redis's own wording where it
    /// has one.
    pub(crate) fn text(self, command: &CStr) -> Cow<'static, CStr> {
        Cow::Borrowed(match self {
            Self::Grammar(error) => match error {
                GrammarError::Syntax => c"ERR syntax error",
                GrammarError::NotAnInteger => c"ERR value is not an integer or out of range",
                GrammarError::Time => return invalid_expire_time(command),
                GrammarError::Count => c"ERR LIMIT must be at least 1",
                GrammarError::Burst => c"ERR BURST must be at least 1",
                GrammarError::Cost => c"ERR COST must not be negative",
                GrammarError::MaxWait => c"ERR MAXWAIT must be from 0 to 3155760000000 ms (100 years)",
                GrammarError::Due => c"ERR DUE must be from 0 to 3155760000000 ms (100 years)",
                GrammarError::TooFast => c"ERR LIMIT is more than one token a nanosecond",
                GrammarError::TooSlow => c"ERR BURST takes more than 100 years to refill",
                GrammarError::TooManyClauses => c"ERR at most 8 LIMIT clauses",
                GrammarError::NoCost => c"ERR COST must be above 0 in at least one LIMIT",
                GrammarError::Owner => c"ERR owner must be 1 to 512 bytes",
                GrammarError::Holders => c"ERR HOLDERS must be from 1 to 1024",
                GrammarError::Block => c"ERR BLOCK must be from 0 to 3155760000000 ms (100 years)",
                GrammarError::UnequalCosts => c"ERR PARTIAL needs the same COST in every LIMIT",
            },
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
}

fn invalid_expire_time(command: &CStr) -> Cow<'static, CStr> {
    let text = format!("ERR invalid expire time in '{}' command", command.to_string_lossy());
    CString::new(text).map_or(Cow::Borrowed(c"ERR invalid expire time"), Cow::Owned)
}

impl From<GrammarError> for Error {
    fn from(error: GrammarError) -> Self {
        Self::Grammar(error)
    }
}

impl From<Refused> for Error {
    fn from(_: Refused) -> Self {
        Self::Server
    }
}
