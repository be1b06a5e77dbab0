//! A process that stands on the Rust client: what it does goes to its standard output, a line each, until its standard
//! input ends.
//!
//! ```text
//! turns 1790000000000000                    went ahead, unix us: after waiting its turn, at once, or by a token taken ahead
//! section 1790000000000000 1790000000020000 42    was alone from, to, by its own account, with this fence
//! wrong <text>                              was told what nobody should be told
//! late 1200                                 how late its own alarms were at most, us
//! rest 12000 12400 3                        KiB of memory when a third was over and at the end, tasks left over
//! ```

mod callers;
mod rest;

use std::cell::{Cell, RefCell};
use std::io::{BufWriter, Read, Write, stdout};
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use sluice_client::{Error, Limit, Limiter, Locks, Outage, redis};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

use crate::now::now_us;

/// What all processes together may do, and how each asks for it.
pub(crate) const TURNS: Limit = Limit::per_second(25).burst(1);
pub(crate) const BUSY: Limit = Limit::per_second(100).burst(50);
pub(crate) const AHEAD: Limit = Limit::per_second(200).burst(100);

/// For how long tokens are taken ahead: a quarter of the time in which `AHEAD` fills is more.
pub(crate) const HOLD: Duration = Duration::from_millis(100);

/// How long the server has for an answer, to a limiter unless it is told otherwise.
pub(crate) const DEADLINE: Duration = Duration::from_millis(250);

/// How long a lock is held at most.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

const CALLERS: [(usize, Kind); 4] =
    [(8, Kind::Turns), (12, Kind::Busy), (12, Kind::Ahead), (3, Kind::Section)];

/// What a caller does over and over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Turns,
    Busy,
    Ahead,
    Section,
}

/// What all callers of the process share.
struct Process {
    limiter: Limiter,
    ahead: Limiter,
    locks: Locks,
    stopped: Cell<bool>,
    output: RefCell<BufWriter<std::io::Stdout>>,
    rng: RefCell<Rng>,
}

/// Runs until standard input ends.
pub(crate) fn run(url: &str, seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, work(url, seed));
}

async fn work(url: &str, seed: u64) {
    let client = redis::Client::open(url).unwrap();
    let limiter = Limiter::new(client.clone(), TURNS, Outage::Closed).max_wait(Duration::from_secs(5));
    let process = Rc::new(Process {
        ahead: limiter.with(AHEAD).ahead(HOLD),
        limiter,
        locks: Locks::with_deadline(client, DEADLINE),
        stopped: Cell::new(false),
        output: RefCell::new(BufWriter::new(stdout())),
        rng: RefCell::new(Rng::with_seed(seed)),
    });
    let mut callers = JoinSet::new();
    for (number, kind) in CALLERS {
        for n in 0..number {
            callers.spawn_local(callers::call(Rc::clone(&process), kind, n));
        }
    }
    let late = tokio::task::spawn_local(lateness(Rc::clone(&process)));
    let before_kib = rest::early_memory(input_ended()).await;
    process.stopped.set(true);
    while callers.join_next().await.is_some() {}
    process.locks.close().await;
    process.say(&format!("late {}", late.await.unwrap()));
    rest::report(&process, before_kib).await;
    process.output.borrow_mut().flush().unwrap();
}

/// Ends when standard input does, which its parent holds open.
async fn input_ended() {
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
}

/// How late an alarm of this process rang at most, in us: a machine that is busy delays everything by as much.
async fn lateness(process: Rc<Process>) -> u128 {
    let mut latest = 0;
    while !process.stopped.get() {
        let due = Instant::now() + Duration::from_millis(5);
        sleep(Duration::from_millis(5)).await;
        latest = latest.max(due.elapsed().as_micros());
    }
    latest
}

impl Process {
    fn say(&self, line: &str) {
        writeln!(self.output.borrow_mut(), "{line}").unwrap();
    }

    /// Goes ahead now.
    fn act(&self, what: &str) {
        self.say(&format!("{what} {}", now_us()));
    }

    /// An outage is what this is about; anything else is wrong.
    fn hear(&self, error: &Error) {
        if !error.is_unreachable() {
            self.say(&format!("wrong {error}"));
        }
    }

    fn ms(&self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.borrow_mut().u64(range))
    }

    /// Once in so many times.
    fn once_in(&self, times: u32) -> bool {
        self.rng.borrow_mut().u32(..times) == 0
    }
}
