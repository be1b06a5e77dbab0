//! Three processes that stand on the Rust client, each behind a network of its own, while the network and the server fail:
//! never more than promised, alone where they should be, and everybody goes on soon after.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use sluice_testing::{Proxy, Server};

use super::{Cell, Outcome};
use crate::history::{Act, Promise, Section, alone, resumed};
use crate::now::{now_us, sleep_ms, within};
use crate::process::{AHEAD, BUSY, DEADLINE, HOLD, LEASE, TURNS};

const PROCESSES: usize = 3;

/// How soon everybody goes on when the server is back, beside what the machine itself is late.
const SOON_US: i64 = 2_000_000;

/// What a process may have grown by, and how many tasks may be left: its connections, and what waits for answers that
/// come late.
const GROWTH_KIB: u64 = 16 * 1024;
const TASKS: usize = 64;

const STARTED: Duration = Duration::from_secs(20);

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// All that is sent arrives 60 ms later for a while.
    Delay,
    /// Connections are closed.
    Cut,
    /// Connections hang without a word; new ones work.
    Silence,
    /// SIGSTOP for seconds.
    Stop,
    /// kill -9; the server comes back with its append-only file.
    Kill,
    /// The replica takes over, behind the same address; the old primary goes on as a replica.
    Failover,
}

const BLOWS: [Blow; 6] = [Blow::Delay, Blow::Cut, Blow::Silence, Blow::Stop, Blow::Kill, Blow::Failover];

struct Trial {
    servers: Vec<Server>,
    primary: usize,
    proxies: Vec<Proxy>,
    /// What was done, and when all was well again, unix us.
    blows: Vec<(Blow, i64)>,
}

/// A process and what it says.
struct Running {
    child: Child,
    said: JoinHandle<Said>,
}

/// What a process did.
#[derive(Default)]
struct Said {
    turns_us: Vec<i64>,
    busy_us: Vec<i64>,
    ahead_us: Vec<i64>,
    sections: Vec<(String, Section)>,
    wrong: Vec<String>,
    late_us: i64,
    /// KiB early and at the end, and tasks; none of a process that did not come to its end.
    rest: Option<(u64, u64, usize)>,
}

pub(crate) fn run(cell: &Cell) -> Outcome {
    let mut trial = Trial::start(cell);
    let running: Vec<Running> = trial
        .proxies
        .iter()
        .enumerate()
        .map(|(n, proxy)| Running::start(n, &proxy.url(), cell.seed))
        .collect();
    // Until each process has its connections.
    sleep_ms(1500);
    let mut rng = cell.rng();
    for (round, blow) in BLOWS.into_iter().cycle().enumerate() {
        // Each at least once.
        if round >= BLOWS.len() && !cell.has_left(Duration::from_secs(12)) {
            break;
        }
        trial.strike(blow, &mut rng);
        sleep_ms(SOON_US.unsigned_abs() / 1000 + 400);
    }
    let said: Vec<Said> = running.into_iter().map(Running::end).collect();
    judge(&said, &trial.blows)
}

impl Trial {
    fn start(cell: &Cell) -> Self {
        // Who is whose replica is told them, not written down: one that is killed as a primary comes back as one.
        let servers: Vec<_> = (0..2).map(|_| Server::setup(cell.kind).tcp().aof().start()).collect();
        let port = servers[0].port();
        servers[1].ask(&format!("REPLICAOF 127.0.0.1 {port}")).assert_ok();
        let proxies = (0..PROCESSES).map(|_| Proxy::to(port)).collect();
        Self { servers, primary: 0, proxies, blows: Vec::new() }
    }

    fn strike(&mut self, blow: Blow, rng: &mut Rng) {
        match blow {
            Blow::Delay => {
                self.proxies.iter().for_each(|proxy| proxy.delay(Duration::from_millis(30)));
                sleep_ms(rng.u64(500..1500));
                self.proxies.iter().for_each(|proxy| proxy.delay(Duration::ZERO));
            }
            Blow::Cut => {
                for _ in 0..4 {
                    self.proxies[rng.usize(..PROCESSES)].cut();
                    sleep_ms(rng.u64(50..300));
                }
            }
            Blow::Silence => {
                self.proxies[rng.usize(..PROCESSES)].silence();
                sleep_ms(rng.u64(100..600));
                self.proxies.iter().for_each(Proxy::silence);
            }
            Blow::Stop => {
                self.servers[self.primary].freeze();
                sleep_ms(rng.u64(1000..3500));
                self.servers[self.primary].thaw();
            }
            Blow::Kill => {
                self.servers[self.primary].kill9();
                sleep_ms(rng.u64(100..1500));
                self.servers[self.primary].start_again();
            }
            Blow::Failover => self.fail_over(),
        }
        self.blows.push((blow, now_us()));
    }

    fn fail_over(&mut self) {
        let (old, new) = (self.primary, 1 - self.primary);
        let follows = || self.servers[new].connect().info("replication", "master_link_status") == "up";
        assert!(within(STARTED, follows), "the replica does not follow");
        self.servers[old].ask("FAILOVER").assert_ok();
        let takes_over = || self.servers[new].connect().info("replication", "role") == "master";
        assert!(within(STARTED, takes_over), "the replica does not take over");
        self.proxies.iter().for_each(|proxy| proxy.lead_to(self.servers[new].port()));
        self.primary = new;
    }
}

impl Running {
    fn start(number: usize, url: &str, seed: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["process", url, &seed.wrapping_add(number as u64).to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        Self { child, said: thread::spawn(move || Said::read(number, output)) }
    }

    /// Its standard input ends, so it does, and says what is left.
    fn end(mut self) -> Said {
        drop(self.child.stdin.take());
        let said = self.said.join().unwrap();
        let _ = self.child.wait();
        said
    }
}

impl Said {
    fn read(process: usize, output: ChildStdout) -> Self {
        let mut said = Self::default();
        for line in BufReader::new(output).lines() {
            let line = line.unwrap();
            let (what, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let numbers: Vec<i64> = rest.split(' ').filter_map(|number| number.parse().ok()).collect();
            match (what, &numbers[..]) {
                ("turns", [at_us]) => said.turns_us.push(*at_us),
                ("busy", [at_us]) => said.busy_us.push(*at_us),
                ("ahead", [at_us]) => said.ahead_us.push(*at_us),
                ("late", [late_us]) => said.late_us = *late_us,
                ("rest", [before, after, tasks]) => {
                    said.rest = Some((before.unsigned_abs(), after.unsigned_abs(), *tasks as usize));
                }
                (lock, [from_us, to_us, fence]) => {
                    let (from_us, to_us, fence) = (*from_us, *to_us, fence.unsigned_abs());
                    said.sections.push((lock.to_owned(), Section { process, from_us, to_us, fence }));
                }
                _ => said.wrong.push(line),
            }
        }
        said
    }

    fn acts(&self) -> [(&'static str, &[i64]); 3] {
        [("turns", &self.turns_us), ("busy", &self.busy_us), ("ahead", &self.ahead_us)]
    }
}

fn judge(said: &[Said], blows: &[(Blow, i64)]) -> Outcome {
    let mut faults: Vec<String> = said.iter().flat_map(|said| said.wrong.clone()).collect();
    let late_us = said.iter().map(|said| said.late_us).max().unwrap_or(0);
    let mut acted = Vec::new();
    for (n, (limit, more_us)) in [(TURNS, 0), (BUSY, 0), (AHEAD, us(HOLD))].into_iter().enumerate() {
        let name = said[0].acts()[n].0;
        let acts: Vec<Act> =
            said.iter().flat_map(|said| said.acts()[n].1).map(|act_us| Act::told(*act_us, 1)).collect();
        // An answer counts for so long after its question, so an act may be that much later than its charge.
        let promise = promised(limit, us(DEADLINE) + late_us + more_us);
        faults.extend(promise.broken_by(&acts).map(|window| format!("{name}: {window}")));
        acted.push(format!("{} {name}", acts.len()));
    }
    let sections = all_alone(said, &mut faults);
    let soonest = goes_on(said, blows, late_us, &mut faults);
    let grown = at_rest(said, &mut faults);
    let figures = format!(
        "{} acts and {sections} sections under {} blows; went on within {soonest}; memory {grown}; alarms late by \
         {} ms at most",
        acted.join(", "),
        blows.len(),
        late_us / 1000,
    );
    Outcome { figures, faults }
}

/// What a limit promises of acts that are seen up to so much later than they were charged.
fn promised(limit: sluice_client::Limit, later_us: i64) -> Promise {
    let count = i64::try_from(limit.count()).unwrap();
    let period_us = us(limit.period());
    let burst = i64::try_from(limit.capacity()).unwrap() + (count * later_us + period_us - 1) / period_us;
    Promise::Rate { count, period_us, burst }
}

fn us(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap()
}

/// Whether whoever held a lock was alone; how often it was held.
fn all_alone(said: &[Said], faults: &mut Vec<String>) -> usize {
    let all: Vec<_> = said.iter().flat_map(|said| &said.sections).collect();
    for lock in ["section:0", "section:1"] {
        let of_lock: Vec<Section> =
            all.iter().filter(|(name, _)| name == lock).map(|(_, section)| *section).collect();
        faults.extend(alone(&of_lock).into_iter().map(|fault| format!("{lock}: {fault}")));
    }
    all.len()
}

/// Whether each process did each thing soon after each blow, and somebody held a lock; the longest that took.
fn goes_on(said: &[Said], blows: &[(Blow, i64)], late_us: i64, faults: &mut Vec<String>) -> String {
    let held_us: Vec<i64> = said.iter().flat_map(|said| &said.sections).map(|(_, s)| s.from_us).collect();
    let mut longest: Vec<(Blow, i64)> = BLOWS.iter().map(|blow| (*blow, 0)).collect();
    for (blow, back_us) in blows {
        let each = said.iter().enumerate().flat_map(|(n, said)| {
            said.acts().map(|(name, acts_us)| (format!("process {n}, {name}"), acts_us, SOON_US))
        });
        let locks = [("locks".to_owned(), &held_us[..], SOON_US + us(LEASE))];
        for (who, acts_us, soon_us) in each.chain(locks) {
            let took_us = resumed(acts_us, *back_us);
            if took_us.is_none_or(|took_us| took_us > soon_us + late_us) {
                faults.push(format!("{blow:?} at {back_us}: {who} went on after {took_us:?} us"));
            }
            for (_, longest_us) in longest.iter_mut().filter(|(of, _)| of == blow) {
                *longest_us = took_us.unwrap_or(0).max(*longest_us);
            }
        }
    }
    let longest: Vec<_> = longest.iter().map(|(blow, us)| format!("{blow:?} {} ms", us / 1000)).collect();
    longest.join(", ")
}

/// Whether memory and tasks are flat; by how much memory has grown.
fn at_rest(said: &[Said], faults: &mut Vec<String>) -> String {
    let mut grown = Vec::new();
    for (n, said) in said.iter().enumerate() {
        let Some((before, after, tasks)) = said.rest else {
            faults.push(format!("process {n} did not come to its end"));
            continue;
        };
        if after > before + GROWTH_KIB || tasks > TASKS {
            faults.push(format!("process {n}: {before} KiB have become {after}, {tasks} tasks are left"));
        }
        grown.push(format!("{before} to {after} KiB and {tasks} tasks"));
    }
    grown.join(", ")
}
