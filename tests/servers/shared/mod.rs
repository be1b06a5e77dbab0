//! What tests of several folders need, written once.

pub(crate) mod documented;
pub(crate) mod hostile;
pub(crate) mod kept;
pub(crate) mod nodes;
pub(crate) mod permissions;
pub(crate) mod random;

use sluice_testing::{Client, Kind, Server, until};

/// Where the clock of a test begins.
pub(crate) const NOON_MS: i64 = 1_800_000_000_000;

pub(crate) const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
pub(crate) const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

/// A server at noon, and a client of it.
#[track_caller]
pub(crate) fn at_noon(kind: Kind) -> (Server, Client) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let client = server.connect();
    (server, client)
}

/// The words of a line, a command and its key first, as a call from a script.
pub(crate) fn script(line: &str) -> Vec<String> {
    let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
    let start = ["EVAL", "return redis.pcall(ARGV[1], KEYS[1], unpack(ARGV, 2))", "1", &words[1], &words[0]];
    start.into_iter().map(str::to_owned).chain(words[2..].iter().cloned()).collect()
}

/// A field of INFO that is a number.
#[track_caller]
pub(crate) fn number(client: &mut Client, section: &str, field: &str) -> u64 {
    client.info(section, field).parse().unwrap()
}

#[track_caller]
pub(crate) fn until_rewritten(client: &mut Client) {
    until("the file is rewritten", || client.info("persistence", "aof_rewrite_in_progress") == "0");
    assert_eq!(client.info("persistence", "aof_last_bgrewrite_status"), "ok");
}
