//! A real cluster of three nodes.

use crate::{Kind, Server, find, free_port, until};

/// Three primaries that share the slots.
pub struct Cluster {
    /// The nodes; the first has the lowest slots.
    pub nodes: [Server; 3],
}

impl Cluster {
    /// Starts it and waits until every node trusts the others.
    pub fn start(kind: Kind) -> Self {
        let module = find::module();
        let nodes = [(0, 5460), (5461, 10922), (10923, 16383)].map(|(first, last)| {
            let bus = free_port().to_string();
            let node = Server::start_with(
                kind,
                &[
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    &bus,
                    "--loadmodule",
                    module.to_str().unwrap(),
                ],
            );
            node.ask::<()>(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            (node, bus)
        });
        for (node, bus) in &nodes[1..] {
            nodes[0].0.ask::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port()));
        }
        let nodes = nodes.map(|(node, _)| node);
        until("the cluster is up", || {
            nodes.iter().all(|node| {
                let info: String = node.ask("CLUSTER INFO");
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            })
        });
        Self { nodes }
    }

    /// The addresses of all nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::url).collect()
    }
}
