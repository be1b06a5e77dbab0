//! That a cluster client finds the node of a key, whichever node it asks first.

use sluice_testing::{Cluster, Kind};

use crate::language::Language;

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
    for language in Language::ALL {
        for url in cluster.urls() {
            let ended = language.start("cluster", &url).end();
            assert!(ended.ok, "{language:?}: {ended:?}");
            assert_eq!(ended.said(""), ["1"], "{language:?}: {ended:?}");
        }
    }
}
