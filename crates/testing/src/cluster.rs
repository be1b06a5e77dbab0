//! A real cluster of several nodes.

use std::ops::RangeInclusive;
use std::thread;

use crate::kind::Kind;
use crate::server::{Server, until};
use crate::setup::Setup;

/// Primaries that know of each other.
pub struct Cluster {
    /// The nodes, in the order in which they were asked for.
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// Three primaries that share the slots; the first has the lowest.
    pub fn start(kind: Kind) -> Self {
        let slots = [0..=5460, 5461..=10922, 10923..=16383];
        Self::of(slots.map(|slots| Server::setup(kind).cluster_of(&[slots])))
    }

    /// These nodes, each set up with `cluster_of`. Returns when every one knows who has which slots.
    pub fn of(setups: impl IntoIterator<Item = Setup>) -> Self {
        let setups: Vec<_> = setups.into_iter().collect();
        let slots: usize = setups.iter().flat_map(Setup::slots).map(RangeInclusive::len).sum();
        let nodes: Vec<_> = thread::scope(|scope| {
            let starts: Vec<_> = setups.into_iter().map(|setup| scope.spawn(|| setup.start())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let mut first = nodes[0].connect();
        for node in &nodes[1..] {
            let bus = node.connect().ask("CONFIG GET cluster-port").pairs()[0].1.text().to_owned();
            first.ask(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port())).assert_ok();
        }
        let known = format!("cluster_known_nodes:{}\r", nodes.len());
        let assigned = format!("cluster_slots_assigned:{slots}\r");
        for node in &nodes {
            let mut client = node.connect();
            until("the cluster is up", || {
                let info = client.ask("CLUSTER INFO");
                ["cluster_state:ok", &known, &assigned].iter().all(|line| info.text().contains(line))
            });
        }
        Self { nodes }
    }

    /// The addresses of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }
}
