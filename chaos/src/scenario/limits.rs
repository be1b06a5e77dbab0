//! What limits let through over time: in no window more than promised, and not less than they could while more is
//! wanted than there is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use sluice_testing::{Client, Reply, Server};

use super::{Cell, Outcome};
use crate::history::{Act, Promise};
use crate::now::{Ends, now_us, sleep_ms};

const SECOND_US: i64 = 1_000_000;

/// How long the callers of a key reserve ahead, and what the buckets of those who do not hold: nothing is wasted while
/// none of them calls, if that is no longer.
const AHEAD_MS: i64 = 1000;
const GAP_US: i64 = AHEAD_MS * 1000 * 8 / 10;

/// Thousandths of what there was to be had.
const LEAST_USED: i64 = 990;

/// Callers of one key and what they are promised together.
struct Group {
    key: &'static str,
    /// The words of each limit up to its cost; the costs of a call are chosen from these.
    limits: &'static [(&'static str, std::ops::RangeInclusive<i64>)],
    promises: &'static [Promise],
    manner: Manner,
    callers: usize,
    /// Whether more is wanted than there is, so that all of the first limit is to be used.
    greedy: bool,
}

/// How a caller asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Now or not at all.
    Now,
    /// A reservation.
    Ahead,
    /// A reservation, which is sometimes given up.
    Fickle,
}

const GROUPS: [Group; 8] = [
    Group {
        key: "now",
        limits: &[("LIMIT 100 PX 1000 BURST 150", 1..=1)],
        promises: &[Promise::Rate { count: 100, period_us: SECOND_US, burst: 150 }],
        manner: Manner::Now,
        callers: 3,
        greedy: true,
    },
    Group {
        key: "ahead",
        limits: &[("LIMIT 100 PX 1000 BURST 1", 1..=1)],
        promises: &[Promise::Rate { count: 100, period_us: SECOND_US, burst: 1 }],
        manner: Manner::Ahead,
        callers: 2,
        greedy: true,
    },
    Group {
        key: "strict",
        limits: &[("LIMIT 50 PX 1000 STRICT", 1..=1)],
        promises: &[Promise::Strict { count: 50, period_us: SECOND_US }],
        manner: Manner::Ahead,
        callers: 2,
        greedy: true,
    },
    Group {
        key: "aligned",
        limits: &[("LIMIT 50 PX 1000 ALIGN 0", 1..=1)],
        promises: &[Promise::Aligned { count: 50, period_us: SECOND_US, offset_us: 0 }],
        manner: Manner::Ahead,
        callers: 2,
        greedy: true,
    },
    // Requests and tokens.
    Group {
        key: "both",
        limits: &[("LIMIT 40 PX 1000 BURST 10", 1..=1), ("LIMIT 3000 PX 3000 STRICT", 10..=40)],
        promises: &[
            Promise::Rate { count: 40, period_us: SECOND_US, burst: 10 },
            Promise::Strict { count: 3000, period_us: 3 * SECOND_US },
        ],
        manner: Manner::Ahead,
        callers: 2,
        greedy: false,
    },
    // The many and the few on one key: the many here, the few below.
    Group {
        key: "mixed",
        limits: &[("LIMIT 80 PX 1000 BURST 8", 1..=2)],
        promises: &[Promise::Rate { count: 80, period_us: SECOND_US, burst: 8 }],
        manner: Manner::Now,
        callers: 2,
        greedy: false,
    },
    Group {
        key: "mixed",
        limits: &[("LIMIT 100 PX 1000 BURST 10", 1..=2)],
        promises: &[Promise::Rate { count: 100, period_us: SECOND_US, burst: 10 }],
        manner: Manner::Ahead,
        callers: 1,
        greedy: false,
    },
    Group {
        key: "fickle",
        limits: &[("LIMIT 50 PX 1000 BURST 5", 1..=2)],
        promises: &[Promise::Rate { count: 50, period_us: SECOND_US, burst: 5 }],
        manner: Manner::Fickle,
        callers: 2,
        greedy: false,
    },
];

/// The most that all callers of "mixed" may do together.
const MIXED: Promise = Promise::Rate { count: 100, period_us: SECOND_US, burst: 10 };

/// What callers did.
#[derive(Default)]
struct Seen {
    /// By limit.
    acts: Vec<Vec<Act>>,
    /// When each call was answered, unix µs.
    answered_us: Vec<i64>,
    given_up: u32,
}

pub(crate) fn run(cell: &Cell) -> Outcome {
    let server = Server::setup(cell.kind).tcp().start();
    let stop = AtomicBool::new(false);
    let began_us = now_us();
    let (seen, ended_us): (Vec<Seen>, i64) = thread::scope(|scope| {
        let ends = Ends(&stop);
        let callers: Vec<Vec<_>> = GROUPS
            .iter()
            .enumerate()
            .map(|(index, group)| {
                let caller = |n| {
                    let (client, stop) = (server.connect_tcp(), &stop);
                    let rng = Rng::with_seed(cell.seed.wrapping_add((index * 10 + n) as u64));
                    scope.spawn(move || group.call(client, rng, stop))
                };
                (0..group.callers).map(caller).collect()
            })
            .collect();
        while cell.has_left(Duration::from_millis(1500)) {
            sleep_ms(50);
        }
        drop(ends);
        let ended_us = now_us();
        let join = |callers: Vec<thread::ScopedJoinHandle<'_, Seen>>| {
            callers.into_iter().map(|caller| caller.join().unwrap()).fold(Seen::default(), Seen::and)
        };
        (callers.into_iter().map(join).collect(), ended_us)
    });
    judge(&seen, began_us, ended_us)
}

fn judge(seen: &[Seen], began_us: i64, ended_us: i64) -> Outcome {
    let (mut faults, mut used) = (Vec::new(), Vec::new());
    for (group, seen) in GROUPS.iter().zip(seen) {
        for (promise, acts) in group.promises.iter().zip(&seen.acts) {
            faults.extend(promise.broken_by(acts).map(|window| format!("{}: {window}", group.key)));
        }
        if group.greedy {
            let thousandths = group.promises[0].used(&seen.acts[0], began_us, ended_us);
            let gap_us = seen.longest_gap();
            if thousandths < LEAST_USED && gap_us < GAP_US {
                faults.push(format!(
                    "{}: only {thousandths} of 1000 used, nobody idle for {gap_us} us",
                    group.key
                ));
            }
            let idle = if gap_us < GAP_US { "" } else { " (callers were idle)" };
            used.push(format!("{} {}.{} %{idle}", group.key, thousandths / 10, thousandths % 10));
        }
    }
    let mixed = GROUPS.iter().zip(seen).filter(|(group, _)| group.key == "mixed");
    let mixed: Vec<Act> = mixed.flat_map(|(_, seen)| seen.acts[0].clone()).collect();
    faults.extend(MIXED.broken_by(&mixed).map(|window| format!("mixed, all callers: {window}")));
    let acts: usize = seen.iter().map(|seen| seen.acts[0].len()).sum();
    let calls: usize = seen.iter().map(|seen| seen.answered_us.len()).sum();
    let given_up: u32 = seen.iter().map(|seen| seen.given_up).sum();
    let figures =
        format!("{acts} acts of {calls} calls, {given_up} turns given up; used: {}", used.join(", "));
    Outcome { figures, faults }
}

impl Group {
    /// Calls until it is told to stop.
    fn call(&self, mut client: Client, mut rng: Rng, stop: &AtomicBool) -> Seen {
        let mut seen = Seen { acts: vec![Vec::new(); self.limits.len()], ..Seen::default() };
        while !stop.load(Ordering::Relaxed) {
            let costs: Vec<i64> = self.limits.iter().map(|(_, costs)| rng.i64(costs.clone())).collect();
            let limits: Vec<_> = self
                .limits
                .iter()
                .zip(&costs)
                .map(|((limit, _), cost)| format!("{limit} COST {cost}"))
                .collect();
            let limits = limits.join(" ");
            let wait =
                if self.manner == Manner::Now { String::new() } else { format!(" MAXWAIT {AHEAD_MS}") };
            let invoked_us = now_us();
            let reply = client.ask(&format!("RATELIMIT.ACQUIRE {} {limits}{wait}", self.key)).ints();
            let answered_us = now_us();
            seen.answered_us.push(answered_us);
            if reply[0] == 0 {
                let wait_ms = if self.manner == Manner::Now { reply[1] } else { rng.i64(5..40) };
                sleep_ms(wait_ms.unsigned_abs());
                continue;
            }
            if self.manner == Manner::Fickle && rng.u8(..5) == 0 {
                let back = client.ask(&format!("RATELIMIT.RETURN {} {limits} AT {}", self.key, reply[6]));
                assert!(matches!(back, Reply::Array(_)), "{back:?}");
                seen.given_up += 1;
                continue;
            }
            for (acts, cost) in seen.acts.iter_mut().zip(costs) {
                acts.push(match reply.get(6) {
                    Some(act_us) => Act::told(*act_us, cost),
                    None => Act { from_us: invoked_us, to_us: answered_us, cost },
                });
            }
            sleep_ms(rng.u64(0..3));
        }
        seen
    }
}

impl Seen {
    fn and(mut self, other: Self) -> Self {
        self.acts.resize(self.acts.len().max(other.acts.len()), Vec::new());
        self.acts.iter_mut().zip(other.acts).for_each(|(acts, more)| acts.extend(more));
        self.answered_us.extend(other.answered_us);
        self.given_up += other.given_up;
        self
    }

    /// How long nobody called, at most, in µs.
    fn longest_gap(&self) -> i64 {
        let mut answered = self.answered_us.clone();
        answered.sort_unstable();
        answered.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(i64::MAX)
    }
}
