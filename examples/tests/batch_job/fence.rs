//! A holder that was paused beyond its lease does no harm.

use axum::http::StatusCode;
use sluice_testing::{Kind, Signal, on_both_servers};

use crate::scene::{Pace, Scene};

on_both_servers!(
    the_call_of_a_paused_holder_is_refused_by_the_fence_check,
    a_run_that_is_told_of_a_newer_fence_stops,
);

/// The pause falls where no check of the job's own can help: the call has set out, and arrives when the
/// lease is over and the next run has been there.
async fn the_call_of_a_paused_holder_is_refused_by_the_fence_check(kind: Kind) {
    let scene = Scene::new(kind, Pace { interval_ms: 50, lease_ms: 1500 }).await;
    scene.make_events(15).await;

    scene.partner.hold_up(1);
    let paused = scene.job();
    scene.until_calls(2).await;
    paused.signal(Signal::STOP);
    scene.until("the lease is over", Scene::lock_is_free).await;
    scene.make_events(15).await; // newer values for the same records
    let next = scene.run().await;
    assert_eq!(next.code, Some(0), "{}", next.log);

    scene.partner.let_go();
    scene.until("the late call arrives", |scene| scene.partner.calls()[1].status.is_some()).await;
    let calls = scene.partner.calls();
    assert!(calls[1].fence < calls[2].fence);
    assert_eq!(calls[1].status, Some(StatusCode::PRECONDITION_FAILED));

    paused.signal(Signal::CONT);
    let ended = paused.end().await;
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert_eq!(scene.partner.calls().len(), calls.len(), "it went on:\n{}", ended.log);
    assert_eq!(scene.partner.records(), scene.records());
    assert_eq!(scene.states(), [("done".to_owned(), 30)].into());
}

async fn a_run_that_is_told_of_a_newer_fence_stops(kind: Kind) {
    for status in [409, 412] {
        let scene = Scene::new(kind, Pace { interval_ms: 50, lease_ms: 6000 }).await;
        scene.make_events(15).await;
        scene.partner.answer("customer-1", status);

        let ended = scene.run().await;
        assert_eq!(ended.code, Some(3), "{}", ended.log);
        assert!(ended.log.contains("the partner has seen a newer fence"), "{}", ended.log);
        assert_eq!(scene.partner.calls().len(), 2);
        assert_eq!(scene.states(), [("done".to_owned(), 5), ("pending".to_owned(), 10)].into());
        assert!(scene.lock_is_free());
    }
}
