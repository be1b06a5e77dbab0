//! Two nodes of a cluster, and a slot that moves from one to the other.

use sluice_testing::{Client, Cluster, Kind, Server};

/// The slot of `{k}`, which the first node owns. `a` is in a slot of the second.
pub(crate) const SLOT: &str = "7629";

/// The slot of `{b}`, which nobody owns on nodes that were started `with_a_gap`.
pub(crate) const GAP: u16 = 3300;

/// Two nodes that know of each other. The first owns the slots below 8192.
pub(crate) struct Nodes {
    pub(crate) first: Server,
    pub(crate) second: Server,
}

impl Nodes {
    pub(crate) fn start(kind: Kind) -> Self {
        let setup = || Server::setup(kind);
        Self::of(Cluster::of([setup().cluster_of(&[0..=8191]), setup().cluster_of(&[8192..=16_383])]))
    }

    /// The same, but one slot of the first has nobody.
    pub(crate) fn with_a_gap(kind: Kind) -> Self {
        let setup = || Server::setup(kind).config("cluster-require-full-coverage no");
        let first = setup().cluster_of(&[0..=GAP - 1, GAP + 1..=8191]);
        Self::of(Cluster::of([first, setup().cluster_of(&[8192..=16_383])]))
    }

    fn of(cluster: Cluster) -> Self {
        let [first, second] = <[Server; 2]>::try_from(cluster.nodes).ok().expect("two nodes");
        Self { first, second }
    }

    pub(crate) fn begin_to_move(&self) {
        let (mut from, mut to) = (self.first.connect(), self.second.connect());
        to.ask(&format!("CLUSTER SETSLOT {SLOT} IMPORTING {}", id(&mut from))).assert_ok();
        from.ask(&format!("CLUSTER SETSLOT {SLOT} MIGRATING {}", id(&mut to))).assert_ok();
    }

    /// Moves one key of the slot.
    pub(crate) fn migrate(&self, key: &str) {
        self.first.ask(&format!("MIGRATE 127.0.0.1 {} {key} 0 20000", self.second.port())).assert_ok();
    }

    pub(crate) fn finish_to_move(&self) {
        let (mut from, mut to) = (self.first.connect(), self.second.connect());
        let to_id = id(&mut to);
        for node in [&mut to, &mut from] {
            node.ask(&format!("CLUSTER SETSLOT {SLOT} NODE {to_id}")).assert_ok();
        }
    }

    /// Where a client of the first node is sent to while the slot moves, for a key that is not there.
    pub(crate) fn asked(&self) -> String {
        format!("ASK {SLOT} 127.0.0.1:{}", self.second.port())
    }

    /// What it is told when the slot has moved.
    pub(crate) fn moved(&self) -> String {
        format!("MOVED {SLOT} 127.0.0.1:{}", self.second.port())
    }
}

pub(crate) fn id(client: &mut Client) -> String {
    client.ask("CLUSTER MYID").text().to_owned()
}
