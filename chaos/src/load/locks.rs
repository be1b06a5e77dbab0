//! Clients of a few locks that wait, hold, pause for too long, extend, release, and die.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use sluice_testing::Reply;

use super::link::{Came, Link, Route};
use crate::history::{Asked, Call, Told};
use crate::now::sleep_ms;

/// Which locks, and how they are used.
#[derive(Clone)]
pub(crate) struct Habits {
    /// Names, and how many may hold each.
    pub(crate) locks: Vec<(String, usize)>,
    pub(crate) lease_ms: std::ops::Range<u64>,
    pub(crate) block_ms: std::ops::Range<u64>,
    /// Of a hundred waits, in how many the client dies before the end.
    pub(crate) dying: u8,
    /// How long beyond BLOCK a client waits for its reply.
    pub(crate) patience: Duration,
}

/// One client, and what it has done.
pub(crate) struct LockClient<'a> {
    number: usize,
    habits: &'a Habits,
    link: Link<'a>,
    rng: Rng,
    attempts: u64,
    calls: Vec<Call>,
}

impl<'a> LockClient<'a> {
    pub(crate) fn new(number: usize, habits: &'a Habits, route: &'a dyn Route, seed: u64) -> Self {
        let rng = Rng::with_seed(seed.wrapping_add(number as u64));
        Self { number, habits, link: Link::new(route), rng, attempts: 0, calls: Vec::new() }
    }

    /// Goes on until it is told to stop; what it did.
    pub(crate) fn run(mut self, stop: &AtomicBool) -> Vec<Call> {
        while !stop.load(Ordering::Relaxed) {
            self.attempt();
        }
        self.calls
    }

    fn attempt(&mut self) {
        self.attempts += 1;
        let owner = ((self.number as u64) << 32) | self.attempts;
        let key = self.rng.usize(..self.habits.locks.len());
        let lease_ms = self.rng.u64(self.habits.lease_ms.clone());
        let block_ms = self.rng.bool().then(|| self.rng.u64(self.habits.block_ms.clone()));
        let dies = block_ms.is_some() && self.rng.u8(..100) < self.habits.dying;
        let holders = self.habits.locks[key].1;
        let asked =
            Asked::Take { lease_ms: lease_ms as i64, holders, block_ms: block_ms.map(|ms| ms as i64) };
        let patience = match block_ms {
            Some(ms) if dies => Duration::from_millis(self.rng.u64(1..=ms)),
            ms => self.habits.patience + Duration::from_millis(ms.unwrap_or(0)),
        };
        match self.call(key, owner, asked, patience) {
            Told::Held(_) => self.hold(key, owner, lease_ms),
            Told::Refused | Told::Nothing => sleep_ms(self.rng.u64(1..6)),
            Told::Error(_) | Told::Ended(_) => sleep_ms(self.rng.u64(10..30)),
        }
    }

    /// Sometimes for longer than it may.
    fn hold(&mut self, key: usize, owner: u64, lease_ms: u64) {
        sleep_ms(self.rng.u64(0..=lease_ms * 2 / 3));
        if self.rng.u8(..100) < 30 {
            let asked = Asked::Extend { lease_ms: self.rng.u64(self.habits.lease_ms.clone()) as i64 };
            self.call(key, owner, asked, self.habits.patience);
            sleep_ms(self.rng.u64(0..=lease_ms));
        }
        match self.rng.u8(..100) {
            0..80 => {
                self.call(key, owner, Asked::Release, self.habits.patience);
            }
            80..90 => self.link.die(),
            _ => {}
        }
    }

    fn call(&mut self, key: usize, owner: u64, asked: Asked, patience: Duration) -> Told {
        let name = &self.habits.locks[key].0;
        let came = self.link.call(name, &words(name, owner, asked), patience);
        let call = record(self.number, key, owner, asked, came);
        let told = call.told.clone();
        self.calls.push(call);
        told
    }
}

/// The command for a call.
pub(crate) fn words(key: &str, owner: u64, asked: Asked) -> Vec<String> {
    let line = match asked {
        Asked::Take { lease_ms, holders, block_ms } => {
            let holders = if holders == 1 { String::new() } else { format!(" HOLDERS {holders}") };
            match block_ms {
                None => format!("LOCK.TRY {key} {owner} PX {lease_ms}{holders}"),
                Some(block) => format!("LOCK.ACQUIRE {key} {owner} PX {lease_ms}{holders} BLOCK {block}"),
            }
        }
        Asked::Extend { lease_ms } => format!("LOCK.EXTEND {key} {owner} PX {lease_ms}"),
        Asked::Release => format!("LOCK.RELEASE {key} {owner}"),
        Asked::Delete => format!("DEL {key}"),
    };
    line.split_whitespace().map(str::to_owned).collect()
}

/// What came of it, for the history.
pub(crate) fn record(client: usize, key: usize, owner: u64, asked: Asked, came: Came) -> Call {
    let Came { node, invoked_us, ended_us, reply } = came;
    let told = match reply {
        None => Told::Nothing,
        Some(Reply::Error(error)) => Told::Error(error),
        Some(Reply::Int(count)) => Told::Ended(count > 0),
        Some(reply) => match reply.ints()[..] {
            [1, fence, _] => Told::Held(fence),
            _ => Told::Refused,
        },
    };
    Call { client, node, key, owner, asked, invoked_us, ended_us, told }
}
