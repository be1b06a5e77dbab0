//! Which errors are outages: the server is not there, or it answers that it does not serve now.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What an error of the `redis` crate means for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nobody knows what became of the command.
    Unknown,
    /// The server says that it does not serve now: the command was not carried out.
    NotServing,
    /// Neither: somebody has to act, a retry does not help.
    Other,
}

/// What servers answer, by the first word, while they do not serve.
const NOT_SERVING: [&str; 10] = [
    "BUSY",        // a script or a module keeps it
    "CLUSTERDOWN", // a part of the cluster is not there
    "LOADING",     // it has not read its data yet
    "MASTERDOWN",  // a replica without its primary
    "MISCONF",     // it cannot write to its disk
    "NOREPLICAS",  // fewer replicas than `min-replicas-to-write`
    "OOM",         // `maxmemory` is reached, and this would be a new key
    "READONLY",    // a replica
    "TRYAGAIN",    // the slot is moving
    "UNBLOCKED",   // whoever waits in a server that becomes a replica
];

/// Sorts an error.
pub(crate) fn trouble(error: &RedisError) -> Trouble {
    match error.kind() {
        ErrorKind::Io | ErrorKind::ClusterConnectionNotFound => Trouble::Unknown,
        ErrorKind::MasterNameNotFoundBySentinel | ErrorKind::NoValidReplicasFoundBySentinel => {
            Trouble::NotServing
        }
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => Trouble::NotServing,
        _ if error.code().is_some_and(|code| NOT_SERVING.contains(&code)) => Trouble::NotServing,
        _ => Trouble::Other,
    }
}

/// Whether another connection may lead to a server that would serve: this one is a replica, or was cut off.
#[cfg(feature = "tokio")]
pub(crate) fn leads_elsewhere(error: &RedisError) -> bool {
    error.code().is_some_and(|code| ["LOADING", "MASTERDOWN", "READONLY", "UNBLOCKED"].contains(&code))
}
