//! How long a lock takes from one client to the next that waits: from the RELEASE that is sent until the waiting
//! client has read its reply, over loopback TCP, with a PING in the same rounds as the yardstick.
//!
//! ```text
//! make bench-handover                                                    all that `make test` runs on
//! cargo bench -p sluice-benches --bench handover -- /path/to/a-server    this one
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has to stop, and its figures go to standard output"
)]

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use sluice_testing::{Client, Kind, Server};

/// Hand-overs that are measured on each server, after as many as a tenth of them to warm up.
const ROUNDS: usize = 5_000;

/// So many wait in the second measurement, each for its turn. Below the 1024 files that a process may have open.
const CROWD: usize = 500;

fn main() {
    let named = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let mut servers: Vec<_> =
        named.map(|path| Server::setup(Kind::Redis82).program(Path::new(&path))).collect();
    if servers.is_empty() {
        servers.extend(Kind::ALL.map(Server::setup));
    }
    println!("RELEASE sent to the next waiter's reply read, in µs, {ROUNDS} times each\n");
    println!(
        "| server        | PING median |    p99 | 1 waits: median |    p99 | {CROWD} wait: median |    p99 |"
    );
    println!(
        "|---------------|------------:|-------:|----------------:|-------:|------------------:|-------:|"
    );
    for setup in servers {
        let server = setup.tcp().start();
        let (pings, alone) = hand_overs(&server, 1);
        let (_, crowded) = hand_overs(&server, CROWD);
        println!(
            "| {:<13} | {:>11.1} | {:>6.1} | {:>15.1} | {:>6.1} | {:>17.1} | {:>6.1} |",
            server.version(),
            pings.median(),
            pings.p99(),
            alone.median(),
            alone.p99(),
            crowded.median(),
            crowded.p99(),
        );
    }
}

/// Times of PINGs and of hand-overs, in turn, while so many clients wait. Who had the lock queues up again at once.
fn hand_overs(server: &Server, waiting: usize) -> (Times, Times) {
    let mut watcher = server.connect_tcp();
    let mut holder = server.connect_tcp();
    let mut ids = 0_u64;
    let mut next_id = || {
        ids += 1;
        format!("owner-{ids}")
    };
    let mut held_as = next_id();
    assert_eq!(holder.call(&["LOCK.TRY", "k", &held_as, "PX", "3600000"]).ints()[0], 1);
    let mut queue: VecDeque<(Client, String)> = VecDeque::new();
    for _ in 0..waiting {
        queue.push_back((server.connect_tcp(), next_id()));
        let (client, owner) = queue.back_mut().unwrap();
        client.send(&["LOCK.ACQUIRE", "k", owner, "PX", "3600000", "BLOCK", "0"]);
        until_waiting(&mut watcher, queue.len());
    }
    let (mut pings, mut times) = (Times::default(), Times::default());
    for round in 0..ROUNDS + ROUNDS / 10 {
        let began = Instant::now();
        assert_eq!(holder.call(&["PING"]).text(), "PONG");
        let ping = began.elapsed();

        let (mut next, next_held_as) = queue.pop_front().unwrap();
        let began = Instant::now();
        holder.send(&["LOCK.RELEASE", "k", &held_as]);
        let reply = next.read();
        let handed_over = began.elapsed();
        assert_eq!((reply.ints()[0], holder.read().int()), (1, 1));

        if round >= ROUNDS / 10 {
            pings.0.push(ping);
            times.0.push(handed_over);
        }
        let owner = next_id();
        holder.send(&["LOCK.ACQUIRE", "k", &owner, "PX", "3600000", "BLOCK", "0"]);
        queue.push_back((holder, owner));
        until_waiting(&mut watcher, waiting);
        (holder, held_as) = (next, next_held_as);
    }
    drop(queue);
    until_waiting(&mut watcher, 0);
    assert_eq!(holder.call(&["LOCK.RELEASE", "k", &held_as]).int(), 1);
    (pings, times)
}

#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn median(&self) -> f64 {
        self.at(50)
    }

    fn p99(&self) -> f64 {
        self.at(99)
    }

    /// The time that so many of a hundred do not exceed, in µs.
    fn at(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1e6
    }
}

/// Asks until so many wait: only then is there somebody to hand over to.
fn until_waiting(watcher: &mut Client, count: usize) {
    while watcher.call(&["LOCK.INFO", "k"]).pairs()[1].1.int() != count as i64 {}
}
