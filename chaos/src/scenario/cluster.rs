//! A cluster whose slots move and whose primaries are killed, stopped and replaced: no lock has two holders at one
//! instant, and whoever waits is answered or sent on.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use sluice_testing::{Client, Kind, Reply, Server};

use super::shards::{MOVING, Shards, role};
use super::verdict::{hear, is_silence, judge};
use super::void::Void;
use super::{Cell, Outcome};
use crate::history::{Call, Instants, Stopped};
use crate::load::{Habits, LockClient, Writer, field};
use crate::now::{Ends, now_us, sleep_ms, within};

const CLIENTS: usize = 6;
const WRITERS: usize = 2;
const SOON: Duration = Duration::from_secs(10);

/// How many wait for locks whose leases end while their primary is stopped.
const SLEEPERS: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// SETSLOT and MIGRATE.
    Move,
    /// CLUSTER MIGRATESLOTS, which Valkey has from 9 on.
    MoveWhole,
    /// CLUSTER FAILOVER.
    Failover,
    /// kill -9, and the replica takes over.
    Kill,
    /// SIGSTOP until the replica has taken over, then it goes on as if nothing had been.
    Stop,
}

struct Trial<'a> {
    cell: &'a Cell,
    shards: Shards,
    /// The shard that has the slot that moves.
    has_moving: usize,
    /// Their keys are in the slot that moves.
    writers: Vec<Writer>,
    /// Changes of theirs that were answered and are missing after a kill or a stop.
    lost: usize,
    calls: Vec<Call>,
    voids: Vec<Void>,
    stops: Vec<Stopped>,
    rounds: usize,
    done: Vec<Blow>,
    told: usize,
    /// Of those who slept through the end of a primary, how many it granted when it woke, and how many it was.
    sleepers: (usize, usize),
    unplanned: usize,
    faults: Vec<String>,
}

pub(crate) fn run(cell: &Cell) -> Outcome {
    let blows: &[Blow] = match cell.kind {
        Kind::Valkey91 => &[Blow::Move, Blow::Stop, Blow::MoveWhole, Blow::Failover, Blow::Kill],
        _ => &[Blow::Move, Blow::Stop, Blow::Failover, Blow::Kill],
    };
    let mut trial = Trial {
        cell,
        shards: Shards::start(cell.kind),
        has_moving: 1,
        writers: (0..WRITERS).map(|n| Writer::new(MOVING, n, cell.seed)).collect(),
        lost: 0,
        calls: Vec::new(),
        voids: Vec::new(),
        stops: Vec::new(),
        rounds: 0,
        done: Vec::new(),
        told: 0,
        sleepers: (0, 0),
        unplanned: 0,
        faults: Vec::new(),
    };
    let mut rng = cell.rng();
    for (round, blow) in blows.iter().cycle().enumerate() {
        // Each at least once.
        if round >= blows.len() && !cell.has_left(Duration::from_secs(9)) {
            break;
        }
        trial.round(*blow, &mut rng);
    }
    trial.judge()
}

impl Trial<'_> {
    /// Load, and a blow in the middle of it.
    fn round(&mut self, blow: Blow, rng: &mut Rng) {
        self.rounds += 1;
        self.done.push(blow);
        let began_us = now_us();
        let moves = matches!(blow, Blow::Move | Blow::MoveWhole);
        let struck = if moves || rng.bool() { self.has_moving } else { rng.usize(..3) };
        let mut waiters = self.wait(struck, if moves { MOVING.to_owned() } else { self.shards.tag(struck) });
        self.load(blow, struck, rng);
        self.look(blow, struck);
        let mut faults = Vec::new();
        self.told += hear(&mut waiters, SOON, &mut faults);
        self.faults.extend(faults.into_iter().map(|fault| format!("{blow:?}: {fault}")));
        for shard in self.shards.changed_by_themselves() {
            self.unplanned += 1;
            let old = self.shards.nodes[self.shards.other(shard)].port();
            self.voids.push(Void::of(old, began_us, now_us()));
        }
        for shard in 0..3 {
            self.shards.until_whole(shard);
            self.compare(shard, blow);
        }
    }

    /// Clients at work while it happens.
    fn load(&mut self, blow: Blow, struck: usize, rng: &mut Rng) {
        let map = self.shards.map();
        let names = ["{k}:0", "{k}:1", "{a}:0", "{b}:0", "{c}:0"].map(|name| (name.to_owned(), 1));
        let locks = names.into_iter().chain([("{k}:s".to_owned(), 3)]).collect();
        let patient = Habits { locks, lease_ms: 10..200, block_ms: 50..600, dying: 10, patience: SOON * 2 };
        // Those who do not wait for a node that stands still meet the one that replaces it.
        let hasty = Habits { patience: Duration::from_millis(400), ..patient.clone() };
        let stop = AtomicBool::new(false);
        let first = CLIENTS * self.rounds;
        let mut writers = std::mem::take(&mut self.writers);
        let calls: Vec<Call> = thread::scope(|scope| {
            let ends = Ends(&stop);
            for writer in &mut writers {
                scope.spawn(|| writer.run(&map, &stop, Duration::from_secs(1)));
            }
            let clients: Vec<_> = (first..first + CLIENTS)
                .map(|n| {
                    let habits = if n % 3 == 0 { &patient } else { &hasty };
                    let client = LockClient::new(n, habits, &map, self.cell.seed);
                    let stop = &stop;
                    scope.spawn(move || client.run(stop))
                })
                .collect();
            sleep_ms(rng.u64(200..600));
            match blow {
                Blow::Move => self.move_slot(rng),
                Blow::MoveWhole => self.move_whole(rng),
                _ => self.strike(blow, struck),
            }
            sleep_ms(300);
            drop(ends);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        self.calls.extend(calls);
        self.writers = writers;
    }

    /// Some who wait, without an end, for locks of a shard that are held for long.
    fn wait(&self, shard: usize, tag: String) -> Vec<Client> {
        let primary = self.shards.primary(shard);
        let waiter = |n| {
            primary.ask(&format!("LOCK.TRY {tag}:long{n} holder PX 600000"));
            let mut client = primary.connect_tcp();
            let owner = format!("w{}", self.rounds);
            client.send(&["LOCK.ACQUIRE", &format!("{tag}:long{n}"), &owner, "PX", "1", "BLOCK", "0"]);
            client
        };
        (0..3).map(waiter).collect()
    }

    /// Moves the slot to another shard, key by key.
    fn move_slot(&mut self, rng: &mut Rng) {
        let (from, to) = (self.has_moving, (self.has_moving + rng.usize(1..3)) % 3);
        let (source, target) = (self.shards.primary(from), self.shards.primary(to));
        let slot = source.ask(&format!("CLUSTER KEYSLOT {MOVING}")).int();
        let (from_id, to_id) = (self.shards.id(from), self.shards.id(to));
        target.ask(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}")).assert_ok();
        source.ask(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}")).assert_ok();
        let began = Instant::now();
        loop {
            let keys = source.ask(&format!("CLUSTER GETKEYSINSLOT {slot} 10"));
            if keys.array().is_empty() && began.elapsed() > Duration::from_millis(300) {
                break;
            }
            for key in keys.array() {
                // Some have ended meanwhile, which is NOKEY.
                source.ask(&format!("MIGRATE 127.0.0.1 {} {} 0 5000", target.port(), key.text()));
                sleep_ms(rng.u64(0..20));
            }
            sleep_ms(5);
        }
        let nodes = (0..3).map(|shard| self.shards.primary((to + shard) % 3));
        for node in nodes {
            node.ask(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
        }
        self.has_moving = to;
    }

    /// Has the servers move it.
    fn move_whole(&mut self, rng: &mut Rng) {
        let (from, to) = (self.has_moving, (self.has_moving + rng.usize(1..3)) % 3);
        let (source, target) = (self.shards.primary(from), self.shards.primary(to));
        let slot = source.ask(&format!("CLUSTER KEYSLOT {MOVING}")).int();
        let to_id = self.shards.id(to);
        let line = format!("CLUSTER MIGRATESLOTS SLOTSRANGE {slot} {slot} NODE {to_id}");
        source.ask(&line).assert_ok();
        let moved = || !matches!(target.ask(&format!("LOCK.INFO {MOVING}:0")), Reply::Error(_));
        if !within(SOON, moved) {
            self.faults
                .push(format!("MIGRATESLOTS does not end: {:?}", source.ask("CLUSTER GETSLOTMIGRATIONS")));
        }
        self.has_moving = to;
    }

    /// Replaces the primary of a shard.
    fn strike(&mut self, blow: Blow, shard: usize) {
        let old = self.shards.primaries[shard];
        let port = self.shards.nodes[old].port();
        let mut sleepers = if blow == Blow::Stop { self.sleep(shard) } else { Vec::new() };
        let from_us = now_us();
        match blow {
            Blow::Kill => self.shards.nodes[old].kill9(),
            Blow::Stop => self.shards.nodes[old].freeze(),
            _ => self.shards.fail_over(shard),
        }
        self.shards.until_promoted(shard);
        match blow {
            Blow::Kill => {
                self.voids.push(Void::of(port, from_us, now_us()));
                self.shards.nodes[old].start_again();
            }
            Blow::Stop => {
                sleep_ms(300);
                self.shards.nodes[old].thaw();
                self.stops.push(Stopped { node: port, from_us, to_us: now_us() });
                let server = &self.shards.nodes[old];
                assert!(within(SOON, || role(server) == "slave"), "it does not learn that it was replaced");
                self.voids.push(Void::of(port, from_us, now_us()));
            }
            _ => {}
        }
        self.shards.until_whole(shard);
        for sleeper in &mut sleepers {
            sleeper.set_patience(SOON).unwrap();
            match sleeper.try_read() {
                Ok(Reply::Array(reply)) if reply[0] == Reply::Int(1) => self.sleepers.0 += 1,
                Err(error) if is_silence(&error) => {
                    self.faults
                        .push("one who slept through the end of its primary was told nothing".to_owned());
                }
                _ => {}
            }
            self.sleepers.1 += 1;
        }
    }

    /// Some who wait for locks whose leases end while nobody looks.
    fn sleep(&self, shard: usize) -> Vec<Client> {
        let (primary, tag) = (self.shards.primary(shard), self.shards.tag(shard));
        let sleeper = |n| {
            let key = format!("{tag}:sleeper{n}");
            primary.ask(&format!("LOCK.TRY {key} holder{} PX 1500", self.rounds));
            let mut client = primary.connect_tcp();
            client.send(&["LOCK.ACQUIRE", &key, &format!("s{}", self.rounds), "PX", "60000", "BLOCK", "0"]);
            client
        };
        let sleepers: Vec<_> = (0..SLEEPERS).map(sleeper).collect();
        // They all wait, and the leases still last.
        let waits = |n| {
            let info = primary.ask(&format!("LOCK.INFO {tag}:sleeper{n}"));
            !info.is_null() && field(&info, "waiting").int() == 1
        };
        assert!(within(Duration::from_secs(1), || (0..SLEEPERS).all(waits)), "nobody waits");
        sleepers
    }

    /// What has become of the writers' keys. Nothing is lost unless their primary was.
    fn look(&mut self, blow: Blow, struck: usize) {
        let mut client = self.shards.primary(self.has_moving).connect();
        let instants = Instants { answered_before_us: now_us(), asked_before_us: i64::MAX };
        let mut faults = Vec::new();
        let may_lose = matches!(blow, Blow::Kill | Blow::Stop) && struck == self.has_moving;
        for writer in &mut self.writers {
            let (lost, _) = writer.look(&mut client, instants, &mut faults);
            if may_lose {
                self.lost += lost;
            } else if lost > 0 {
                faults.push(format!("{lost} answered changes lost"));
            }
        }
        self.faults.extend(faults.into_iter().map(|fault| format!("{blow:?}: {fault}")));
    }

    /// After a while without calls the replica of a shard has what its primary has.
    fn compare(&mut self, shard: usize, blow: Blow) {
        let (primary, other) = (self.shards.primary(shard), &self.shards.nodes[self.shards.other(shard)]);
        let digest = |server: &Server| server.ask("DEBUG DIGEST").text().to_owned();
        if !within(Duration::from_secs(5), || digest(primary) == digest(other)) {
            self.faults.push(format!("{blow:?}: the nodes of shard {shard} differ for good"));
        }
    }

    fn judge(mut self) -> Outcome {
        let verdict = judge(&self.calls, &self.voids, &self.stops);
        self.faults.extend(verdict.faults);
        let mut blows: Vec<String> = Vec::new();
        for blow in [Blow::Move, Blow::MoveWhole, Blow::Failover, Blow::Kill, Blow::Stop] {
            let times = self.done.iter().filter(|done| **done == blow).count();
            if times > 0 {
                blows.push(format!("{blow:?} {times}"));
            }
        }
        let changes: u64 = self.writers.iter().map(|writer| writer.answered).sum();
        let figures = format!(
            "{}; {changes} changes answered, {} lost by kills and stops; {} grants, {} waiters told, {} calls without \
             a reply; {} holders of what was lost met another; a stopped primary granted {} of {} waiters when it \
             woke; {} failovers by themselves",
            blows.join(", "),
            self.lost,
            verdict.grants,
            self.told,
            verdict.unanswered,
            verdict.overlaps,
            self.sleepers.0,
            self.sleepers.1,
            self.unplanned,
        );
        Outcome { figures, faults: self.faults }
    }
}
