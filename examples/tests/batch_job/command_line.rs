//! A rate is written as for the reverse proxy, and a wrong one is said so that it can be put right.

use sluice_testing::{Kind, on_both_servers};

use crate::program::{Ended, Process};
use crate::scene::{Pace, Scene};

on_both_servers![a_rate_may_be_a_window];

async fn run(rate: &str) -> Ended {
    let folder = tempfile::Builder::new().prefix("sluice-").tempdir().unwrap();
    let database = folder.path().join("none.sqlite");
    let arguments = ["run", "--database", database.to_str().unwrap(), "--rate", rate];
    Process::start(&arguments, folder.path().join("log")).end().await
}

#[tokio::test]
async fn a_wrong_rate_is_named_with_what_is_expected() {
    for (rate, says) in [
        ("1", "\"1\" lacks a time: a limit is written as 2/s, 100/min, 2/1s:5 (burst 5), 100/1m:strict"),
        ("1/fortnight", "\"fortnight\" is no time such as 500ms, s, 1m"),
        ("0/s", "the count of a limit is from 1"),
        ("1/s:soon", "neither a burst such as 5, nor strict, nor align=0"),
    ] {
        let ended = run(rate).await;
        assert_eq!(ended.code, Some(2), "{}", ended.log);
        assert!(ended.log.contains(says) && ended.log.contains("--rate"), "{}", ended.log);
    }
    for rate in ["2/s", "100/min", "2/1s:5", "100/1m:strict", "1000/1d:align=15h"] {
        let ended = run(rate).await;
        assert_eq!(ended.code, Some(1), "the rate is fine, the database is not there: {}", ended.log);
    }
}

async fn a_rate_may_be_a_window(kind: Kind) {
    let scene = Scene::new(kind, Pace { interval_ms: 1000, lease_ms: 30_000 }).await;
    scene.make_events(15).await; // on three records
    let ended = scene.job_with(&["--rate", "3/1h:strict"]).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(scene.states()["done"], 15);
    let state = scene.server.ask("GET limit:partner");
    assert!(state.text().ends_with(":3/3600000:S"), "{}", state.text());
}
