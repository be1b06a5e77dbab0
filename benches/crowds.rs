//! What many holders and many who wait cost: a call on a semaphore of a thousand beside one on a mutex, and the longest time
//! that a FLUSHALL of keys with waiters keeps everybody else waiting, beside clients that wait by BLPOP.
//!
//! ```text
//! make bench-crowds                                                    all that `make test` runs on
//! cargo bench -p sluice-benches --bench crowds -- /path/to/a-server    this one
//! ```
//!
//! It fails where a call on the semaphore costs more than [`GOAL`] times one on the mutex.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has to stop, and its figures go to standard output"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use sluice_testing::{Client, Kind, Server};

/// Holders of the semaphore.
const HOLDERS: usize = 1_000;

/// What a call on it may cost, in calls on a mutex.
const GOAL: f64 = 3.0;

/// So many wait, each for a key of its own. Below the 1024 files that a process may have open.
const WAITING: usize = 900;

/// Pipelines of 100 calls that are timed in each round, and the rounds, of which the median counts.
const PIPELINES: usize = 200;
const ROUNDS: usize = 5;

fn main() {
    let named = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let mut servers: Vec<_> =
        named.map(|path| Server::setup(Kind::Redis82).program(Path::new(&path))).collect();
    if servers.is_empty() {
        servers.extend(Kind::ALL.map(Server::setup));
    }
    println!(
        "TRY and RELEASE in ns a call; the longest PING while FLUSHALL wakes {WAITING} who wait, in µs\n"
    );
    println!(
        "| server        |  mutex | of {HOLDERS} | ratio | lock, flushed | lock, all granted | BLPOP, flushed |"
    );
    println!(
        "|---------------|-------:|--------:|------:|--------------:|------------------:|---------------:|"
    );
    let mut worst = 0.0_f64;
    for setup in servers {
        let server = setup.module_args("max-waiters-total 100000").start();
        let (mutex, semaphore) = calls(&server);
        let ratio = semaphore / mutex;
        worst = worst.max(ratio);
        let (locks, granted) =
            flush(&server, "LOCK.ACQUIRE k* B PX 600000 BLOCK 0", "LOCK.TRY k* A PX 600000", true);
        let (lists, _) = flush(&server, "BLPOP k* 0", "PING k*", false);
        println!(
            "| {:<13} | {mutex:>6.0} | {semaphore:>7.0} | {ratio:>5.2} | {:>13.0} | {:>17.0} | {:>14.0} |",
            server.version(),
            micros(locks),
            micros(granted),
            micros(lists),
        );
    }
    assert!(worst <= GOAL, "a call on a semaphore costs {worst:.2} calls on a mutex, and {GOAL} is the most");
}

/// The time of a call on a mutex, and on a semaphore that all but one hold.
fn calls(server: &Server) -> (f64, f64) {
    let mut client = server.connect();
    let take = |n: usize| format!("LOCK.TRY full holder-{n} PX 3600000 HOLDERS {HOLDERS}");
    client.pipeline(&(1..HOLDERS).map(take).collect::<Vec<_>>());
    let mut time = |key: &str| {
        let pair = [
            format!("LOCK.TRY {key} owner PX 1800000 HOLDERS {HOLDERS}"),
            format!("LOCK.RELEASE {key} owner"),
        ];
        let pipeline: Vec<_> = pair.iter().cycle().take(100).collect();
        let began = Instant::now();
        for _ in 0..PIPELINES {
            let replies = client.pipeline(&pipeline);
            assert_eq!((replies[98].ints()[0], replies[99].int()), (1, 1));
        }
        began.elapsed().as_nanos() as f64 / (100 * PIPELINES) as f64
    };
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| (time("mutex"), time("full"))).collect();
    rounds.sort_by(|one, other| (one.1 / one.0).total_cmp(&(other.1 / other.0)));
    client.ask("DEL full");
    rounds[ROUNDS / 2]
}

/// Clients wait by `waits`; then the keys are flushed. The longest PING until all is quiet again, and the time until all
/// of them are granted, if they are.
fn flush(server: &Server, waits: &str, prepared: &str, granted: bool) -> (Duration, Duration) {
    let mut client = server.connect();
    let mut queue: Vec<Client> = (0..WAITING)
        .map(|n| {
            client.ask(&prepared.replace('*', &n.to_string()));
            let mut waiter = server.connect();
            waiter.send(&waits.replace('*', &n.to_string()).split(' ').collect::<Vec<_>>());
            waiter
        })
        .collect();
    while client.info("clients", "blocked_clients") != WAITING.to_string() {}
    client.ask("FLUSHALL").assert_ok();
    let (began, mut longest, mut all) = (Instant::now(), Duration::ZERO, Duration::ZERO);
    while began.elapsed() < Duration::from_millis(500) {
        let asked = Instant::now();
        client.ask("PING");
        longest = longest.max(asked.elapsed());
        if granted && all.is_zero() && client.info("sluice", "sluice_lock_waiting") == "0" {
            all = began.elapsed();
        }
    }
    if granted {
        queue.iter_mut().for_each(|waiter| assert_eq!(waiter.read().ints()[0], 1));
    }
    drop(queue);
    while client.info("clients", "blocked_clients") != "0" {}
    client.ask("FLUSHALL").assert_ok();
    (longest, all)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
