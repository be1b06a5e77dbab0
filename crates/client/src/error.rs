//! What can go wrong, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::LimitError;

/// A call that was not decided. Being limited, or a lock that somebody else holds, is no error.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The server does not know the commands: the module is not loaded there.
    ModuleMissing(RedisError),
    /// The server could not be reached, or does not serve now (loading, failing over). Whether it
    /// carried the command out is not known.
    Unreachable(RedisError),
    /// No answer within this deadline. Whether the server carried the command out is not known.
    TimedOut(Duration),
    /// The wait that was asked for is above the server's setting `sluice.max-wait-ms`.
    MaxWait(RedisError),
    /// The key holds something else.
    WrongType(RedisError),
    /// The limits are out of bounds.
    Limit(LimitError),
    /// Any other error of the server or of the `redis` crate.
    Redis(RedisError),
}

/// What a call comes to.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the server lacks the module. No retry helps, nor is it an outage: somebody has to load it.
    pub fn is_module_missing(&self) -> bool {
        matches!(self, Self::ModuleMissing(_))
    }

    /// Whether the server could not be reached in time, so that nobody knows what became of the call.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut(_))
    }
}

/// Whether an error of the `redis` crate says that the server does not know a command of the module.
pub fn is_module_missing(error: &RedisError) -> bool {
    let unknown = |text: &str| {
        let text = text.to_ascii_lowercase();
        text.contains("unknown command") && (text.contains("ratelimit.") || text.contains("lock."))
    };
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ResponseError)) && unknown(&error.to_string())
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        use ServerErrorKind as Server;
        match (error.kind(), error.code()) {
            (ErrorKind::Io | ErrorKind::ClusterConnectionNotFound, _) => Self::Unreachable(error),
            (
                ErrorKind::Server(
                    Server::BusyLoading
                    | Server::ClusterDown
                    | Server::MasterDown
                    | Server::ReadOnly
                    | Server::TryAgain
                    | Server::Moved
                    | Server::Ask,
                ),
                _,
            ) => Self::Unreachable(error),
            (_, Some("UNBLOCKED")) => Self::Unreachable(error),
            (_, Some("WRONGTYPE")) => Self::WrongType(error),
            _ if is_module_missing(&error) => Self::ModuleMissing(error),
            _ if error.detail().is_some_and(|text| text.contains("sluice.max-wait-ms")) => {
                Self::MaxWait(error)
            }
            _ => Self::Redis(error),
        }
    }
}

impl From<LimitError> for Error {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ModuleMissing(_) => f.write_str(
                "the server does not know the commands of Sluice: load the module on every node, with \
                 `loadmodule /path/to/libsluice.so` in its configuration or with MODULE LOAD",
            ),
            Self::Unreachable(error) => write!(f, "the server cannot be reached: {error}"),
            Self::TimedOut(deadline) => {
                write!(
                    f,
                    "no answer within {deadline:?}: is the server overloaded, or the deadline too short?"
                )
            }
            Self::MaxWait(_) => f.write_str(
                "the longest wait is above the server's: ask for less, or raise its setting with \
                 `CONFIG SET sluice.max-wait-ms`",
            ),
            Self::WrongType(_) => f.write_str(
                "the key holds something else: give limits and locks keys of their own, or delete it",
            ),
            Self::Limit(error) => error.fmt(f),
            Self::Redis(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::ModuleMissing(error)
            | Self::Unreachable(error)
            | Self::MaxWait(error)
            | Self::WrongType(error)
            | Self::Redis(error) => Some(error),
            Self::Limit(error) => Some(error),
            Self::TimedOut(_) => None,
        }
    }
}
