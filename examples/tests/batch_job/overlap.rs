//! Runs never overlap, calls keep their distance, every event arrives, merged.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use sluice_testing::{Kind, on_both_servers};
use tokio::time::interval;

use crate::scene::{Pace, Scene};

on_both_servers!(
    a_job_started_again_and_again_runs_once_at_a_time,
    two_jobs_that_call_one_partner_share_its_rate,
);

/// What the arrival at the partner is measured with, between two processes.
const CLOCKS: Duration = Duration::from_millis(5);

async fn a_job_started_again_and_again_runs_once_at_a_time(kind: Kind) {
    let pace = Pace { interval_ms: 500, lease_ms: 6000 };
    let scene = Scene::new(kind, pace).await;
    scene.make_events(50).await; // on 10 records: five seconds for the first run

    let mut cron = interval(Duration::from_secs(1));
    cron.tick().await;
    let mut jobs = vec![scene.job()];
    scene.until_calls(1).await;
    scene.make_events(25).await; // too late for the first run
    for start in 1..8 {
        cron.tick().await;
        jobs.push(scene.job());
        if start == 2 {
            scene.make_events(25).await;
        }
    }
    let mut refused = 0;
    for job in jobs {
        let ended = job.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        refused += usize::from(ended.log.contains("has held the lock lock:batch-job for"));
    }
    assert_eq!(scene.run().await.code, Some(0)); // whatever the last of them left
    assert!(refused > 0, "no start met a run that was at it: nothing is shown");

    let calls = scene.partner.calls();
    // A run that has made way does not come back: the fences only ever grow.
    assert!(calls.is_sorted_by_key(|call| call.fence), "{calls:#?}");
    let runs: HashSet<u64> = calls.iter().map(|call| call.fence).collect();
    assert!(runs.len() >= 2, "one run did everything: nothing is shown");
    assert!(calls.iter().all(|call| call.late.is_some()), "a call came before its turn: {calls:#?}");
    for pair in calls.windows(2) {
        let (first, second) = (&pair[0], &pair[1]);
        let apart = second.arrived - first.arrived;
        let least = if first.fence == second.fence {
            pace.interval()
        } else {
            // Between two runs the limiter alone spaces the calls: at their turns, not at their arrivals.
            pace.interval().saturating_sub(first.late.unwrap_or_default() + CLOCKS)
        };
        assert!(apart >= least, "{apart:?} between {first:#?} and {second:#?}");
    }

    let first_run = calls.iter().filter(|call| call.fence == calls[0].fence);
    let records: Vec<&str> = first_run.clone().map(|call| call.record.as_str()).collect();
    let distinct: HashSet<&str> = records.iter().copied().collect();
    assert_eq!((records.len(), distinct.len()), (10, 10), "one call for each record: {records:?}");
    assert!(first_run.clone().all(|call| call.events.len() == 5));

    assert_eq!(scene.partner.events(), scene.events(), "each event once");
    assert_eq!(scene.partner.records(), scene.records());
    assert_eq!(scene.states(), [("done".to_owned(), 100)].into());
}

/// Two jobs with a lock and events each, that share a limit.
async fn two_jobs_that_call_one_partner_share_its_rate(kind: Kind) {
    let pace = Pace { interval_ms: 100, lease_ms: 6000 };
    let (one, other) = (Scene::new(kind, pace).await, Scene::new(kind, pace).await);
    one.make_events(50).await;
    other.make_events(50).await;
    let start = Instant::now();
    let jobs = [one.job(), other.job_with(&["--redis", &one.server.url(), "--lock", "lock:other"])];
    for job in jobs {
        let ended = job.end().await;
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }
    let mut calls = one.partner.calls();
    calls.extend(other.partner.calls());
    assert_eq!(calls.len(), 20);
    calls.sort_by_key(|call| call.arrived);
    for (turn, call) in (0_u32..).zip(&calls) {
        let after = call.arrived - start;
        assert!(after + CLOCKS >= turn * pace.interval(), "call {turn} after {after:?}: {calls:#?}");
    }
}
