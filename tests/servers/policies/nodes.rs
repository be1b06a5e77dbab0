//! In a cluster each node has a table of its own, and a limit by a policy moves with its slot as any does.

use sluice_testing::{Kind, Reply, on_every_server, until};

use crate::policies::{int, table};
use crate::shared::nodes::{Nodes, SLOT, id};

on_every_server![each_node_has_a_table_of_its_own, a_node_without_the_policy_says_so_and_one_with_it_goes_on];

fn each_node_has_a_table_of_its_own(kind: Kind) {
    let Nodes { first, second } = Nodes::with_a_gap(kind);
    assert_eq!(int(&mut first.connect(), "RATELIMIT.POLICY SET p LIMIT 9 EX 9"), 1);
    assert_eq!(second.ask("RATELIMIT.POLICY LIST").array().len(), 0);
    // A call is sent on by its key, whatever it names.
    assert!(first.ask("RATELIMIT.ACQUIRE a @none").error().starts_with("MOVED "));
    assert_eq!(second.ask("RATELIMIT.ACQUIRE a @p").error(), "NOPOLICY no such policy");
    assert_eq!(int(&mut second.connect(), "RATELIMIT.POLICY SET p LIMIT 9 EX 9"), 1);
    assert_eq!(second.ask("RATELIMIT.ACQUIRE a @p").ints()[3], 9);
    let sum = |node: &sluice_testing::Server| node.connect().info("sluice_policies", "sluice_policies_sum");
    assert_eq!(sum(&first), sum(&second));
}

fn a_node_without_the_policy_says_so_and_one_with_it_goes_on(kind: Kind) {
    let nodes = Nodes::with_a_gap(kind);
    let (mut from, mut to) = (nodes.first.connect(), nodes.second.connect());
    int(&mut from, "RATELIMIT.POLICY SET p LIMIT 2 EX 3600");
    assert_eq!(from.ask("RATELIMIT.ACQUIRE {k} @p").ints()[..3], [1, 0, 1]);
    nodes.begin_to_move();
    nodes.migrate("{k}");
    nodes.finish_to_move();
    assert_eq!(to.ask("RATELIMIT.ACQUIRE {k} @p").error(), "NOPOLICY no such policy");
    int(&mut to, "RATELIMIT.POLICY SET p LIMIT 2 EX 3600");
    assert_eq!(to.ask("RATELIMIT.ACQUIRE {k} @p").ints()[..3], [1, 0, 0]);
    assert_eq!(to.ask("RATELIMIT.ACQUIRE {k} @p").ints()[0], 0);
}

/// Valkey 9 moves whole slots by itself, with all that is written meanwhile.
mod a_slot_that_moves_takes_no_policies_along {
    use super::*;

    #[test]
    fn valkey_9_1() {
        let nodes = Nodes::start(Kind::Valkey91);
        let (mut from, mut to) = (nodes.first.connect(), nodes.second.connect());
        int(&mut from, "RATELIMIT.POLICY SET p LIMIT 100000 EX 3155760000");
        int(&mut to, "RATELIMIT.POLICY SET p LIMIT 100000 EX 3155760000 SHADOW");
        let acquire = "RATELIMIT.ACQUIRE k @p";
        let mut granted: i64 = (0..300).map(|_| from.ask(acquire).ints()[0]).sum();
        let second_id = id(&mut to);
        from.ask(&format!("CLUSTER MIGRATESLOTS SLOTSRANGE {SLOT} {SLOT} NODE {second_id}")).assert_ok();
        let redirected = loop {
            int(&mut from, "RATELIMIT.POLICY SET q LIMIT 1 EX 1");
            match from.ask(acquire) {
                Reply::Error(error) => break error,
                reply => granted += reply.ints()[0],
            }
            assert!(granted < 100_000, "{:?}", from.ask("CLUSTER GETSLOTMIGRATIONS"));
        };
        assert_eq!(redirected, nodes.moved());
        until("the slot is there", || matches!(to.ask("GET k"), Reply::Bulk(_)));
        assert_eq!(table(&nodes.second), "p LIMIT 100000 EX 3155760000 SHADOW");
        granted += to.ask(&format!("{acquire} COST 100000 PARTIAL")).ints()[0];
        assert_eq!(granted, 100_000);
    }
}
