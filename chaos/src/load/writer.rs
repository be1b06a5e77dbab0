//! A client whose keys are its own: it knows all the time what each of them has to be.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use sluice_testing::{Client, Reply};

use crate::history::{Found, Holder, Instants, State, Step, Track};
use crate::load::link::{Link, Route};
use crate::load::stored;
use crate::now::now_us;

/// The limits of a writer's keys; those of one key are charged the same. A period is a hundred years, so that no token
/// comes back in the time of a run.
const LIMITS: [&[&str]; 4] = [
    &["LIMIT 1000000 PX 3155760000000"],
    &["LIMIT 1000000 PX 3155760000000 STRICT"],
    &["LIMIT 1000000 PX 3155760000000 BURST 900000", "LIMIT 1000000 PX 3155760000000"],
    &["LIMIT 315576000 PX 3155760000000"],
];

/// Except for this one, a token of which is back after 10 s: so the key's expiry can stay at some of its changes, as it
/// does with usual limits. How much of it is used is told by when it will be full.
const PACED: usize = 3;
const TOKEN_MS: i64 = 10_000;

/// Taken at first, so that it is not full in the time of a run.
const PACED_AT_FIRST: i64 = 10_000;

/// One writer, its keys and what they went through.
pub(crate) struct Writer {
    number: usize,
    /// The key for limits on which all writers of the same word draw.
    shared_key: String,
    rng: Rng,
    owners: u64,
    limits: Vec<Track>,
    /// When the paced one was first charged, unix ms.
    paced_since_ms: i64,
    locks: Vec<Track>,
    /// Tokens taken from the shared key, and those of calls without a reply.
    pub(crate) shared: i64,
    pub(crate) shared_in_doubt: i64,
    /// The largest fence that it was granted.
    pub(crate) fence: i64,
    /// How many changes were answered.
    pub(crate) answered: u64,
}

impl Writer {
    /// The names of its keys begin with a word in braces.
    pub(crate) fn new(tag: &str, number: usize, seed: u64) -> Self {
        let limits =
            (0..LIMITS.len()).map(|n| Track::new(format!("{tag}:{number}:limit{n}"), State::Used(0)));
        let locks = (0..6).map(|n| Track::new(format!("{tag}:{number}:lock{n}"), State::Held(Vec::new())));
        Self {
            number,
            shared_key: format!("{tag}:shared"),
            rng: Rng::with_seed(seed.wrapping_add(number as u64)),
            owners: 0,
            limits: limits.collect(),
            paced_since_ms: 0,
            locks: locks.collect(),
            shared: 0,
            shared_in_doubt: 0,
            fence: 0,
            answered: 0,
        }
    }

    /// Changes its keys, some 500 times a second, until it is told to stop or a call fails.
    pub(crate) fn run(&mut self, route: &dyn Route, stop: &AtomicBool, patience: Duration) {
        let mut link = Link::new(route);
        while !stop.load(Ordering::Relaxed) {
            let went = match self.rng.u8(..10) {
                0..4 => self.charge(&mut link, patience),
                4 => self.draw(&mut link, patience),
                _ => self.lock(&mut link, patience),
            };
            if went.is_none() {
                return;
            }
            self.answered += 1;
            std::thread::sleep(Duration::from_micros(self.rng.u64(200..3000)));
        }
    }

    /// Takes tokens of a limit, or gives some back.
    fn charge(&mut self, link: &mut Link<'_>, patience: Duration) -> Option<()> {
        let index = self.rng.usize(..self.limits.len());
        let track = &mut self.limits[index];
        let State::Used(used) = *track.state() else { return None };
        let back = used > 10 && self.rng.u8(..5) == 0;
        let mut cost = self.rng.i64(1..=5);
        if index == PACED && used == 0 {
            cost = PACED_AT_FIRST;
            self.paced_since_ms = now_us() / 1000;
        }
        let command = if back { "RETURN" } else { "ACQUIRE" };
        let line = format!("RATELIMIT.{command} {} {}", track.key, limits(LIMITS[index], cost));
        let (invoked_us, ended_us, reply) = send(link, &track.key, &line, patience)?;
        let state = State::Used(if back { used - cost } else { used + cost });
        track.push(Step { invoked_us, replied_us: reply.as_ref().map(|_| ended_us), state });
        let reply = reply?.ints();
        assert_eq!(reply[0], 1, "{line}: {reply:?}");
        Some(())
    }

    /// Takes tokens of the limit that all share.
    fn draw(&mut self, link: &mut Link<'_>, patience: Duration) -> Option<()> {
        let cost = self.rng.i64(1..=5);
        let line = format!("RATELIMIT.ACQUIRE {} {}", self.shared_key, limits(LIMITS[0], cost));
        let (_, _, reply) = send(link, &self.shared_key, &line, patience)?;
        if reply.is_none() {
            self.shared_in_doubt += cost;
        }
        self.shared += reply?.ints()[0] * cost;
        Some(())
    }

    /// Takes, extends or releases a lock or a part of a semaphore.
    fn lock(&mut self, link: &mut Link<'_>, patience: Duration) -> Option<()> {
        let index = self.rng.usize(..self.locks.len());
        let track = &mut self.locks[index];
        // The module keeps eight and fewer in another way than more.
        let most = if index < 4 { 1 } else { 12 };
        let State::Held(mut holders) = track.state().clone() else { return None };
        let lease_ms = self.rng.i64(3_600_000..7_200_000);
        let chosen = self.rng.usize(..=holders.len());
        let take = chosen == holders.len() && holders.len() < most;
        let release = !take && self.rng.bool();
        let chosen = chosen.min(holders.len().saturating_sub(1));
        let line = if take {
            self.owners += 1;
            let owner = format!("{}-{}", self.number, self.owners);
            let line = format!("LOCK.TRY {} {owner} PX {lease_ms} HOLDERS {most}", track.key);
            holders.push(Holder { owner, fence: None, deadline_ms: (0, 0) });
            line
        } else {
            let command = if release { "RELEASE" } else { "EXTEND" };
            let options = if release { String::new() } else { format!(" PX {lease_ms}") };
            format!("LOCK.{command} {} {}{options}", track.key, holders[chosen].owner)
        };
        let (invoked_us, ended_us, reply) = send(link, &track.key, &line, patience)?;
        let changed = if take { holders.len() - 1 } else { chosen };
        if release {
            holders.remove(changed);
        } else {
            // Without a reply it may have been done up to when that was noticed.
            holders[changed].deadline_ms = (invoked_us / 1000 + lease_ms - 1, ended_us / 1000 + lease_ms + 1);
            if let Some(reply) = &reply {
                let reply = reply.ints();
                assert_eq!(reply[0], 1, "{line}: {reply:?}");
                let known = holders[changed].fence.replace(reply[1]);
                assert!(known.is_none_or(|known| known == reply[1]), "{line}: {reply:?}, not {known:?}");
                self.fence = self.fence.max(reply[1]);
            }
        }
        track.push(Step {
            invoked_us,
            replied_us: reply.as_ref().map(|_| ended_us),
            state: State::Held(holders),
        });
        match reply? {
            Reply::Int(released) => assert_eq!(released, 1, "{line}"),
            reply => assert_eq!(reply.ints()[0], 1, "{line}"),
        }
        Some(())
    }

    /// How many tokens of the shared key a server has counted.
    ///
    /// # Errors
    /// As `stored::used`.
    pub(crate) fn shared_used(&self, client: &mut Client) -> Result<i64, String> {
        stored::used(client, &self.shared_key)
    }

    /// Compares its keys with what a server has, and goes on from that. What it says is which changes are missing:
    /// how many, and how old the oldest was, in µs.
    pub(crate) fn look(
        &mut self,
        client: &mut Client,
        instants: Instants,
        faults: &mut Vec<String>,
    ) -> (usize, i64) {
        let (mut lost, mut oldest_us) = (0, 0);
        for (index, track) in self.limits.iter_mut().chain(&mut self.locks).enumerate() {
            let found = match track.state() {
                State::Used(_) if index == PACED => {
                    stored::paced(client, &track.key, self.paced_since_ms, TOKEN_MS).map(Found::Used)
                }
                State::Used(_) => stored::used(client, &track.key).map(Found::Used),
                State::Held(_) => Ok(Found::Held(stored::held(client, &track.key))),
            };
            let found = match found {
                Ok(found) => found,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            match track.judge(&found, instants) {
                Ok(kept) => {
                    lost += kept.lost;
                    oldest_us = oldest_us.max(kept.lost_us);
                }
                Err(fault) => faults.push(fault),
            }
            track.settle(&found);
        }
        (lost, oldest_us)
    }
}

fn limits(limits: &[&str], cost: i64) -> String {
    limits.iter().map(|limit| format!("{limit} COST {cost}")).collect::<Vec<_>>().join(" ")
}

/// None: the server refused, or was not there, so nothing has happened.
fn send(link: &mut Link<'_>, key: &str, line: &str, patience: Duration) -> Option<(i64, i64, Option<Reply>)> {
    let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
    let came = link.call(key, &words, patience);
    match came.reply {
        Some(Reply::Error(_)) => None,
        reply => Some((came.invoked_us, came.ended_us, reply)),
    }
}
