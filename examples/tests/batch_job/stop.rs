//! A lost lock and a signal stop a run, and what is left is left in order.

use sluice_testing::{Kind, Server, Signal, on_both_servers};

use crate::scene::{LOCK, Pace, Scene};

on_both_servers!(
    a_run_whose_lock_an_operator_deletes_stops,
    a_run_whose_server_dies_stops,
    a_signal_lets_the_call_finish_and_frees_the_lock,
    without_the_module_it_says_what_to_do,
);

async fn a_run_whose_lock_an_operator_deletes_stops(kind: Kind) {
    // 30 records at 100 ms: it would go on for three seconds; it looks after the lock every half second.
    let scene = Scene::new(kind, Pace { interval_ms: 100, lease_ms: 1500 }).await;
    scene.make_events(150).await;
    let job = scene.job();
    scene.until_calls(2).await;
    assert_eq!(scene.server.ask(&format!("DEL {LOCK}")).int(), 1);

    let ended = job.end().await;
    assert_eq!(ended.code, Some(3), "{}", ended.log);
    assert!(ended.log.contains("the lock is lost"), "{}", ended.log);
    let pending = scene.states()["pending"];
    assert!(pending > 0, "it went on to the end:\n{}", ended.log);

    assert_eq!(scene.run().await.code, Some(0));
    assert_eq!(scene.partner.events(), scene.events(), "each event once");
}

async fn a_run_whose_server_dies_stops(kind: Kind) {
    let mut scene = Scene::new(kind, Pace { interval_ms: 100, lease_ms: 6000 }).await;
    scene.make_events(150).await;
    let job = scene.job();
    scene.until_calls(2).await;
    scene.server.kill9();
    let calls = scene.partner.calls().len();

    let ended = job.end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("the limiter"), "{}", ended.log);
    // One may have had its turn already.
    assert!(scene.partner.calls().len() <= calls + 1, "it went on without a limiter:\n{}", ended.log);
}

async fn a_signal_lets_the_call_finish_and_frees_the_lock(kind: Kind) {
    for signal in [Signal::TERM, Signal::INT] {
        let scene = Scene::new(kind, Pace { interval_ms: 50, lease_ms: 30_000 }).await;
        scene.make_events(15).await;
        scene.partner.hold_up(1);
        let job = scene.job();
        scene.until_calls(2).await;
        job.signal(signal);
        scene.partner.let_go();

        let ended = job.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(ended.log.contains("stopped by a signal; 1 records are left"), "{}", ended.log);
        assert!(scene.lock_is_free(), "half a minute too early for the lease");
        assert_eq!(scene.states(), [("done".to_owned(), 10), ("pending".to_owned(), 5)].into());
    }
}

async fn without_the_module_it_says_what_to_do(kind: Kind) {
    let scene = Scene::new(kind, Pace { interval_ms: 50, lease_ms: 6000 }).await;
    scene.make_events(5).await;
    let bare = Server::setup(kind).without_module().tcp().start();
    let ended = scene.job_with(&["--redis", &bare.url()]).end().await;
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("load the module on every node"), "{}", ended.log);
    assert!(scene.partner.calls().is_empty());
}
