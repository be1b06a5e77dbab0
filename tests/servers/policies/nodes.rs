//! In a cluster each node has a table of its own, and a limit by a policy moves with its slot as any does.

use sluice_testing::{Kind, on_every_server};

use crate::policies::int;
use crate::shared::nodes::Nodes;

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
