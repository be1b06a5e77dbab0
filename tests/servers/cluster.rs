//! In a cluster a limit is a key like any other: it lives in one slot, is found by redirection, and moves with its slot.

use std::thread;

use crate::harness::until;
use crate::harness::{Client, Kind, Reply, Server};

on_every_server![a_foreign_slot_is_answered_as_by_get, a_limit_moves_with_its_slot];

/// `k` lies in slot 7629, `a` in 15495, `{b}` in 3300.
const OURS: &str = "k";
const FOREIGN: &str = "a";
const NOBODYS: &str = "{b}";

fn a_foreign_slot_is_answered_as_by_get(kind: Kind) {
    let (first, second) = two_nodes(kind);
    let mut client = first.connect();
    let moved = format!("MOVED 15495 127.0.0.1:{}", second.port());
    for (key, expected) in [(FOREIGN, moved.as_str()), (NOBODYS, "CLUSTERDOWN Hash slot not served")] {
        assert_eq!(client.call(&["GET", key]).error(), expected);
        for call in calls(key) {
            assert_eq!(client.ask(&call).error(), expected, "{call}");
            client.ask("MULTI").assert_ok();
            assert_eq!(client.ask(&call).error(), expected, "{call}");
            assert!(client.ask("EXEC").error().starts_with("EXECABORT "));
        }
    }
    client.assert_in_step();
    for (node, key) in [(&first, OURS), (&second, FOREIGN)] {
        let mut client = node.connect();
        let [acquire, peek, give_back, info] = calls(key).map(|call| client.ask(&call));
        assert_eq!(acquire.ints()[..3], [1, 0, 1]);
        assert_eq!(peek.ints()[..3], [1, 0, 0]);
        assert_eq!(give_back.ints()[..3], [1, 0, 2]);
        assert!(info.is_null());
    }
}

fn a_limit_moves_with_its_slot(kind: Kind) {
    let (first, second) = two_nodes(kind);
    let (mut from, mut to) = (first.connect(), second.connect());
    let acquire = "RATELIMIT.ACQUIRE {k} LIMIT 2 EX 3600";
    assert_eq!(from.ask(acquire).ints()[..3], [1, 0, 1]);
    let (state, expires_ms) = (from.ask("GET {k}"), from.ask("PEXPIRETIME {k}").int());

    let (first_id, second_id) = (id(&mut from), id(&mut to));
    to.ask(&format!("CLUSTER SETSLOT 7629 IMPORTING {first_id}")).assert_ok();
    from.ask(&format!("CLUSTER SETSLOT 7629 MIGRATING {second_id}")).assert_ok();
    // What is there yet is answered there, what is not is asked for at the other node.
    assert_eq!(from.ask("RATELIMIT.PEEK {k} LIMIT 2 EX 3600").ints()[0], 1);
    for call in calls("{k}new") {
        assert_eq!(from.ask(&call).error(), format!("ASK 7629 127.0.0.1:{}", second.port()), "{call}");
        assert!(to.ask(&call).error().starts_with("MOVED 7629 "), "{call}");
    }
    to.ask("ASKING").assert_ok();
    assert_eq!(to.ask("RATELIMIT.ACQUIRE {k}new LIMIT 2 EX 3600").ints()[..3], [1, 0, 1]);

    from.ask(&format!("MIGRATE 127.0.0.1 {} {{k}} 0 20000", second.port())).assert_ok();
    for node in [&mut to, &mut from] {
        node.ask(&format!("CLUSTER SETSLOT 7629 NODE {second_id}")).assert_ok();
    }
    assert_eq!(to.ask("GET {k}"), state);
    // MIGRATE sends what is left of the time, so the time that it took comes on top.
    assert!(to.ask("PEXPIRETIME {k}").int() >= expires_ms);
    assert_eq!(to.ask(acquire).ints()[..3], [1, 0, 0]);
    assert_eq!(to.ask(acquire).ints()[0], 0);
    assert!(from.ask(acquire).error().starts_with("MOVED 7629 "));
}

/// Valkey 9 moves whole slots by itself, unless a module keeps it from doing so.
mod a_limit_stays_exact_while_its_slot_moves {
    use super::*;

    #[test]
    fn valkey_9_1() {
        let (first, second) = two_nodes(Kind::Valkey91);
        let (mut from, mut to) = (first.connect(), second.connect());
        // More than can be called before the slot has moved, and no new token in anybody's lifetime.
        let acquire = "RATELIMIT.ACQUIRE k LIMIT 100000 EX 3155760000";
        let mut granted: i64 = (0..300).map(|_| from.ask(acquire).ints()[0]).sum();
        let second_id = id(&mut to);
        from.ask(&format!("CLUSTER MIGRATESLOTS SLOTSRANGE 7629 7629 NODE {second_id}")).assert_ok();
        // Calls go on until the slot is elsewhere, and then go there.
        let redirected = loop {
            match from.ask(acquire) {
                Reply::Error(error) => break error,
                reply => granted += reply.ints()[0],
            }
            assert!(granted < 100_000, "{:?}", from.ask("CLUSTER GETSLOTMIGRATIONS"));
        };
        assert_eq!(redirected, format!("MOVED 7629 127.0.0.1:{}", second.port()));
        until("the slot is there", || matches!(to.ask("GET k"), Reply::Bulk(_)));
        granted += to.ask(acquire).ints()[0];
        granted += to.ask(&format!("{acquire} COST 100000 PARTIAL")).ints()[0];
        assert_eq!(granted, 100_000);
    }
}

/// Every command on this key.
fn calls(key: &str) -> [String; 4] {
    [
        format!("RATELIMIT.ACQUIRE {key} LIMIT 2 EX 3600"),
        format!("RATELIMIT.PEEK {key} LIMIT 2 EX 3600"),
        format!("RATELIMIT.RETURN {key} LIMIT 2 EX 3600"),
        format!("RATELIMIT.INFO {key}"),
    ]
}

/// Two nodes that know of each other, each with half of the slots, but one slot has nobody.
fn two_nodes(kind: Kind) -> (Server, Server) {
    let start = || Server::setup(kind).config("cluster-require-full-coverage no").cluster().start();
    let (first, second) = thread::scope(|scope| {
        let first = scope.spawn(start);
        let second = scope.spawn(start);
        (first.join().unwrap(), second.join().unwrap())
    });
    let (mut one, mut two) = (first.connect(), second.connect());
    one.ask("CLUSTER DELSLOTSRANGE 3300 3300 8192 16383").assert_ok();
    two.ask("CLUSTER DELSLOTSRANGE 0 8191").assert_ok();
    one.ask(&format!("CLUSTER MEET 127.0.0.1 {} {}", second.port(), bus_port(&mut two))).assert_ok();
    for (node, key) in [(&mut one, FOREIGN), (&mut two, OURS)] {
        until(
            "the nodes know who has what",
            || matches!(node.call(&["GET", key]), Reply::Error(error) if error.starts_with("MOVED ")),
        );
    }
    (first, second)
}

fn bus_port(client: &mut Client) -> String {
    client.ask("CONFIG GET cluster-port").pairs()[0].1.text().to_owned()
}

fn id(client: &mut Client) -> String {
    client.ask("CLUSTER MYID").text().to_owned()
}
