//! What can go wrong, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use redis::{RedisError, ServerError};
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names::{self, CommandName};
use sluice_core::grammar::settings::MAX_WAIT_MS;

use crate::limit::LimitError;
use crate::outage::{Trouble, trouble};

/// A call that was not decided. Being limited, or a lock that somebody else holds, is no error.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// The server does not know the commands: the module is not loaded there.
    ModuleMissing(RedisError),
    /// The server could not be reached, or the connection to it broke. Whether it carried the command out is
    /// not known.
    Unreachable(RedisError),
    /// The server answers that it does not serve now, and did not carry the command out: it loads its data
    /// (`LOADING`), is a replica (`READONLY`), lacks its own (`NOREPLICAS`), its disk (`MISCONF`), memory for
    /// a new key (`OOM`) or a part of its cluster (`CLUSTERDOWN`), or a script keeps it (`BUSY`).
    NotServing(RedisError),
    /// The server has not answered anybody for so long, and was not asked again: nothing was sent.
    NotAsked {
        /// Since the first command was sent that was not answered in time.
        silent_for: Duration,
    },
    /// No answer within this deadline. Whether the server carried the command out is not known.
    TimedOut(Duration),
    /// This process waits for so many locks already, each with a connection. See
    /// `Locks::waiting_connections`.
    TooManyWaits(usize),
    /// A method of `sluice_client::sync` was called in async code, which it would block: nothing was sent. Use
    /// `sluice_client::Limiter` and `sluice_client::Locks` there, or `tokio::task::spawn_blocking`.
    InAsync,
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

    /// Whether it is an outage: the server could not be reached in time, or does not serve. What was chosen
    /// as [`Outage`](crate::Outage) applies to these, and a later call may work.
    pub fn is_unreachable(&self) -> bool {
        self.is_ambiguous() || matches!(self, Self::NotServing(_) | Self::NotAsked { .. })
    }

    /// Whether nobody knows what became of the call: the server may have carried it out.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TimedOut(_))
    }
}

#[cfg(feature = "tokio")]
impl Error {
    /// Whether it is this one, as the server says it.
    pub(crate) fn says(&self, error: CommandError) -> bool {
        let Self::Redis(said) = self else { return false };
        lines(said).first().and_then(|line| CommandError::recognise(line)) == Some(error)
    }
}

/// Whether an error of the `redis` crate says that the server does not know a command of the module.
pub fn is_module_missing(error: &RedisError) -> bool {
    lines(error).iter().any(|line| unknown_command(line).is_some())
}

/// The lines in which the server refused, as it sent them: several if it was a pipeline. The `redis` crate
/// has taken each apart, into a code and the rest.
fn lines(error: &RedisError) -> Vec<String> {
    if let (Some(code), Some(rest)) = (error.code(), error.detail()) {
        return vec![format!("{code} {rest}")];
    }
    let errors = error.clone().into_server_errors();
    let line = |error: &ServerError| format!("{} {}", error.code(), error.details().unwrap_or_default());
    errors.iter().flat_map(|errors| errors.iter()).map(|(_, error)| line(error)).collect()
}

/// The command of the module that a server says it does not know. The wording is the server's own: the
/// name as it was sent, between quotes or backticks, behind these words.
fn unknown_command(line: &str) -> Option<CommandName> {
    let quoted = line.strip_prefix("ERR unknown command ")?.split(['\'', '`']).nth(1)?;
    names::ALL.iter().copied().find(|name| name.as_str().eq_ignore_ascii_case(quoted))
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        match trouble(&error) {
            Trouble::Unknown => return Self::Unreachable(error),
            Trouble::NotServing => return Self::NotServing(error),
            Trouble::Other => {}
        }
        let lines = lines(&error);
        match lines.first().and_then(|line| CommandError::recognise(line)) {
            Some(CommandError::WrongType) => Self::WrongType(error),
            Some(CommandError::MaxWaitSetting) => Self::MaxWait(error),
            None if lines.iter().any(|line| unknown_command(line).is_some()) => Self::ModuleMissing(error),
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
            Self::NotServing(error) => write!(f, "the server does not serve now: {error}"),
            Self::NotAsked { silent_for } => {
                write!(f, "the server has been silent for {silent_for:.1?} and was not asked again")
            }
            Self::TimedOut(deadline) => {
                write!(
                    f,
                    "no answer within {deadline:?}: is the server overloaded, or the deadline too short?"
                )
            }
            Self::MaxWait(_) => write!(
                f,
                "the longest wait is above the server's: ask for less, or raise its setting with \
                 `CONFIG SET sluice.{}`",
                MAX_WAIT_MS.name.to_string_lossy()
            ),
            Self::InAsync => f.write_str(
                "sluice_client::sync was called in async code, which it would block: use sluice_client::Limiter and \
                 sluice_client::Locks there, or tokio::task::spawn_blocking",
            ),
            Self::TooManyWaits(locks) => write!(
                f,
                "this process waits for {locks} other locks already: raise waiting_connections, or wait for fewer"
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
    /// Only what the text does not say already: whoever prints the chain reads nothing twice.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::ModuleMissing(error) | Self::MaxWait(error) | Self::WrongType(error) => Some(error),
            Self::Unreachable(_)
            | Self::NotServing(_)
            | Self::NotAsked { .. }
            | Self::TimedOut(_)
            | Self::TooManyWaits(_)
            | Self::InAsync
            | Self::Limit(_)
            | Self::Redis(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use redis::{ConnectionLike, RedisResult, Value, parse_redis_value};

    use super::*;

    /// What the `redis` crate makes of a line that the server sends.
    fn sent(line: &str) -> RedisError {
        let value = parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    /// A connection on which a pipeline is answered this.
    struct Answers(Value);

    impl ConnectionLike for Answers {
        fn req_packed_command(&mut self, _: &[u8]) -> RedisResult<Value> {
            unreachable!("it is sent a pipeline")
        }

        fn req_packed_commands(&mut self, _: &[u8], _: usize, _: usize) -> RedisResult<Vec<Value>> {
            Ok(self.0.as_sequence().unwrap().to_vec())
        }

        fn get_db(&self) -> i64 {
            0
        }

        fn check_connection(&mut self) -> bool {
            true
        }

        fn is_open(&self) -> bool {
            true
        }
    }

    /// What it makes of a pipeline that is answered so.
    fn sent_in_a_pipeline(lines: [&str; 3]) -> RedisError {
        let answers = parse_redis_value(format!("*3\r\n{}\r\n", lines.join("\r\n")).as_bytes()).unwrap();
        let mut pipeline = redis::pipe();
        lines.iter().for_each(|_| _ = pipeline.cmd("PING"));
        pipeline.query::<Value>(&mut Answers(answers)).unwrap_err()
    }

    #[test]
    fn every_error_of_the_module_is_known_again_from_what_the_redis_crate_leaves_of_it() {
        for error in CommandError::all() {
            for name in names::ALL {
                let text = error.text(*name);
                let lines = lines(&sent(text.to_str().unwrap()));
                assert_eq!(lines, [text.to_str().unwrap()]);
                assert_eq!(CommandError::recognise(&lines[0]), Some(error));
            }
        }
    }

    #[test]
    fn errors_that_somebody_can_do_something_about_are_told_apart() {
        let text =
            |error: CommandError| error.text(names::RATELIMIT_ACQUIRE).into_owned().into_string().unwrap();
        assert!(matches!(Error::from(sent(&text(CommandError::WrongType))), Error::WrongType(_)));
        let error = Error::from(sent(&text(CommandError::MaxWaitSetting)));
        assert!(matches!(error, Error::MaxWait(_)), "{error}");
        assert!(error.to_string().ends_with("`CONFIG SET sluice.max-wait-ms`"), "{error}");
        for line in [
            "BUSY Redis is busy running a script.",
            "CLUSTERDOWN Hash slot not served",
            "LOADING Redis is loading the dataset in memory",
            "MASTERDOWN Link with MASTER is down",
            "MISCONF Redis is configured to save RDB snapshots",
            "MOVED 1234 127.0.0.1:6381",
            "NOREPLICAS Not enough good replicas to write.",
            "OOM command not allowed when used memory > 'maxmemory'.",
            "READONLY You can't write against a read only replica.",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "UNBLOCKED force unblock",
        ] {
            let error = Error::from(sent(line));
            assert!(error.is_unreachable() && !error.is_ambiguous(), "{line}");
        }
        for line in [&text(CommandError::Owner), "ERR max-wait-ms", "WRONGTYPE of something else", "BUSYKEY"]
        {
            assert!(matches!(Error::from(sent(line)), Error::Redis(_)), "{line}");
        }
    }

    #[test]
    fn what_a_chain_of_causes_prints_is_said_once() {
        let broken: RedisError = std::io::Error::from(std::io::ErrorKind::BrokenPipe).into();
        for error in [broken, sent("OOM no memory"), sent("ERR something")] {
            let text = error.to_string();
            let error = Error::from(error);
            let mut chain = vec![error.to_string()];
            let mut source = error.source();
            while let Some(cause) = source {
                chain.push(cause.to_string());
                source = cause.source();
            }
            assert_eq!(chain.join(": ").matches(&text).count(), 1, "{chain:?}");
        }
    }

    #[test]
    fn a_server_without_the_module_is_known_by_what_it_says_of_its_commands() {
        for line in [
            "ERR unknown command 'RATELIMIT.ACQUIRE', with args beginning with: 'k' 'LIMIT' '1' 'PX' '1000' ",
            "ERR unknown command 'lock.try', with args beginning with: 'k' ",
            "ERR unknown command `LOCK.TRY`, with args beginning with: `k`, ",
        ] {
            assert!(Error::from(sent(line)).is_module_missing(), "{line}");
            let error = sent_in_a_pipeline(["+OK", "-ERR no", &format!("-{line}")]);
            assert!(is_module_missing(&error) && Error::from(error).is_module_missing(), "{line}");
        }
        for line in [
            "ERR unknown command 'NO.SUCH', with args beginning with: 'lock.try' ",
            "ERR unknown command",
            "NOPERM this user has no permissions to run the 'lock.try' command",
        ] {
            assert!(!is_module_missing(&sent(line)), "{line}");
        }
    }
}
