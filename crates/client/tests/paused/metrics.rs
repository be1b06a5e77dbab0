//! What is measured, and under which names: the table of the README.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, LocalRecorderGuard, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder, with_local_recorder,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use sluice_client::{Attempt, InProcess, Limit, Limiter, Locks, Outage};
use tokio::time::sleep;

use crate::server::FakeServer;
use crate::turns::ms;

/// What was measured since the last look, by how much a gauge has moved among it: `name{label="value"}`, and its value, or how many values and their sum.
struct Measured(Snapshotter);

impl Measured {
    fn new(recorder: &DebuggingRecorder) -> (Self, LocalRecorderGuard<'_>) {
        (Self(recorder.snapshotter()), set_default_local_recorder(recorder))
    }

    fn take(&self) -> BTreeMap<String, f64> {
        let mut all = BTreeMap::new();
        for (key, _, _, value) in self.0.snapshot().into_vec() {
            let name = key.key().name().strip_prefix("sluice_client_").unwrap();
            let labels = key.key().labels().map(|label| format!("{{{}={}}}", label.key(), label.value()));
            let name = format!("{name}{}", labels.collect::<String>());
            match value {
                DebugValue::Counter(0) => {}
                DebugValue::Counter(n) => drop(all.insert(name, n as f64)),
                DebugValue::Gauge(value) => drop(all.insert(name, value.into_inner())),
                DebugValue::Histogram(values) => {
                    all.insert(format!("{name} sum"), values.iter().map(|value| value.into_inner()).sum());
                    all.insert(name, values.len() as f64);
                }
            }
        }
        all
    }

    /// Of everything with this beginning.
    fn of(&self, beginning: &str) -> Vec<(String, f64)> {
        self.take().into_iter().filter(|(name, _)| name.starts_with(beginning)).collect()
    }
}

fn pairs(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[tokio::test(start_paused = true)]
async fn decisions_waits_and_round_trips_are_measured() {
    let recorder = DebuggingRecorder::new();
    let (measured, _recording) = Measured::new(&recorder);
    let server = FakeServer::new();
    let limiter = Limiter::new(server.clone(), Limit::per_second(1).burst(1), Outage::Closed);
    for _ in 0..3 {
        assert!(limiter.acquire("k").await.unwrap().is_granted());
    }
    assert!(!limiter.try_acquire("k").await.unwrap().is_granted());
    assert!(!limiter.with(Limit::per_second(1).cost(2)).acquire("k").await.unwrap().is_granted());
    assert!(limiter.force("k").await.unwrap().is_granted());
    let expected = [
        ("decisions_total{outcome=denied}", 1.0),
        ("decisions_total{outcome=forced}", 1.0),
        ("decisions_total{outcome=granted}", 3.0),
        ("decisions_total{outcome=never}", 1.0),
    ];
    let all = measured.take();
    let decisions = all.iter().filter(|(name, _)| name.starts_with("decisions"));
    assert_eq!(decisions.map(|(name, value)| (name.clone(), *value)).collect::<Vec<_>>(), pairs(&expected));
    assert_eq!((all["wait_seconds"], all["wait_seconds sum"]), (3.0, 2.0));
    assert_eq!(all["round_trip_seconds{family=limit}"], 6.0);
    server.set_latency(ms(100));
    let _ = limiter.peek("k").await.unwrap();
    assert_eq!(measured.take()["round_trip_seconds{family=limit} sum"], 0.1);
    assert!(all.keys().all(|name| !name.contains('k') || name.contains("lock") || name.contains("breaker")));
}

#[tokio::test(start_paused = true)]
async fn outages_and_the_breaker_are_measured() {
    let recorder = DebuggingRecorder::new();
    let (measured, _recording) = Measured::new(&recorder);
    let server = FakeServer::new();
    server.set_latency(ms(60_000));
    let limiter = Limiter::new(server.clone(), Limit::per_second(1), Outage::Open).deadline(ms(100));
    for _ in 0..3 {
        assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    }
    let expected = [("outages_total{cause=not_asked}", 2.0), ("outages_total{cause=timed_out}", 1.0)];
    let all = measured.take();
    let outages = all.iter().filter(|(name, _)| name.starts_with("outages"));
    assert_eq!(outages.map(|(name, value)| (name.clone(), *value)).collect::<Vec<_>>(), pairs(&expected));
    assert_eq!(all["decisions_total{outcome=unchecked}"], 3.0);
    assert_eq!((all["breaker_opened_total"], all["breakers_open"]), (1.0, 1.0));
    server.set_latency(ms(0));
    sleep(ms(1000)).await;
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    assert_eq!(measured.of("breaker"), pairs(&[("breakers_open", -1.0)]));

    server.set_latency(ms(60_000));
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    assert_eq!(measured.take()["breakers_open"], 1.0);
    drop(limiter);
    sleep(ms(200_000)).await; // what was sent is awaited for a minute
    assert_eq!(measured.of("breakers_open"), pairs(&[("breakers_open", -1.0)]));
}

#[tokio::test(start_paused = true)]
async fn locks_are_measured() {
    let recorder = DebuggingRecorder::new();
    let (measured, _recording) = Measured::new(&recorder);
    let server = InProcess::new();
    let locks: Locks = server.locks();
    let lock = locks.lock("l").ttl(ms(3000));
    let mut guard = lock.try_acquire().await.unwrap().acquired().unwrap();
    guard.keep_alive();
    assert!(matches!(lock.try_acquire().await.unwrap(), Attempt::Held { .. }));
    assert!(matches!(lock.acquire(ms(2500)).await.unwrap(), Attempt::Held { .. }));
    let all = measured.take();
    assert_eq!(all["lock_attempts_total{outcome=acquired}"], 1.0);
    assert_eq!(all["lock_attempts_total{outcome=held}"], 2.0, "each call counts once");
    assert_eq!((all["locks_held"], all["lock_renewals_total{outcome=renewed}"]), (1.0, 2.0));
    assert!(all["round_trip_seconds{family=lock}"] >= 5.0, "and a wait in the server is no round trip");

    server.set_clock_forward(ms(3000));
    guard.lost().await;
    assert!(!guard.release().await.unwrap());
    let all = measured.take();
    assert_eq!((all["locks_held"], all["locks_lost_total"]), (-1.0, 1.0), "once");
    assert_eq!(all["lock_renewals_total{outcome=gone}"], 1.0);

    let unnoticed = lock.try_acquire().await.unwrap().acquired().unwrap();
    sleep(ms(3000)).await;
    drop(unnoticed);
    let released = lock.try_acquire().await.unwrap().acquired().unwrap();
    assert!(released.release().await.unwrap());
    assert_eq!(measured.of("locks"), pairs(&[("locks_held", 0.0), ("locks_lost_total", 1.0)]));
}

/// Writes down the names that are described.
#[derive(Default)]
struct Names(Mutex<BTreeSet<String>>);

impl Names {
    fn add(&self, name: &KeyName) {
        self.0.lock().unwrap().insert(name.as_str().to_owned());
    }
}

impl Recorder for Names {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&name);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&name);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.add(&name);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn what_is_described_is_what_the_readme_has_in_its_table() {
    let names = Names::default();
    with_local_recorder(&names, sluice_client::describe_metrics);
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `sluice_client_"));
    let rows: BTreeSet<_> =
        rows.map(|row| format!("sluice_client_{}", row.split('`').next().unwrap())).collect();
    assert_eq!(names.0.into_inner().unwrap(), rows);
}
