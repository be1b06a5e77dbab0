//! Every case of `tests/conformance/policies.json` that is on policies. The file also has cases of commands that there
//! are not yet.

use sluice_testing::{Kind, on_every_server};

use crate::limiter::cases::play;

on_every_server![every_case_is_answered_and_stored_as_written];

fn every_case_is_answered_and_stored_as_written(kind: Kind) {
    let file = include_str!("../../conformance/policies.json");
    let (cases, steps) = play(kind, file, |name| name.starts_with("policies"));
    assert!(cases == 4 && steps > 35, "only {steps} steps of {cases} cases");
}
