//! Many that wait for one lock, and leave in every way there is.

use sluice_testing::{Client, Server, until};

/// So many join and leave. Panics if one is not answered as it should be, or is left over.
pub(crate) fn come_and_go(server: &Server, many: usize) {
    let mut operator = server.connect();
    operator.ask("LOCK.TRY {k}gate holder PX 600000").ints();
    let mut crowd: Vec<_> = (0..many).map(|_| server.connect()).collect();
    let ids: Vec<_> = crowd.iter_mut().map(|client| client.ask("CLIENT ID").int()).collect();
    for (n, client) in crowd.iter_mut().enumerate() {
        // Some for as long as it takes; some whose time is over before anything else happens to them.
        let limit = if n % 5 == 4 { 1 } else { 0 };
        client.send(&[
            "LOCK.ACQUIRE",
            "{k}gate",
            &format!("w{n}"),
            "PX",
            "600000",
            "BLOCK",
            &limit.to_string(),
        ]);
    }
    let waiting = |operator: &mut Client| operator.info("sluice", "sluice_lock_waiting").parse::<usize>();
    until("all wait whose time is not over", || waiting(&mut operator) == Ok(many - many / 5));

    // One leaves after the other, each in another way; the order in which they came stays.
    for (n, mut client) in crowd.into_iter().enumerate() {
        match n % 5 {
            0 => {
                operator.ask(&format!("CLIENT UNBLOCK {}", ids[n])).int();
                assert_eq!(client.read().ints()[0], 0);
            }
            1 => {
                operator.ask(&format!("CLIENT UNBLOCK {} ERROR", ids[n])).int();
                assert!(client.read().error().starts_with("UNBLOCKED "));
            }
            2 => drop(client),
            3 => {
                // The holder leaves, and one that still waits is the next to hold it: this one, or one behind.
                operator.ask(&format!("LOCK.RELEASE {{k}}gate w{n}")).int();
                assert_eq!(client.read().ints()[0], 0);
            }
            _ => assert_eq!(client.read().ints()[0], 0),
        }
    }
    until("nobody waits", || waiting(&mut operator) == Ok(0));
    granted_in_turn(server, many / 10);
    operator.ask("DEL {k}gate").int();
}

/// Each is granted the lock because the one before it releases it, or because its lease ends, or the key goes.
fn granted_in_turn(server: &Server, many: usize) {
    let mut operator = server.connect();
    operator.ask("DEL {k}turns").int();
    operator.ask("LOCK.TRY {k}turns holder PX 600000").ints();
    let mut crowd: Vec<_> = (0..many).map(|_| server.connect_resp3()).collect();
    for (n, client) in crowd.iter_mut().enumerate() {
        // In turn: ended by its time, by its holder, by somebody else.
        let lease = if n % 3 == 0 { 1 } else { 600_000 };
        client.send(&["LOCK.ACQUIRE", "{k}turns", &format!("w{n}"), "PX", &lease.to_string(), "BLOCK", "0"]);
        until("it waits", || operator.info("sluice", "sluice_lock_waiting") == (n + 1).to_string());
    }
    operator.ask("LOCK.RELEASE {k}turns holder").int();
    for (n, client) in crowd.iter_mut().enumerate() {
        assert_eq!(client.read().ints()[0], 1, "number {n} of {many}");
        match n % 3 {
            0 => {}
            1 => assert_eq!(operator.ask(&format!("LOCK.RELEASE {{k}}turns w{n}")).int(), 1),
            _ => drop(operator.ask("DEL {k}turns")),
        }
        client.assert_in_step();
    }
}
