//! After `kill -9` the next run waits for the lease at most, and nothing is lost.

use std::time::Duration;

use sluice_testing::{Kind, Signal, on_both_servers};
use tokio::time::{Instant, sleep};

use crate::scene::{LOCK, Pace, Scene};

on_both_servers!(a_killed_run_delays_the_next_by_its_lease_and_loses_nothing);

async fn a_killed_run_delays_the_next_by_its_lease_and_loses_nothing(kind: Kind) {
    let pace = Pace { interval_ms: 50, lease_ms: 2400 };
    let scene = Scene::new(kind, pace).await;
    scene.make_events(25).await;

    // It dies while its third call is under way: taken by the partner, and not marked.
    scene.partner.hold_up(2);
    let job = scene.job();
    scene.until_calls(3).await;
    job.signal(Signal::KILL);
    assert_eq!(job.end().await.code, None);
    let killed = Instant::now();
    let left = lease_left(&scene);
    assert_eq!(scene.states(), [("done".to_owned(), 10), ("pending".to_owned(), 15)].into());
    scene.partner.let_go();

    // An extension that was under way when it died can make the lease end a little later.
    let latest = killed + pace.lease() + Duration::from_secs(1);
    let mut refused = 0;
    let (mut started, mut ended) = (Instant::now(), scene.run().await);
    while ended.log.contains("has held the lock") {
        assert!(started < latest, "refused beyond the lease: {}", ended.log);
        refused += 1;
        sleep(Duration::from_millis(100)).await;
        (started, ended) = (Instant::now(), scene.run().await);
    }
    assert!(refused > 0, "the lease kept nobody out");
    assert_eq!(ended.code, Some(0), "{}", ended.log);

    let calls = scene.partner.calls();
    let next = Instant::from_std(calls[3].arrived);
    assert!(next >= killed + left, "{:?} after the kill, with {left:?} left", next - killed);
    assert!(calls[3].fence > calls[2].fence);
    assert_eq!(calls[3].events, calls[2].events, "what was not marked comes again");
    assert_eq!(calls.len(), 6);
    assert_eq!(scene.partner.records(), scene.records());
    assert_eq!(scene.states(), [("done".to_owned(), 25)].into());
}

/// What is left of the lease at the least, counted from before the question.
fn lease_left(scene: &Scene) -> Duration {
    let reply = scene.server.ask(&format!("LOCK.TRY {LOCK} somebody PX 1000")).ints();
    let [held, _, ms] = reply[..] else { panic!("{reply:?}") };
    assert_eq!(held, 0);
    Duration::from_millis(u64::try_from(ms).unwrap() - 1) // it is rounded up
}
