//! The limiter: RATELIMIT.ACQUIRE, PEEK, RETURN and INFO.

mod acl;
pub(crate) mod aof;
mod changed_limits;
mod clock_steps;
mod cluster;
mod conformance;
mod errors;
mod expiry;
mod hammer;
mod hostile;
mod info;
mod introspection;
mod keys_and_protocol;
mod meaning;
mod memory;
mod persistence;
mod replication;
mod returns;
mod stored_state;
mod watch_and_caches;
mod wrong_types;

use sluice_testing::Client;

/// A call and the six integers that answer it.
#[track_caller]
pub(crate) fn expect(client: &mut Client, line: &str, reply: [i64; 6]) {
    assert_eq!(client.ask(line).ints(), reply, "{line}");
}
