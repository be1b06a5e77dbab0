//! Every error that a command can answer, each a fixed text. Bytes of the user's are never echoed.
//!
//! The wording is Redis's own where it has one. The module answers [`CommandError::text`]; the client knows an error
//! again by [`CommandError::recognise`].

use std::borrow::Cow;
use std::ffi::{CStr, CString};

use super::keyword::Keyword;
use super::names::{self, CommandName};
use crate::limit::quota::QuotaError;
use crate::throttle::ThrottleError;

/// Why a command was not carried out. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandError {
    /// An unknown word, a word too many, or words that exclude each other.
    Syntax,
    /// More words than the command can have.
    Arity,
    /// A value is missing behind this word.
    ValueMissing(Keyword),
    /// What stands behind this word is not a canonical 64-bit integer.
    NotAnInteger(Keyword),
    /// A value that has no word in front is not one.
    NoInteger,
    /// This word stands before any `LIMIT`.
    OutsideLimit(Keyword),
    /// This word is said twice.
    Twice(Keyword),
    /// This word is of another command.
    Foreign(Keyword),
    /// There is no `LIMIT`.
    NoLimit,
    /// A `LIMIT` without `EX` or `PX`.
    NoPeriod,
    /// More than one of `PARTIAL`, `FORCE` and `MAXWAIT`.
    Modes,
    /// A lock without `PX` or `EX`.
    NoLease,
    /// `LOCK.ACQUIRE` without `BLOCK`.
    NoBlock,
    /// `EX` or `PX` is 0, negative, or beyond 100 years.
    Time,
    /// The time of `RATELIMIT.TURN` is negative or beyond 100 years.
    Told,
    /// The count of a `LIMIT` is not 1 or more.
    Count,
    /// `BURST` is not 1 or more.
    Burst,
    /// `ALIGN` is negative or beyond 100 years.
    Align,
    /// `COST` is negative.
    Cost,
    /// `MAXWAIT` is negative or beyond 100 years.
    MaxWait,
    /// `DUE` is negative or beyond 100 years.
    Due,
    /// `AT` is the act of no turn that there can be.
    At,
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
    /// A call names a policy that there is not.
    NoPolicy,
    /// A policy's name is empty, longer than [`MAX_NAME_LEN`](crate::policy::definition::MAX_NAME_LEN), or has other
    /// characters than it may.
    PolicyName,
    /// Two policies of one text have the same name.
    PolicyTwice,
    /// `EX` or `PX` of a policy in a text is 0, negative, or beyond 100 years.
    PolicyTime,
    /// More than [`MAX_POLICIES`](crate::policy::text::MAX_POLICIES) policies.
    TooManyPolicies,
    /// All policies together are longer than [`MAX_TEXT_LEN`](crate::policy::text::MAX_TEXT_LEN).
    PoliciesTooLong,
    /// More numbers behind `COST` than a policy can have limits.
    TooManyCosts,
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
    /// As many clients wait for locks as the setting allows in all.
    TooManyWaitersInAll,
    /// A wait is over because the user's rights have been taken away.
    NoPermission,
    /// A wait is over because the server has become a read-only replica.
    Unblocked,
    /// A wait is over because the key's slot is on its way to another node.
    SlotMoves,
    /// The server does not let the key be written now.
    TryAgain,
    /// No fence is left above the last one.
    NoFence,
    /// `LOCK.LOAD` of a fence that would use up all others.
    Fence,
    /// `LOCK.LOAD` by anybody but the server.
    NotReplayed,
    /// `RATELIMIT.TOP` of no key, or of more than [`MAX_SHOWN`](crate::top::MAX_SHOWN).
    Shown,
    /// Fewer or more words than `CL.THROTTLE` takes. Like the next three, in redis-cell's words.
    CellUsage,
    /// A word of `CL.THROTTLE` is not a 64-bit integer. redis-cell repeats the word behind a colon.
    CellInteger,
    /// `CL.THROTTLE` with a count or a period of 0, or with more than one token a nanosecond.
    CellZeroRate,
    /// `CL.THROTTLE` gives back more than had been taken.
    CellExpiry,
    /// The key holds something else.
    WrongType,
    /// The key would be new, and memory is full.
    OutOfMemory,
    /// The server did not do what it always does. Not seen to happen.
    Server,
}

impl CommandError {
    /// Every error; those that name a keyword, for each that they can name.
    pub fn all() -> impl Iterator<Item = Self> {
        use Keyword::*;
        let with_value = [Limit, Ex, Px, Burst, Align, Cost, MaxWait, Due, At, Holders, Block];
        let of_a_limit = [Ex, Px, Burst, Align, Cost];
        let once = [Burst, Cost, Due, At, Shadow, Holders, Block];
        let elsewhere = [Partial, Force, MaxWait, Due, At, Block, Holders];
        let plain = [
            Self::Syntax,
            Self::Arity,
            Self::NoInteger,
            Self::NoLimit,
            Self::NoPeriod,
            Self::Modes,
            Self::NoLease,
            Self::NoBlock,
            Self::Time,
            Self::Told,
            Self::Count,
            Self::Burst,
            Self::Align,
            Self::Cost,
            Self::MaxWait,
            Self::Due,
            Self::At,
            Self::TooFast,
            Self::TooSlow,
            Self::TooManyClauses,
            Self::NoCost,
            Self::UnequalCosts,
            Self::NoPolicy,
            Self::PolicyName,
            Self::PolicyTwice,
            Self::PolicyTime,
            Self::TooManyPolicies,
            Self::PoliciesTooLong,
            Self::TooManyCosts,
            Self::Owner,
            Self::Holders,
            Self::Block,
            Self::MaxWaitSetting,
            Self::TooManyWaiters,
            Self::TooManyWaitersInAll,
            Self::NoPermission,
            Self::Unblocked,
            Self::SlotMoves,
            Self::TryAgain,
            Self::NoFence,
            Self::Fence,
            Self::NotReplayed,
            Self::Shown,
            Self::CellUsage,
            Self::CellInteger,
            Self::CellZeroRate,
            Self::CellExpiry,
            Self::WrongType,
            Self::OutOfMemory,
            Self::Server,
        ];
        plain
            .into_iter()
            .chain(with_value.map(Self::ValueMissing))
            .chain(with_value.map(Self::NotAnInteger))
            .chain(of_a_limit.map(Self::OutsideLimit))
            .chain(once.map(Self::Twice))
            .chain(elsewhere.map(Self::Foreign))
    }

    /// The text as the client gets it from this command.
    pub fn text(self, command: CommandName) -> Cow<'static, CStr> {
        let name = command.lower().to_string_lossy();
        let written = |text: String| CString::new(text).map_or(Cow::Borrowed(c"ERR"), Cow::Owned);
        Cow::Borrowed(match self {
            Self::Syntax => c"ERR syntax error",
            Self::Arity => return written(format!("ERR wrong number of arguments for '{name}' command")),
            Self::ValueMissing(word) => return written(format!("ERR {} needs a number", word.as_str())),
            Self::NotAnInteger(Keyword::Limit) => c"ERR LIMIT count is not an integer or out of range",
            Self::NotAnInteger(word) => {
                return written(format!("ERR {} is not an integer or out of range", word.as_str()));
            }
            Self::NoInteger => c"ERR value is not an integer or out of range",
            Self::OutsideLimit(word) => return written(format!("ERR {} belongs behind a LIMIT", word.as_str())),
            Self::Twice(word) => return written(format!("ERR {} is said twice", word.as_str())),
            Self::Foreign(word) => return written(format!("ERR {} is no option of '{name}'", word.as_str())),
            Self::NoLimit => c"ERR a LIMIT is needed",
            Self::NoPeriod => c"ERR LIMIT needs EX or PX",
            Self::Modes => c"ERR only one of PARTIAL, FORCE and MAXWAIT",
            Self::NoLease => c"ERR the lease needs PX or EX",
            Self::NoBlock => c"ERR BLOCK is needed",
            Self::Time => return written(format!("ERR invalid expire time in '{name}' command")),
            Self::Told => c"ERR the time must be from 0 to 3155760000000 ms (100 years)",
            Self::Count => c"ERR LIMIT must be at least 1",
            Self::Burst => c"ERR BURST must be at least 1",
            Self::Align => c"ERR ALIGN must be from 0 to 3155760000 s (100 years)",
            Self::Cost => c"ERR COST must not be negative",
            Self::MaxWait => c"ERR MAXWAIT must be from 0 to 3155760000000 ms (100 years)",
            Self::Due => c"ERR DUE must be from 0 to 3155760000000 ms (100 years)",
            Self::At => c"ERR AT must be the act_us of a turn: at most an hour ago, and no later than sluice.max-wait-ms from now",
            Self::TooFast => c"ERR LIMIT is more than one token a nanosecond",
            Self::TooSlow => c"ERR BURST takes more than 100 years to refill",
            Self::TooManyClauses => c"ERR at most 8 LIMIT clauses",
            Self::NoCost => c"ERR COST must be above 0 in at least one LIMIT",
            Self::UnequalCosts => c"ERR PARTIAL needs the same COST in every LIMIT",
            Self::NoPolicy => c"NOPOLICY no such policy",
            Self::PolicyName => c"ERR a policy's name is 1 to 64 of A-Z a-z 0-9 . _ -",
            Self::PolicyTwice => c"ERR a policy of this name was said before",
            Self::PolicyTime => c"ERR EX and PX must be at least 1 and at most 100 years (3155760000 s)",
            Self::TooManyPolicies => c"ERR at most 256 policies",
            Self::PoliciesTooLong => c"ERR all policies together must be at most 65536 bytes of text",
            Self::TooManyCosts => c"ERR COST takes at most 8 numbers",
            Self::Owner => c"ERR owner must be 1 to 512 bytes",
            Self::Holders => c"ERR HOLDERS must be from 1 to 1024",
            Self::Block => c"ERR BLOCK must be from 0 to 3155760000000 ms (100 years)",
            Self::MaxWaitSetting => c"ERR MAXWAIT is above the setting sluice.max-wait-ms",
            Self::TooManyWaiters => {
                c"ERR too many clients wait for this lock, see the setting sluice.max-waiters"
            }
            Self::TooManyWaitersInAll => {
                c"ERR too many clients wait for locks, see the setting sluice.max-waiters-total"
            }
            Self::NoPermission => c"NOPERM this user may no longer take the lock it has waited for",
            Self::Unblocked => c"UNBLOCKED this server has become a read-only replica, wait on the primary",
            Self::SlotMoves => c"TRYAGAIN the slot of this lock is moving to another node, ask again",
            Self::TryAgain => c"TRYAGAIN the server does not let the key be written now",
            Self::NoFence => c"ERR no fence is left on this server, as it was given one near the last",
            Self::Fence => c"ERR fence is out of range",
            Self::NotReplayed => c"ERR LOCK.LOAD is for replication and AOF only",
            Self::Shown => c"ERR the number of keys must be from 1 to 512",
            Self::CellUsage => {
                c"Cell error: Store error: Usage: cl.throttle <key> <max_burst> <count per period> <period> [<quantity>]"
            }
            Self::CellInteger => c"Cell error: Store error: Couldn't parse as integer",
            Self::CellZeroRate => c"Cell error: Store error: Zero rates are not supported",
            Self::CellExpiry => c"Cell error: Store error: Error while setting key expire",
            Self::WrongType => c"WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::OutOfMemory => c"OOM command not allowed when used memory > 'maxmemory'.",
            Self::Server => c"ERR the server refused to write the key",
        })
    }

    /// The error whose text this is, whatever command answered it; `None` for what is none of ours.
    pub fn recognise(text: &str) -> Option<Self> {
        Self::all()
            .find(|error| names::ALL.iter().any(|name| error.text(*name).to_bytes() == text.as_bytes()))
    }
}

impl From<QuotaError> for CommandError {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Count => Self::Count,
            QuotaError::Period => Self::Time,
            QuotaError::Burst => Self::Burst,
            QuotaError::TooFast => Self::TooFast,
            QuotaError::TooSlow => Self::TooSlow,
            QuotaError::Align => Self::Align,
        }
    }
}

impl From<ThrottleError> for CommandError {
    fn from(error: ThrottleError) -> Self {
        match error {
            ThrottleError::ZeroRate => Self::CellZeroRate,
            ThrottleError::Expiry => Self::CellExpiry,
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
        for error in CommandError::all() {
            for name in names::ALL {
                assert_eq!(CommandError::recognise(error.text(*name).to_str().unwrap()), Some(error));
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
            (CommandError::Told, MAX_MS),
            (CommandError::Align, crate::limit::quota::MAX_OFFSET_S),
            (CommandError::TooManyClauses, MAX_CLAUSES as u64),
            (CommandError::TooManyCosts, MAX_CLAUSES as u64),
            (CommandError::Owner, MAX_OWNER_LEN as u64),
            (CommandError::Holders, MAX_HOLDERS as u64),
            (CommandError::Shown, crate::top::MAX_SHOWN as u64),
        ] {
            assert!(text(error).split(' ').any(|word| word == bound.to_string()), "{}", text(error));
        }
    }

    #[test]
    fn texts_name_the_settings_that_they_speak_of() {
        use crate::grammar::settings::{MAX_WAIT_MS, MAX_WAITERS, MAX_WAITERS_TOTAL};
        for (error, setting) in [
            (CommandError::MaxWaitSetting, MAX_WAIT_MS),
            (CommandError::TooManyWaiters, MAX_WAITERS),
            (CommandError::TooManyWaitersInAll, MAX_WAITERS_TOTAL),
        ] {
            let name = format!("sluice.{}", setting.name.to_str().unwrap());
            assert!(text(error).ends_with(&name), "{}", text(error));
        }
    }
}
