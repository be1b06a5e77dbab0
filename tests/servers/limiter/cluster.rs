//! In a cluster a limit is a key like any other: it lives in one slot, is found by redirection, and moves with its slot.

use sluice_testing::{Kind, Reply, on_every_server, until};

use crate::shared::nodes::{Nodes, SLOT, id};

on_every_server![a_foreign_slot_is_answered_as_by_get, a_limit_moves_with_its_slot];

/// `k` lies in slot 7629, `a` in 15495, `{b}` in 3300.
const OURS: &str = "k";
const FOREIGN: &str = "a";
const NOBODYS: &str = "{b}";

fn a_foreign_slot_is_answered_as_by_get(kind: Kind) {
    let Nodes { first, second } = Nodes::with_a_gap(kind);
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
        let [acquire, peek, give_back, info, hold, turn] = calls(key).map(|call| client.ask(&call));
        assert_eq!(acquire.ints()[..3], [1, 0, 1]);
        assert_eq!(peek.ints()[..3], [1, 0, 0]);
        assert_eq!(give_back.ints()[..3], [1, 0, 2]);
        assert!(info.is_null());
        assert_eq!([hold.int(), turn.int()], [0, 0]);
    }
}

fn a_limit_moves_with_its_slot(kind: Kind) {
    let nodes = Nodes::with_a_gap(kind);
    let (mut from, mut to) = (nodes.first.connect(), nodes.second.connect());
    let acquire = "RATELIMIT.ACQUIRE {k} LIMIT 2 EX 3600";
    assert_eq!(from.ask(acquire).ints()[..3], [1, 0, 1]);
    // Until the ms that has begun is over, and an hour.
    assert!((3_600_000..=3_600_001).contains(&from.ask("RATELIMIT.HOLD {k}held EX 3600").int()));
    let (state, expires_ms) = (from.ask("GET {k}"), from.ask("PEXPIRETIME {k}").int());

    nodes.begin_to_move();
    // What is there yet is answered there, what is not is asked for at the other node.
    assert_eq!(from.ask("RATELIMIT.PEEK {k} LIMIT 2 EX 3600").ints()[0], 1);
    for call in calls("{k}new") {
        assert_eq!(from.ask(&call).error(), nodes.asked(), "{call}");
        assert!(to.ask(&call).error().starts_with("MOVED 7629 "), "{call}");
    }
    to.ask("ASKING").assert_ok();
    assert_eq!(to.ask("RATELIMIT.ACQUIRE {k}new LIMIT 2 EX 3600").ints()[..3], [1, 0, 1]);

    nodes.migrate("{k}");
    nodes.migrate("{k}held");
    nodes.finish_to_move();
    assert_eq!(to.ask("GET {k}"), state);
    // MIGRATE sends what is left of the time, so the time that it took comes on top.
    assert!(to.ask("PEXPIRETIME {k}").int() >= expires_ms);
    assert_eq!(to.ask(acquire).ints()[..3], [1, 0, 0]);
    assert_eq!(to.ask(acquire).ints()[0], 0);
    assert!(from.ask(acquire).error().starts_with("MOVED 7629 "));
    assert!(to.ask("RATELIMIT.TURN {k}held 0").int() > 3_500_000);
    assert_eq!(to.ask("RATELIMIT.ACQUIRE {k}held LIMIT 2 EX 1").ints()[0], 0);
}

/// Valkey 9 moves whole slots by itself, unless a module keeps it from doing so.
mod a_limit_stays_exact_while_its_slot_moves {
    use super::*;

    #[test]
    fn valkey_9_1() {
        let nodes = Nodes::start(Kind::Valkey91);
        let (mut from, mut to) = (nodes.first.connect(), nodes.second.connect());
        // More than can be called before the slot has moved, and no new token in anybody's lifetime.
        let acquire = "RATELIMIT.ACQUIRE k LIMIT 100000 EX 3155760000";
        let mut granted: i64 = (0..300).map(|_| from.ask(acquire).ints()[0]).sum();
        let second_id = id(&mut to);
        from.ask(&format!("CLUSTER MIGRATESLOTS SLOTSRANGE {SLOT} {SLOT} NODE {second_id}")).assert_ok();
        // Calls go on until the slot is elsewhere, and then go there.
        let redirected = loop {
            match from.ask(acquire) {
                Reply::Error(error) => break error,
                reply => granted += reply.ints()[0],
            }
            assert!(granted < 100_000, "{:?}", from.ask("CLUSTER GETSLOTMIGRATIONS"));
        };
        assert_eq!(redirected, nodes.moved());
        until("the slot is there", || matches!(to.ask("GET k"), Reply::Bulk(_)));
        granted += to.ask(acquire).ints()[0];
        granted += to.ask(&format!("{acquire} COST 100000 PARTIAL")).ints()[0];
        assert_eq!(granted, 100_000);
    }
}

/// Every command on this key.
fn calls(key: &str) -> [String; 6] {
    [
        format!("RATELIMIT.ACQUIRE {key} LIMIT 2 EX 3600"),
        format!("RATELIMIT.PEEK {key} LIMIT 2 EX 3600"),
        format!("RATELIMIT.RETURN {key} LIMIT 2 EX 3600"),
        format!("RATELIMIT.INFO {key}"),
        format!("RATELIMIT.HOLD {key} OFF"),
        format!("RATELIMIT.TURN {key} 5"),
    ]
}
