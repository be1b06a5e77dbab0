//! The limiter: RATELIMIT.ACQUIRE, PEEK, RETURN, INFO, HOLD and TURN.

mod acl;
pub(crate) mod aof;
pub(crate) mod cases;
mod changed_limits;
mod clock_steps;
mod cluster;
mod conformance;
mod effects;
mod errors;
mod expiry;
mod hammer;
mod holds;
mod hostile;
mod info;
mod introspection;
mod keys_and_protocol;
mod meaning;
mod memory;
mod persistence;
mod replication;
mod returns;
mod rolling_deploys;
mod stored_state;
mod top;
mod watch_and_caches;
mod windows;
mod wrong_types;

use sluice_testing::Client;

/// A call and the six integers that answer it.
#[track_caller]
pub(crate) fn expect(client: &mut Client, line: &str, reply: [i64; 6]) {
    assert_eq!(six(client, line), reply, "{line}");
}

/// The six integers that answer a call. Behind those for a call with MAXWAIT stands the act, which has to be
/// where the wait ends. The server's clock stands still.
#[track_caller]
pub(crate) fn six(client: &mut Client, line: &str) -> [i64; 6] {
    let mut reply = client.ask(line).ints();
    if line.to_ascii_uppercase().contains("MAXWAIT") {
        assert_eq!(reply.len(), 7, "{line}");
        let act_us = reply.pop().unwrap();
        let time = client.ask("TIME");
        let [s, us] = [0, 1].map(|part: usize| time.array()[part].text().parse::<i64>().unwrap());
        let wait_us = act_us - (s * 1_000_000 + us);
        let expected = if reply[0] == 0 { act_us == 0 } else { (wait_us + 999) / 1000 == reply[1] };
        assert!(expected, "{line}: {reply:?}, acts at {act_us}");
    }
    reply.try_into().expect("six integers")
}
