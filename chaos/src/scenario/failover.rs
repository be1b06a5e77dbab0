//! A primary with two replicas: it is killed, stopped, told to fail over, or made a replica. Fences grow over all of it,
//! who waits is told, the servers are equal afterwards, and what was lost is counted.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use sluice_testing::{Client, Server};

use super::sentinel::Sentinel;
use super::shards::acknowledge;
use super::verdict::{hear, judge};
use super::void::Void;
use super::{Cell, Outcome};
use crate::history::{Call, Instants, Stopped};
use crate::load::{Habits, LockClient, Only, Route, Writer};
use crate::now::{Ends, now_us, sleep_ms, within};

const WRITERS: usize = 3;
const CLIENTS: usize = 5;

const SOON: Duration = Duration::from_secs(15);

/// What is done to the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// kill -9, and Sentinel promotes a replica.
    Kill,
    /// FAILOVER: loses nothing.
    Failover,
    /// SIGSTOP until Sentinel has promoted a replica, then it goes on as if nothing had been.
    Stop,
    /// REPLICAOF NO ONE on a replica, then REPLICAOF on the others, as an operator does in a hurry.
    ReplicaOf,
}

/// Where clients find the primary.
struct Primary(AtomicU16);

impl Route for Primary {
    fn port(&self, _key: &str) -> u16 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The servers, and what has been seen.
struct Trial<'a> {
    cell: &'a Cell,
    servers: Vec<Server>,
    primary: usize,
    writers: Vec<Writer>,
    calls: Vec<Call>,
    voids: Vec<Void>,
    stops: Vec<Stopped>,
    told: usize,
    /// By blow: changes that were answered and are missing on the new primary, and how long before it the oldest was
    /// answered, in µs.
    lost: Vec<(Blow, usize, i64)>,
    rounds: usize,
    faults: Vec<String>,
}

pub(crate) fn run(cell: &Cell) -> Outcome {
    let mut trial = Trial::start(cell);
    let mut rng = cell.rng();
    for (round, blow) in
        [Blow::Kill, Blow::Failover, Blow::Stop, Blow::ReplicaOf].into_iter().cycle().enumerate()
    {
        // Each at least once.
        if round >= 4 && !cell.has_left(Duration::from_secs(8)) {
            break;
        }
        trial.round(blow, &mut rng);
    }
    trial.judge()
}

impl<'a> Trial<'a> {
    fn start(cell: &'a Cell) -> Self {
        let servers: Vec<_> = (0..3).map(|_| Server::setup(cell.kind).tcp().start()).collect();
        let writers = (0..WRITERS).map(|n| Writer::new("{w}", n, cell.seed)).collect();
        let mut trial = Self {
            cell,
            servers,
            primary: 0,
            writers,
            calls: Vec::new(),
            voids: Vec::new(),
            stops: Vec::new(),
            told: 0,
            lost: Vec::new(),
            rounds: 0,
            faults: Vec::new(),
        };
        trial.follow();
        trial
    }

    /// Load, a blow in the middle of it, and a look at what the new primary has.
    fn round(&mut self, blow: Blow, rng: &mut Rng) {
        self.rounds += 1;
        let began_us = now_us();
        let old = self.primary;
        let sentinel = matches!(blow, Blow::Kill | Blow::Stop)
            .then(|| Sentinel::start(self.cell.kind, self.servers[old].port(), 2));
        let mut waiters = self.wait();
        let struck_us = self.load(blow, sentinel.as_ref(), began_us, rng);
        drop(sentinel);
        self.look(blow, struck_us);
        let mut faults = Vec::new();
        self.told += hear(&mut waiters, SOON, &mut faults);
        self.follow();
        self.compare(&mut faults);
        self.faults.extend(faults.into_iter().map(|fault| format!("{blow:?}: {fault}")));
    }

    /// Clients at work while it happens; when it did, unix µs.
    fn load(&mut self, blow: Blow, sentinel: Option<&Sentinel>, began_us: i64, rng: &mut Rng) -> i64 {
        let port = self.servers[self.primary].port();
        let (route, struck) = (Primary(AtomicU16::new(port)), Only(port));
        let locks = (0..3).map(|n| (format!("mutex:{n}"), 1)).chain([("semaphore".to_owned(), 3)]).collect();
        let patient = Habits { locks, lease_ms: 10..200, block_ms: 50..600, dying: 10, patience: SOON };
        // Those who do not wait for a server that stands still meet the one that replaces it.
        let hasty = Habits { patience: Duration::from_millis(400), ..patient.clone() };
        let stop = AtomicBool::new(false);
        let mut writers = std::mem::take(&mut self.writers);
        let first = CLIENTS * self.rounds;
        let (struck_us, calls) = thread::scope(|scope| {
            let ends = Ends(&stop);
            for writer in &mut writers {
                // They know their keys on the server that is struck, and go on when it is known what the new one has.
                scope.spawn(|| writer.run(&struck, &stop, Duration::from_secs(1)));
            }
            let clients: Vec<_> = (first..first + CLIENTS)
                .map(|n| {
                    let habits = if n % 2 == 0 { &patient } else { &hasty };
                    let client = LockClient::new(n, habits, &route, self.cell.seed);
                    let stop = &stop;
                    scope.spawn(move || client.run(stop))
                })
                .collect();
            sleep_ms(rng.u64(300..700));
            let struck_us = now_us();
            self.strike(blow, sentinel, &route, began_us, rng);
            sleep_ms(300);
            drop(ends);
            let calls: Vec<Call> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
            (struck_us, calls)
        });
        self.writers = writers;
        self.calls.extend(calls);
        struck_us
    }

    /// Some who wait on the primary for locks that are held for long.
    fn wait(&self) -> Vec<Client> {
        let primary = &self.servers[self.primary];
        let waiter = |n| {
            primary.ask(&format!("LOCK.TRY long:{n} {} PX 600000", self.rounds));
            let mut client = primary.connect_tcp();
            client.send(&[
                "LOCK.ACQUIRE",
                &format!("long:{n}"),
                &format!("w{}", self.rounds),
                "PX",
                "1",
                "BLOCK",
                "0",
            ]);
            client
        };
        (0..3).map(waiter).collect()
    }

    /// Does it, and sends clients to the new primary.
    fn strike(
        &mut self,
        blow: Blow,
        sentinel: Option<&Sentinel>,
        route: &Primary,
        began_us: i64,
        rng: &mut Rng,
    ) {
        let old = self.primary;
        let old_port = self.servers[old].port();
        // On a busy machine Sentinel may have been faster.
        let is_early = sentinel.is_some_and(|sentinel| sentinel.primary() != old_port);
        let from_us = if is_early { began_us } else { now_us() };
        let chosen = (old + rng.usize(1..3)) % 3;
        match blow {
            Blow::Kill => self.servers[old].kill9(),
            Blow::Stop => self.servers[old].freeze(),
            Blow::Failover => {
                let to = self.servers[chosen].port();
                self.servers[old].ask(&format!("FAILOVER TO 127.0.0.1 {to}")).assert_ok();
            }
            Blow::ReplicaOf => self.servers[chosen].ask("REPLICAOF NO ONE").assert_ok(),
        }
        let new = sentinel.map_or(chosen, |sentinel| {
            let port = sentinel.promoted(old_port);
            self.servers.iter().position(|server| server.port() == port).expect("one of ours")
        });
        let role = || self.servers[new].connect().info("replication", "role") == "master";
        assert!(within(SOON, role), "{blow:?}: nobody is promoted");
        self.primary = new;
        route.0.store(self.servers[new].port(), Ordering::Relaxed);
        if blow == Blow::Stop {
            // It goes on as a primary until somebody tells it.
            sleep_ms(100);
            self.servers[old].thaw();
            self.stops.push(Stopped { node: old_port, from_us, to_us: now_us() });
            sleep_ms(rng.u64(20..200));
        }
        if blow == Blow::ReplicaOf {
            sleep_ms(rng.u64(20..100));
        }
        if matches!(blow, Blow::Stop | Blow::ReplicaOf) {
            replicate(&self.servers[old], self.servers[new].port());
        }
        if blow != Blow::Failover {
            self.voids.push(Void::of(old_port, from_us, now_us()));
        }
    }

    /// What the new primary has of the writers' keys.
    fn look(&mut self, blow: Blow, struck_us: i64) {
        let mut client = self.servers[self.primary].connect();
        let instants = Instants { answered_before_us: now_us(), asked_before_us: i64::MAX };
        let (mut lost, mut oldest_us) = (0, 0);
        let mut faults = Vec::new();
        for writer in &mut self.writers {
            let (missing, age_us) = writer.look(&mut client, instants, &mut faults);
            lost += missing;
            oldest_us = oldest_us.max(age_us);
        }
        self.faults.extend(faults.into_iter().map(|fault| format!("{blow:?}: {fault}")));
        if blow == Blow::Failover && lost > 0 {
            self.faults.push(format!("FAILOVER lost {lost} answered changes"));
        }
        // How old they were then, not how old they are now.
        oldest_us -= instants.answered_before_us - struck_us;
        self.lost.push((blow, lost, oldest_us.max(0)));
    }

    /// All others follow the primary, the killed one too.
    fn follow(&mut self) {
        let port = self.servers[self.primary].port();
        for index in (0..3).filter(|index| *index != self.primary) {
            let server = &mut self.servers[index];
            if !server.is_running() {
                server.start_again();
            }
            replicate(server, port);
        }
        for index in (0..3).filter(|index| *index != self.primary) {
            let mut client = self.servers[index].connect();
            let up = || client.info("replication", "master_link_status") == "up";
            assert!(within(SOON, up), "a replica does not follow");
        }
        let acknowledge = || acknowledge(&self.servers[self.primary], "settled", 2);
        assert!(within(SOON, acknowledge), "the replicas do not acknowledge");
    }

    /// After a while without calls all three have the same.
    fn compare(&self, faults: &mut Vec<String>) {
        let mut clients: Vec<_> = self.servers.iter().map(Server::connect).collect();
        let mut digests = Vec::new();
        // Short leases end meanwhile, at each server when it notices.
        let equal = within(Duration::from_secs(5), || {
            let digest = |client: &mut Client| client.ask("DEBUG DIGEST").text().to_owned();
            digests = clients.iter_mut().map(digest).collect();
            digests.iter().all(|digest| *digest == digests[0])
        });
        if !equal {
            faults.push(format!("the servers differ for good: {digests:?}"));
        }
    }

    fn judge(mut self) -> Outcome {
        let verdict = judge(&self.calls, &self.voids, &self.stops);
        self.faults.extend(verdict.faults);
        let lost = [Blow::Kill, Blow::Failover, Blow::Stop, Blow::ReplicaOf].map(|blow| {
            let of_it: Vec<_> = self.lost.iter().filter(|(other, ..)| *other == blow).collect();
            let lost: usize = of_it.iter().map(|(_, lost, _)| lost).sum();
            let oldest = of_it.iter().map(|(.., oldest)| oldest / 1000).max().unwrap_or(0);
            format!("{blow:?} {lost} in {} ({oldest} ms)", of_it.len())
        });
        let changes: u64 = self.writers.iter().map(|writer| writer.answered).sum();
        let figures = format!(
            "{changes} changes answered, of which lost: {}; {} grants, {} waiters told, {} calls without a reply; \
             {} holders of what was lost met another",
            lost.join(", "),
            verdict.grants,
            self.told,
            verdict.unanswered,
            verdict.overlaps,
        );
        Outcome { figures, faults: self.faults }
    }
}

/// Makes it a replica, unless it is that one's already, which is +OK with a remark.
fn replicate(server: &Server, primary: u16) {
    let reply = server.ask(&format!("REPLICAOF 127.0.0.1 {primary}"));
    assert!(reply.text().starts_with("OK"), "{reply:?}");
}
