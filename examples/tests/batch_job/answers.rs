//! What the partner answers decides what becomes of the events.

use sluice_testing::{Kind, free_port, on_both_servers};

use crate::scene::{Pace, Scene};

on_both_servers!(
    refused_events_are_set_aside_and_failed_ones_come_again_last,
    a_partner_that_is_down_ends_the_run_after_three_calls,
    a_partner_that_asks_to_be_left_alone_is,
);

const PACE: Pace = Pace { interval_ms: 50, lease_ms: 6000 };

fn outcome(state: &str, tries: u32, answer: Option<&str>) -> (String, u32, Option<String>) {
    (state.to_owned(), tries, answer.map(str::to_owned))
}

async fn refused_events_are_set_aside_and_failed_ones_come_again_last(kind: Kind) {
    let scene = Scene::new(kind, PACE).await;
    scene.make_events(20).await;
    scene.partner.answer("customer-0", 503);
    scene.partner.answer("customer-2", 422);

    let ended = scene.run().await;
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    let refused = outcome("refused", 0, Some("422 Unprocessable Entity"));
    let outcomes = scene.outcomes();
    assert_eq!(outcomes["customer-0"], outcome("pending", 1, Some("503 Service Unavailable")));
    assert_eq!(outcomes["customer-1"], outcome("done", 0, None));
    assert_eq!(outcomes["customer-2"], refused);
    assert_eq!(outcomes["customer-3"], outcome("done", 0, None));

    scene.make_events(10).await; // on customer-0 and customer-1
    scene.partner.answer("customer-0", 200);
    let ended = scene.run().await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let calls = scene.partner.calls();
    let again: Vec<(&str, usize)> =
        calls[4..].iter().map(|call| (call.record.as_str(), call.events.len())).collect();
    assert_eq!(again, [("customer-1", 5), ("customer-0", 10)]);
    assert_eq!(scene.states(), [("done".to_owned(), 25), ("refused".to_owned(), 5)].into());
}

async fn a_partner_that_is_down_ends_the_run_after_three_calls(kind: Kind) {
    let scene = Scene::new(kind, PACE).await;
    scene.make_events(25).await;
    let nobody = format!("http://127.0.0.1:{}/", free_port());
    let ended = scene.job_with(&["--endpoint", &nobody]).end().await;
    assert_eq!(ended.code, Some(4), "{}", ended.log);
    assert!(ended.log.contains("Connection refused"), "{}", ended.log);
    assert!(ended.log.contains("3 calls failed in a row; 2 records are left"), "{}", ended.log);
    assert_eq!(scene.states(), [("pending".to_owned(), 25)].into());
    assert!(scene.lock_is_free());
}

async fn a_partner_that_asks_to_be_left_alone_is(kind: Kind) {
    for (max_hold, held_ms) in [("60s", 990), ("700ms", 690)] {
        let scene = Scene::new(kind, PACE).await;
        scene.make_events(20).await;
        scene.partner.answer("customer-1", 429);
        let ended = scene.job_with(&["--max-hold", max_hold]).end().await;
        assert_eq!(ended.code, Some(4), "{}", ended.log);
        assert!(ended.log.contains("the partner wants to be left alone for"), "{}", ended.log);
        assert_eq!(scene.states(), [("done".to_owned(), 15), ("pending".to_owned(), 5)].into());
        let calls = scene.partner.calls();
        let asked = calls.iter().position(|call| call.record == "customer-1").unwrap();
        let pause = calls[asked + 1].arrived - calls[asked].arrived;
        assert!(pause.as_millis() >= held_ms, "{pause:?}");
    }
}
