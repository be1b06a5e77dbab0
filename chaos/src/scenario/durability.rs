//! kill -9: what was answered is there afterwards, and nothing is there that was never asked for.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use sluice_testing::{Server, Setup};

use super::{Cell, Outcome};
use crate::history::Instants;
use crate::load::{Only, Writer};
use crate::now::{Ends, now_us, sleep_ms, within};

const WRITERS: usize = 4;

/// A server that answers nothing for so long is not there any more.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a server keeps what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    /// `appendfsync always`: nothing that was answered may be missing.
    Always,
    /// The same, but a rewritten AOF holds commands instead of a snapshot.
    Commands,
    /// `appendfsync everysec`: how much is missing is told.
    EverySecond,
    /// By snapshots: all that there was at the last one, and nothing later.
    Snapshots,
}

/// A server, its writers and the figures.
struct Trial {
    keeping: Keeping,
    server: Server,
    writers: Vec<Writer>,
    kills: u32,
    /// BGREWRITEAOF or SAVE, BGSAVE.
    disturbed: u32,
    lost: usize,
    lost_us: i64,
    lost_tokens: i64,
    faults: Vec<String>,
}

/// Kills four servers, one after the other, as often as there is time.
pub(crate) fn run(cell: &Cell) -> Outcome {
    let mut trials: Vec<_> = [Keeping::Always, Keeping::Commands, Keeping::EverySecond, Keeping::Snapshots]
        .into_iter()
        .map(|keeping| Trial::start(cell, keeping))
        .collect();
    let mut rng = cell.rng();
    loop {
        for trial in &mut trials {
            trial.round(&mut rng);
        }
        if !cell.has_left(Duration::from_secs(3)) {
            break;
        }
    }
    let figures: Vec<_> = trials.iter().map(Trial::figures).collect();
    let faults = trials.into_iter().flat_map(|trial| trial.faults).collect();
    Outcome { figures: figures.join("; "), faults }
}

impl Keeping {
    fn setup(self, setup: Setup) -> Setup {
        match self {
            Self::Always => setup.aof(),
            Self::Commands => setup.aof().config("aof-use-rdb-preamble no"),
            Self::EverySecond => setup.config("appendonly yes").config("appendfsync everysec"),
            Self::Snapshots => setup,
        }
    }
}

impl Trial {
    fn start(cell: &Cell, keeping: Keeping) -> Self {
        let server = keeping.setup(Server::setup(cell.kind).tcp()).start();
        let writers = (0..WRITERS).map(|n| Writer::new("{w}", n, cell.seed)).collect();
        Self {
            keeping,
            server,
            writers,
            kills: 0,
            disturbed: 0,
            lost: 0,
            lost_us: 0,
            lost_tokens: 0,
            faults: Vec::new(),
        }
    }

    /// Load, a kill at some moment of it, a restart, and a look at every key.
    fn round(&mut self, rng: &mut fastrand::Rng) {
        let route = Only(self.server.port());
        let stop = AtomicBool::new(false);
        let (before_ms, after_ms) = (rng.u64(100..500), rng.u64(5..150));
        let disturb = self.keeping == Keeping::Snapshots || rng.bool();
        let instants = thread::scope(|scope| {
            let ends = Ends(&stop);
            for writer in &mut self.writers {
                scope.spawn(|| writer.run(&route, &stop, PATIENCE));
            }
            sleep_ms(before_ms);
            let snapshot = disturb.then(|| {
                self.disturbed += 1;
                disturb_by(&self.server, self.keeping, rng.bool())
            });
            sleep_ms(after_ms);
            if self.keeping == Keeping::Snapshots {
                let saved =
                    || self.server.ask("INFO persistence").text().contains("rdb_bgsave_in_progress:0");
                assert!(within(Duration::from_secs(20), saved), "the snapshot takes for ever");
            }
            self.server.kill9();
            // They all notice that the server is gone.
            drop(ends);
            snapshot.filter(|_| self.keeping == Keeping::Snapshots)
        });
        let crash = Instants { answered_before_us: now_us(), asked_before_us: i64::MAX };
        self.kills += 1;
        self.server.start_again();
        self.look(instants.unwrap_or(crash));
    }

    /// Compares what is there with what its writers know, and goes on from that.
    fn look(&mut self, instants: Instants) {
        let mut client = self.server.connect();
        let mut faults = Vec::new();
        for writer in &mut self.writers {
            let (lost, oldest_us) = writer.look(&mut client, instants, &mut faults);
            self.lost += lost;
            self.lost_us = self.lost_us.max(oldest_us);
        }
        if self.keeping != Keeping::EverySecond && self.lost > 0 {
            faults.push(format!("{} answered changes forgotten, {} ms old", self.lost, self.lost_us / 1000));
        }
        match self.writers[0].shared_used(&mut client) {
            Ok(used) => self.compare_shared(used, &mut faults),
            Err(fault) => faults.push(fault),
        }
        let highest = self.writers.iter().map(|writer| writer.fence).max().unwrap_or(0);
        let fence = client.ask(&format!("LOCK.TRY fence:{} A PX 1", self.kills)).ints()[1];
        if fence <= highest {
            faults.push(format!("fence {fence} after a restart, and {highest} before"));
        }
        let (keeping, kill) = (self.keeping, self.kills);
        self.faults.extend(faults.into_iter().map(|fault| format!("{keeping:?}, kill {kill}: {fault}")));
    }

    fn compare_shared(&mut self, used: i64, faults: &mut Vec<String>) {
        let told: i64 = self.writers.iter().map(|writer| writer.shared).sum();
        let doubt: i64 = self.writers.iter().map(|writer| writer.shared_in_doubt).sum();
        if used > told + doubt {
            faults.push(format!("{used} shared tokens counted, {told} granted and {doubt} in doubt"));
        }
        match self.keeping {
            Keeping::Always | Keeping::Commands if used < told => {
                faults.push(format!("{used} shared tokens counted, {told} granted"))
            }
            Keeping::EverySecond => self.lost_tokens += (told - used).max(0),
            _ => {}
        }
        for (index, writer) in self.writers.iter_mut().enumerate() {
            (writer.shared, writer.shared_in_doubt) = (if index == 0 { used } else { 0 }, 0);
        }
    }

    fn figures(&self) -> String {
        let changes: u64 = self.writers.iter().map(|writer| writer.answered).sum();
        let (kills, disturbed) = (self.kills, self.disturbed);
        match self.keeping {
            Keeping::Always | Keeping::Commands => {
                let name = if self.keeping == Keeping::Always { "always" } else { "by commands" };
                format!("{name}: {kills} kills, {disturbed} rewrites, {changes} answered, {} lost", self.lost)
            }
            Keeping::EverySecond => format!(
                "everysec: {kills} kills, {disturbed} rewrites, {changes} answered, {} lost ({} ms), {} shared tokens",
                self.lost,
                self.lost_us / 1000,
                self.lost_tokens
            ),
            Keeping::Snapshots => {
                format!("snapshots: {kills} kills, {changes} answered, {} lost that were in one", self.lost)
            }
        }
    }
}

/// A rewrite of the AOF, or a snapshot and when it was taken.
fn disturb_by(server: &Server, keeping: Keeping, background: bool) -> Instants {
    let mut client = server.connect();
    let answered_before_us = now_us();
    match keeping {
        Keeping::Snapshots if background => drop(client.ask("BGSAVE")),
        Keeping::Snapshots => client.ask("SAVE").assert_ok(),
        _ => drop(client.ask("BGREWRITEAOF")),
    }
    Instants { answered_before_us, asked_before_us: now_us() }
}
