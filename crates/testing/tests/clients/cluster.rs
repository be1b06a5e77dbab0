//! That a cluster client finds the node of a key, whichever node it asks first.

use std::thread;

use sluice_testing::{Cluster, Kind};

use crate::client::{ALL, Client};

#[test]
fn redis_8_2() {
    every_client_finds_the_node(Kind::Redis82);
}

#[test]
fn valkey_9_1() {
    every_client_finds_the_node(Kind::Valkey91);
}

fn every_client_finds_the_node(kind: Kind) {
    let cluster = Cluster::start(kind);
    // Both keys are in slots of the first node: it is found from there, and from another one.
    for url in &cluster.urls()[..2] {
        for clients in ALL.chunks(4) {
            thread::scope(|scope| {
                for client in clients.iter().filter(|client| client.is_there()) {
                    scope.spawn(|| finds_the_node(*client, url));
                }
            });
        }
    }
}

fn finds_the_node(client: Client, url: &str) {
    let ended = client.start("cluster", url).end();
    assert!(ended.ok, "{client:?}: {ended:?}");
    assert_eq!(ended.said(""), ["granted 1", "held 1", "released 1"], "{client:?}: {ended:?}");
}
