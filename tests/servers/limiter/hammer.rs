//! Fifty clients at once, as fast as they can: never more than the bound, and not much less either.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sluice_testing::{Client, Kind, Server, on_every_server};

const CLIENTS: usize = 50;
const SECOND: Duration = Duration::from_secs(1);

on_every_server![fifty_clients_keep_one_limit, fifty_clients_keep_two_limits];

fn fifty_clients_keep_one_limit(kind: Kind) {
    let server = Server::start(kind);
    let hammered = hammer(&server, "LIMIT 1000 EX 1 BURST 2000");
    hammered.assert_at_most(1000, 1000 * (2 * SECOND + hammered.lasted).as_millis());
    // Full at the start and empty at the end: only who does not ask for seconds on end wastes tokens.
    hammered.assert_at_least(1000 * (SECOND + hammered.lasted).as_millis());
    hammered.assert_exact(&server.connect().ask("GET k").text()[..19], Duration::from_millis(1));
}

fn fifty_clients_keep_two_limits(kind: Kind) {
    // Threads that read and write for the server change nothing: commands run on one.
    let server = Server::setup(kind).config("io-threads 3").start();
    // The first limit slows them down, the second ends it within the first second.
    let hammered = hammer(&server, "LIMIT 1000 EX 1 BURST 900 LIMIT 1500 EX 3600");
    hammered.assert_at_most(1000, 900 * 1000 + 1000 * hammered.lasted.as_millis());
    hammered.assert_at_most(3_600_000, 1500 * (3600 * SECOND + hammered.lasted).as_millis());
    hammered.assert_at_least(1_500_000);
    let state = server.connect().ask("GET k").text().to_owned();
    hammered.assert_exact(&state.split(';').nth(1).unwrap()[..19], Duration::from_millis(2400));
}

/// What came of it.
struct Hammered {
    granted: u128,
    calls: u128,
    began: Duration,
    /// From before the first call until after the last.
    lasted: Duration,
}

/// For two seconds each client calls again as soon as it is answered.
fn hammer(server: &Server, limits: &str) -> Hammered {
    let line = &format!("RATELIMIT.ACQUIRE k {limits}");
    let clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    let ready = &Barrier::new(CLIENTS + 1);
    thread::scope(|scope| {
        let threads = clients.into_iter().map(|mut client| {
            scope.spawn(move || {
                ready.wait();
                let end = since_1970() + 2 * SECOND;
                let (mut granted, mut calls) = (0, 0);
                while since_1970() < end {
                    granted += client.ask(line).ints()[0];
                    calls += 1;
                }
                client.assert_in_step();
                (granted, calls)
            })
        });
        let threads: Vec<_> = threads.collect();
        let began = since_1970();
        ready.wait();
        let counts: Vec<(i64, u128)> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let granted = u128::try_from(counts.iter().map(|(granted, _)| granted).sum::<i64>()).unwrap();
        let calls = counts.iter().map(|(_, calls)| calls).sum();
        Hammered { granted, calls, began, lasted: since_1970() - began }
    })
}

impl Hammered {
    /// No more than `allowed / per`, a fraction that is not rounded.
    #[track_caller]
    fn assert_at_most(&self, per: u128, allowed: u128) {
        assert!(self.granted * per <= allowed, "{} granted in {:?}", self.granted, self.lasted);
    }

    /// Not far too few; on a machine so busy that they hardly got to call, a good part of what they called.
    #[track_caller]
    fn assert_at_least(&self, thousandths: u128) {
        let least = thousandths.min(self.calls * 1000 / 4);
        assert!(self.granted * 1000 >= least, "{} of {} granted", self.granted, self.calls);
    }

    /// The state has counted each token once: it has moved on by that many, from a time when the clients were at it.
    #[track_caller]
    fn assert_exact(&self, tat: &str, token: Duration) {
        let from = tat.parse::<u128>().unwrap() - self.granted * token.as_nanos();
        let (began, ended) = (self.began.as_micros() * 1000, (self.began + self.lasted).as_nanos());
        assert!((began..ended).contains(&from), "{} tokens lead from {from} to {tat}", self.granted);
    }
}

/// The clock that the server goes by.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
