//! Clients that pause, die and are killed, a server that stands still for a while, and a clock that steps by up to an
//! hour: never more holders than there may be, by the server's own lease times, and fences grow all the same.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use sluice_testing::{Client, Server};

use super::{Cell, Outcome};
use crate::history::{Asked, Call, Clock, Leases, Told, answered_in_time, fences_grow, only_holders};
use crate::load::{Habits, Link, LockClient, Only, record, words};
use crate::now::{Ends, now_us, sleep_ms};

const CLIENTS: usize = 8;
const SECOND_US: i64 = 1_000_000;

/// How far the clock is set ahead of the true time.
const STEPS_US: [i64; 9] = [
    0,
    3600 * SECOND_US,
    -3600 * SECOND_US,
    1800 * SECOND_US,
    -1800 * SECOND_US,
    20 * SECOND_US,
    -20 * SECOND_US,
    SECOND_US / 10,
    -SECOND_US / 10,
];

/// How much later than its BLOCK a wait may end while the clock is true.
const BOUND_US: i64 = 1_900_000;

/// After a step an alarm may be so late, and so much later still on a busy machine.
const LATE: Duration = Duration::from_millis(1000 + 500);

/// What was done to the server and to its clients.
#[derive(Default)]
struct Done {
    clock: Clock,
    /// From then on nothing was done to it, unix µs.
    steady_us: i64,
    deletes: Vec<Call>,
    steps: u32,
    kills: u32,
    stops: u32,
}

pub(crate) fn run(cell: &Cell) -> Outcome {
    let server = Server::setup(cell.kind).tcp().running_clock().start();
    let mut locks: Vec<_> = (0..3).map(|n| (format!("mutex:{n}"), 1)).collect();
    locks.push(("semaphore".to_owned(), 3));
    // A BLOCK gets longer when the clock goes back: nobody waits for that.
    let patience = Duration::from_millis(2000);
    let habits = Habits { locks, lease_ms: 20..250, block_ms: 50..1000, dying: 20, patience };
    let (route, stop) = (Only(server.port()), AtomicBool::new(false));
    let (mut calls, done) = thread::scope(|scope| {
        let ends = Ends(&stop);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let client = LockClient::new(n, &habits, &route, cell.seed);
                let stop = &stop;
                scope.spawn(move || client.run(stop))
            })
            .collect();
        let done = disturb(cell, &server, &habits);
        drop(ends);
        let calls: Vec<Call> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (calls, done)
    });
    let mut faults = Vec::new();
    let late = alarm_after_a_step(&server, done.clock.clone());
    if late.is_none_or(|late| late > LATE) {
        faults.push(format!("back 20 s and right again: a lease that had ended was handed on {late:?} late"));
    }
    calls.extend(done.deletes);
    let leases = Leases::of(&calls, &done.clock);
    for (lease, holding) in leases.too_many() {
        let holding: Vec<_> = holding.iter().map(|lease| lease.call).collect();
        faults.push(format!("granted while {} held it:\n  {:?}\n  {holding:?}", holding.len(), lease.call));
    }
    faults.extend(fences_grow(&calls));
    faults.extend(only_holders(&calls, &leases, |_| false));
    let steady: Vec<_> = calls.iter().filter(|call| call.invoked_us > done.steady_us).cloned().collect();
    faults.extend(answered_in_time(&steady, &[], BOUND_US));
    let unanswered = calls.iter().filter(|call| call.told == Told::Nothing).count();
    let late = late.map_or(-1, |late| i64::try_from(late.as_millis()).unwrap_or(i64::MAX));
    let figures = format!(
        "{} calls, {} grants, {unanswered} without a reply, {} steps of the clock, {} kills, {} stops, {} DELs; \
         an alarm after a step {late} ms late",
        calls.len(),
        leases.all().count(),
        done.steps,
        done.kills,
        done.stops,
        calls.iter().filter(|call| call.asked == Asked::Delete).count(),
    );
    Outcome { figures, faults }
}

/// Until the time of the cell is over.
fn disturb(cell: &Cell, server: &Server, habits: &Habits) -> Done {
    let mut rng = cell.rng();
    let mut done = Done::default();
    let (mut client, route) = (server.connect(), Only(server.port()));
    let mut link = Link::new(&route);
    while cell.has_left(Duration::from_millis(6500)) {
        sleep_ms(rng.u64(50..400));
        match rng.u8(..10) {
            0..3 => {
                step(server, &mut done.clock, STEPS_US[rng.usize(..STEPS_US.len())]);
                done.steps += 1;
            }
            3 => {
                client.ask("CLIENT KILL TYPE normal SKIPME yes");
                done.kills += 1;
            }
            4 => {
                server.freeze();
                sleep_ms(rng.u64(20..300));
                server.thaw();
                done.stops += 1;
            }
            5 => {
                client.ask(&format!("CLIENT PAUSE {} WRITE", rng.u64(20..200))).assert_ok();
                // Redis 7.0 ends at a CLIENT UNBLOCK of one whom a pause holds back, with a module and without.
                sleep_ms(200);
            }
            6 => unblock(&mut client, &mut rng),
            // After a step back a lock may be held for an hour.
            _ => done.deletes.push(delete(&mut link, habits, &mut rng)),
        }
    }
    step(server, &mut done.clock, 0);
    done.steady_us = now_us();
    sleep_ms(1500);
    done
}

/// CLIENT UNBLOCK of one who waits.
fn unblock(client: &mut Client, rng: &mut Rng) {
    let list = client.ask("CLIENT LIST").text().to_owned();
    let blocked: Vec<_> = list.lines().filter(|line| line.contains(" flags=b ")).collect();
    let Some(line) = rng.choice(blocked) else { return };
    let id = line.split(' ').find_map(|field| field.strip_prefix("id=")).unwrap_or_default();
    client.ask(&format!("CLIENT UNBLOCK {id} {}", if rng.bool() { "ERROR" } else { "TIMEOUT" }));
}

fn step(server: &Server, clock: &mut Clock, ahead_us: i64) {
    let from_us = now_us();
    server.step_clock_us(ahead_us);
    clock.step(from_us, now_us(), ahead_us);
}

/// An operator's DEL of one of the locks.
fn delete(link: &mut Link<'_>, habits: &Habits, rng: &mut Rng) -> Call {
    let key = rng.usize(..habits.locks.len());
    let name = &habits.locks[key].0;
    let came = link.call(name, &words(name, 0, Asked::Delete), habits.patience);
    record(CLIENTS, key, 0, Asked::Delete, came)
}

/// How late a lease that has ended is handed on if the clock has been wrong meanwhile. None: not at all.
fn alarm_after_a_step(server: &Server, mut clock: Clock) -> Option<Duration> {
    const LEASE: Duration = Duration::from_millis(2000);
    let mut client = server.connect_tcp();
    client.ask(&format!("LOCK.TRY probe A PX {}", LEASE.as_millis()));
    let granted = Instant::now();
    let mut waiter = server.connect_tcp();
    waiter.set_patience(LEASE + LATE * 2).ok()?;
    waiter.send(&["LOCK.ACQUIRE", "probe", "B", "PX", "1", "BLOCK", "0"]);
    step(server, &mut clock, -20 * SECOND_US);
    // Long enough for the server's own timers to be set by the wrong clock.
    sleep_ms(1500);
    step(server, &mut clock, 0);
    let reply = waiter.try_read().ok()?;
    (reply.ints()[0] == 1).then(|| granted.elapsed().saturating_sub(LEASE))
}
