//! Every case that redis-cell itself has answered is answered and stored as it did.

use sluice_testing::{Kind, Server, on_every_server};

use crate::limiter::cases::play_on;
use crate::throttle::ASKED;

on_every_server![every_case_is_answered_as_redis_cell_does, so_are_the_edges];

fn every_case_is_answered_as_redis_cell_does(kind: Kind) {
    let file = include_str!("../../conformance/throttle.json");
    let (cases, steps) = play_on(Server::setup(kind).module_args(ASKED), file, |_| true);
    assert!(cases == 6 && steps > 40, "only {steps} steps of {cases} cases");
}

fn so_are_the_edges(kind: Kind) {
    let file = include_str!("../../conformance/throttle-edges.json");
    let (cases, steps) = play_on(Server::setup(kind).module_args(ASKED), file, |_| true);
    assert!(cases == 12 && steps > 55, "only {steps} steps of {cases} cases");
}
