//! Three primaries of a cluster with a replica each, and where clients find a key.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_testing::{Cluster, Kind, Reply, Server};

use crate::load::Route;
use crate::now::within;

const SOON: Duration = Duration::from_secs(25);

/// The slot of this word moves.
pub(crate) const MOVING: &str = "{k}";

/// Six nodes. Shard n is nodes n and n + 3, and has the n-th third of the slots at first.
pub(crate) struct Shards {
    pub(crate) nodes: Vec<Server>,
    /// The node that is the primary of each shard.
    pub(crate) primaries: [usize; 3],
}

impl Shards {
    pub(crate) fn start(kind: Kind) -> Self {
        let slots = [vec![0..=5460], vec![5461..=10_922], vec![10_923..=16_383], vec![], vec![], vec![]];
        let cluster = Cluster::of(slots.map(|slots| {
            Server::setup(kind)
                .cluster_of(&slots)
                .config("cluster-node-timeout 2000")
                .config("cluster-require-full-coverage no")
                .config("cluster-allow-replica-migration no")
        }));
        let shards = Self { nodes: cluster.nodes, primaries: [0, 1, 2] };
        for shard in 0..3 {
            let id = shards.id(shard);
            shards.nodes[shard + 3].ask(&format!("CLUSTER REPLICATE {id}")).assert_ok();
        }
        (0..3).for_each(|shard| shards.until_whole(shard));
        shards
    }

    /// The primary of a shard.
    pub(crate) fn primary(&self, shard: usize) -> &Server {
        &self.nodes[self.primaries[shard]]
    }

    /// The node of a shard that is not its primary.
    pub(crate) fn other(&self, shard: usize) -> usize {
        if self.primaries[shard] == shard { shard + 3 } else { shard }
    }

    /// The name of a shard's primary in the cluster.
    pub(crate) fn id(&self, shard: usize) -> String {
        self.primary(shard).ask("CLUSTER MYID").text().to_owned()
    }

    /// CLUSTER FAILOVER, until it does: servers give it up after 5 s if primary and replica find to no common offset.
    pub(crate) fn fail_over(&self, shard: usize) {
        let other = &self.nodes[self.other(shard)];
        let done = || {
            other.ask("CLUSTER FAILOVER").assert_ok();
            within(Duration::from_secs(6), || role(other) == "master")
        };
        assert!((0..3).any(|_| done()), "CLUSTER FAILOVER times out:\n{}", other.log());
    }

    /// Waits until the replica of a shard is its primary, which it is from then on.
    pub(crate) fn until_promoted(&mut self, shard: usize) {
        let new = self.other(shard);
        assert!(within(SOON, || role(&self.nodes[new]) == "master"), "no replica takes over shard {shard}");
        self.primaries[shard] = new;
    }

    /// Waits until the node that is not the primary of a shard follows it.
    pub(crate) fn until_whole(&self, shard: usize) {
        let other = &self.nodes[self.other(shard)];
        let follows =
            || role(other) == "slave" && other.connect().info("replication", "master_link_status") == "up";
        assert!(within(SOON, follows), "shard {shard} stays without a replica:\n{}", other.log());
        let key = self.tag(shard);
        let acknowledges = || acknowledge(self.primary(shard), &key, 1);
        assert!(within(SOON, acknowledges), "the replica of shard {shard} does not acknowledge");
    }

    /// Shards whose primary is another one than it should be: a node stood still for too long on a busy machine.
    pub(crate) fn changed_by_themselves(&mut self) -> Vec<usize> {
        let changed: Vec<_> = (0..3).filter(|shard| role(self.primary(*shard)) != "master").collect();
        for shard in &changed {
            self.primaries[*shard] = self.other(*shard);
            self.until_whole(*shard);
        }
        changed
    }

    /// A word in braces whose slot a shard always has.
    pub(crate) fn tag(&self, shard: usize) -> String {
        let mut client = self.nodes[0].connect();
        let mut slot = |tag: &str| client.ask(&format!("CLUSTER KEYSLOT {tag}")).int();
        let (taken, third) = (slot(MOVING), 16_384 / 3);
        let mut tags = (0..).map(|n| format!("{{t{n}}}"));
        let range = shard as i64 * third + 2..(shard as i64 + 1) * third - 2;
        tags.find(|tag| Some(slot(tag)).is_some_and(|slot| slot != taken && range.contains(&slot))).unwrap()
    }

    /// What clients know of it at first: where to ask.
    pub(crate) fn map(&self) -> Map {
        Map {
            ports: self.nodes.iter().map(Server::port).collect(),
            known: Mutex::default(),
            next: AtomicUsize::new(0),
        }
    }
}

/// Whether so many replicas acknowledge a change of a key. One that has just copied everything gets no changes before its
/// own next acknowledgement, up to a second later: whatever is answered meanwhile is on the primary alone.
pub(crate) fn acknowledge(primary: &Server, key: &str, replicas: i64) -> bool {
    let mut client = primary.connect();
    // A node that has just taken over may refuse for a moment.
    let written = !matches!(client.ask(&format!("SET {key} 1")), Reply::Error(_));
    written && client.ask(&format!("WAIT {replicas} 3000")).int() >= replicas
}

/// `master` or `slave`.
pub(crate) fn role(server: &Server) -> String {
    server.connect().info("replication", "role")
}

/// Where the clients believe that keys are.
pub(crate) struct Map {
    ports: Vec<u16>,
    /// By the word in braces.
    known: Mutex<HashMap<String, u16>>,
    next: AtomicUsize,
}

impl Route for Map {
    fn port(&self, key: &str) -> u16 {
        let known = self.known.lock().unwrap().get(tag(key)).copied();
        known.unwrap_or_else(|| self.ports[self.next.load(Ordering::Relaxed) % self.ports.len()])
    }

    fn moved(&self, key: &str, port: u16) {
        self.known.lock().unwrap().insert(tag(key).to_owned(), port);
    }

    fn silent(&self, key: &str, port: u16) {
        let mut known = self.known.lock().unwrap();
        if known.get(tag(key)).is_none_or(|known| *known == port) {
            known.remove(tag(key));
            // Anybody knows where to go.
            self.next.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn tag(key: &str) -> &str {
    key.split(':').next().unwrap_or(key)
}
