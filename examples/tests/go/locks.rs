//! Runs never overlap, a crash frees the lock when its lease ends, nobody unlocks for another.

use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::any;
use sluice_testing::{Kind, Server, Signal, has, on_both_servers, until};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::program::Program;

on_both_servers![
    two_runs_make_their_calls_one_after_the_other,
    a_crash_blocks_the_next_run_for_the_lease_and_not_longer,
    who_has_lost_the_lock_stops_and_unlocks_nobody,
];

const LEASE: Duration = Duration::from_secs(3);

/// A partner that notes the fence of each call, and when it came.
struct Partner {
    url: String,
    calls: Arc<Mutex<Vec<(u64, Instant)>>>,
    server: JoinHandle<()>,
}

impl Partner {
    async fn start() -> Self {
        let calls = Arc::default();
        let note = |State(calls): State<Arc<Mutex<Vec<_>>>>, headers: HeaderMap| async move {
            let fence: u64 = headers["fence"].to_str().unwrap().parse().unwrap();
            calls.lock().unwrap().push((fence, Instant::now()));
        };
        let app = Router::new().fallback(any(note)).with_state(Arc::clone(&calls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, calls, server }
    }

    fn calls(&self) -> Vec<(u64, Instant)> {
        self.calls.lock().unwrap().clone()
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn run(server: &Server, partner: &Partner, words: &str) -> Program {
    let (redis, partner) = (server.url(), &partner.url);
    let lease = LEASE.as_secs();
    let words = format!("-redis {redis} -partner {partner} -lease {lease}s -rate 5/1s -calls 5 {words}");
    Program::start("batch", &words).await
}

async fn two_runs_make_their_calls_one_after_the_other(kind: Kind) {
    if !has("go") {
        return;
    }
    let (server, partner) = (Server::start_tcp(kind), Partner::start().await);
    let mut first = run(&server, &partner, "").await;
    assert!(first.line().await.unwrap().starts_with("call 1 with fence "));
    let second = run(&server, &partner, "-wait 60s").await;
    let (lines, status) = run(&server, &partner, "").await.end().await;
    assert!(status.success());
    assert_eq!(lines, ["another run is at it"]);
    for program in [first, second] {
        let (lines, status) = program.end().await;
        assert!(status.success());
        assert_eq!(lines.last().unwrap(), "unlocked");
    }
    let fences: Vec<_> = partner.calls().iter().map(|(fence, _)| *fence).collect();
    assert!(fences.len() == 10 && fences.is_sorted() && fences[4] < fences[5], "{fences:?}");
}

async fn a_crash_blocks_the_next_run_for_the_lease_and_not_longer(kind: Kind) {
    if !has("go") {
        return;
    }
    let (server, partner) = (Server::start_tcp(kind), Partner::start().await);
    let mut first = run(&server, &partner, "").await;
    first.line().await.unwrap();
    first.signal(Signal::KILL);
    assert!(!first.end().await.1.success());
    let asked = Instant::now();
    let reply = server.ask("LOCK.TRY lock:batch somebody PX 1000").ints();
    let left = Duration::from_millis(u64::try_from(reply[2]).unwrap() - 1); // it is rounded up
    assert!(reply[0] == 0 && left <= LEASE, "{reply:?}");
    let (lines, status) = run(&server, &partner, "-wait 60s").await.end().await;
    assert!(status.success(), "{lines:?}");
    let calls = partner.calls();
    let next = calls.iter().find(|(fence, _)| *fence != calls[0].0).unwrap();
    assert!(next.1 >= asked + left, "it did not wait for the lease");
}

async fn who_has_lost_the_lock_stops_and_unlocks_nobody(kind: Kind) {
    if !has("go") {
        return;
    }
    let (server, partner) = (Server::start_tcp(kind), Partner::start().await);
    let mut first = run(&server, &partner, "-calls 100").await;
    first.line().await.unwrap();
    server.ask("DEL lock:batch");
    assert_eq!(server.ask("LOCK.TRY lock:batch next PX 60000").ints()[0], 1);
    let (lines, status) = first.end().await;
    assert_eq!(status.code(), Some(3), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "the lock is lost");
    assert!(partner.calls().len() < 50);
    until("the next one holds it", || server.ask("LOCK.EXTEND lock:batch next PX 60000").ints()[0] == 1);
}
