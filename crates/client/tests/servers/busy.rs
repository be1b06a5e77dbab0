//! Joined calls and tokens taken ahead, on real servers.

use std::time::{Duration, Instant};

use sluice_client::{Limit, Limiter, Outage};
use sluice_testing::{Kind, Server, on_both_servers};
use tokio::task::JoinSet;

on_both_servers![joined_calls_pass_exactly_what_the_limit_has, what_is_taken_ahead_keeps_the_promise];

const PATIENCE: Duration = Duration::from_secs(5);

/// Several processes with many callers each: how many calls were granted.
async fn run(processes: &[Limiter], tasks: usize, calls: usize) -> usize {
    let mut running = JoinSet::new();
    for process in processes.iter().cycle().take(tasks) {
        let process = process.clone();
        running.spawn(async move {
            let mut granted = 0;
            for _ in 0..calls {
                granted += usize::from(process.try_acquire("k").await.unwrap().is_granted());
            }
            granted
        });
    }
    running.join_all().await.into_iter().sum()
}

async fn joined_calls_pass_exactly_what_the_limit_has(kind: Kind) {
    let server = Server::start_tcp(kind);
    // None comes back within the test.
    let limit = Limit::per(1, Duration::from_secs(36_000)).burst(700);
    let process = || Limiter::new(server.client(), limit, Outage::Closed).deadline(PATIENCE);
    let granted = run(&[process(), process(), process()], 300, 10).await;
    assert_eq!(granted, 700);
}

async fn what_is_taken_ahead_keeps_the_promise(kind: Kind) {
    let server = Server::start_tcp(kind);
    let (limit, hold) = (Limit::per_second(2000).burst(1000), Duration::from_millis(100));
    let process = || Limiter::new(server.client(), limit, Outage::Closed).deadline(PATIENCE).ahead(hold);
    let started = Instant::now();
    let granted = run(&[process(), process(), process()], 30, 4000).await;
    let most = 1000.0 + 2000.0 * (started.elapsed() + hold).as_secs_f64();
    assert!(granted as f64 <= most, "{granted} of at most {most}");
    assert!(granted >= 1000, "{granted}: it is to be busy");
}
