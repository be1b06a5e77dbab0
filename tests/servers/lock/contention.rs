//! Many clients at once: one at a time, in the order they came, and no write is lost whoever dies.

use std::collections::HashSet;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::lock::queue::{granted, wait, waiting};
use crate::shared::random::Random;

const CLIENTS: u64 = 8;
const MILLISECOND: Duration = Duration::from_millis(1);

on_every_server![
    eight_clients_count_to_eight_hundred,
    fifty_are_granted_in_the_order_they_came,
    no_fenced_write_is_lost_though_clients_die,
];

/// With threads that read and write for the server, as a busy one has.
fn threaded(kind: Kind) -> Server {
    Server::setup(kind).config("io-threads 3").start()
}

fn eight_clients_count_to_eight_hundred(kind: Kind) {
    let server = threaded(kind);
    thread::scope(|scope| {
        for name in 0..CLIENTS {
            let mut client = server.connect();
            scope.spawn(move || {
                for round in 0..100 {
                    let owner = format!("{name}/{round}");
                    acquire(&mut client, &owner, 60_000);
                    let counter = client.ask("GET counter");
                    let counter: i64 = if counter.is_null() { 0 } else { counter.text().parse().unwrap() };
                    thread::sleep(MILLISECOND);
                    client.call(&args!["SET", "counter", counter + 1]).assert_ok();
                    assert_eq!(client.call(&["LOCK.RELEASE", "k", &owner]).int(), 1);
                }
                client.assert_in_step();
            });
        }
    });
    let mut client = server.connect();
    assert_eq!(client.ask("GET counter").text(), "800");
    assert!(client.ask("LOCK.INFO k").is_null());
}

fn fifty_are_granted_in_the_order_they_came(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let mut last = client.ask("LOCK.TRY k A PX 60000").ints()[1];
    let queue: Vec<_> = (0..50)
        .map(|n| {
            let mut waiter = wait(&server, &format!("LOCK.ACQUIRE k B{n} PX 60000 BLOCK 0"));
            // Each passes it on by itself.
            waiter.send(&args!["LOCK.RELEASE", "k", format!("B{n}")]);
            waiter
        })
        .collect();
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    for mut waiter in queue {
        let fence = granted(&mut waiter);
        assert!(fence > last);
        last = fence;
        assert_eq!(waiter.read().int(), 1);
    }
    assert!(client.ask("LOCK.INFO k").is_null());
}

/// What the lock protects: it takes part in the fencing, as docs/lock.md asks.
#[derive(Default)]
struct Resource {
    highest_fence: i64,
    value: i64,
    writes: i64,
    fences: HashSet<i64>,
}

impl Resource {
    fn read(&mut self, fence: i64) -> Option<i64> {
        assert!(self.fences.insert(fence), "{fence} was given twice");
        self.highest_fence = self.highest_fence.max(fence);
        (fence == self.highest_fence).then_some(self.value)
    }

    fn write(&mut self, fence: i64, value: i64) -> bool {
        let accepted = fence == self.highest_fence;
        if accepted {
            self.value = value;
            self.writes += 1;
        }
        accepted
    }
}

/// What becomes of a client in one round.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Works,
    DiesWaiting,
    DiesBeforeItsWrite,
    DiesBeforeItsRelease,
    DiesInItsRelease,
    SleepsBeyondItsLease,
}

const FATES: [Fate; 12] = [
    Fate::Works,
    Fate::Works,
    Fate::Works,
    Fate::Works,
    Fate::Works,
    Fate::DiesWaiting,
    Fate::DiesWaiting,
    Fate::DiesWaiting,
    Fate::DiesInItsRelease,
    Fate::DiesBeforeItsWrite,
    Fate::DiesBeforeItsRelease,
    Fate::SleepsBeyondItsLease,
];

fn no_fenced_write_is_lost_though_clients_die(kind: Kind) {
    let server = threaded(kind);
    let resource = Mutex::new(Resource::default());
    thread::scope(|scope| {
        for name in 0..CLIENTS {
            let (server, resource, mut random) = (&server, &resource, Random(name));
            scope.spawn(move || {
                for round in 0..20 {
                    live(server, resource, &format!("{name}/{round}"), random.pick(&FATES), &mut random);
                }
            });
        }
    });
    let resource = resource.into_inner().unwrap();
    assert_eq!(resource.value, resource.writes);
    assert!(resource.writes > 20, "{} writes", resource.writes);
    let mut client = server.connect();
    until("nobody waits", || waiting(&mut client) == 0);
    until("no dead holder is left", || client.ask("LOCK.INFO k").is_null());
    assert_eq!(client.ask("LOCK.ACQUIRE k last PX 1000 BLOCK 0").ints()[0], 1);
}

/// One round of one client, on a connection of its own. A client that dies closes it.
fn live(server: &Server, resource: &Mutex<Resource>, owner: &str, fate: Fate, random: &mut Random) {
    const LEASE: Duration = Duration::from_millis(40);
    let lease_ms = i64::try_from(LEASE.as_millis()).unwrap();
    let mut client = server.connect();
    if let Fate::DiesWaiting = fate {
        client.send(&args!["LOCK.ACQUIRE", "k", owner, "PX", lease_ms, "BLOCK", 0]);
        return thread::sleep(Duration::from_micros(random.next() % 3000));
    }
    let fence = acquire(&mut client, owner, lease_ms);
    let Some(value) = resource.lock().unwrap().read(fence) else { return };
    thread::sleep(Duration::from_micros(random.next() % 1000));
    match fate {
        Fate::DiesBeforeItsWrite => return,
        Fate::SleepsBeyondItsLease => thread::sleep(LEASE),
        _ => {}
    }
    let extending = Instant::now();
    let held = client.call(&args!["LOCK.EXTEND", "k", owner, "PX", lease_ms]).ints()[0] == 1;
    let accepted = resource.lock().unwrap().write(fence, value + 1);
    // Whoever holds the lock is alone: another can have been there only after this lease was over.
    let in_time = extending.elapsed() < LEASE - MILLISECOND;
    assert!(accepted || !held || !in_time, "{owner} held the lock and was refused");
    match fate {
        Fate::DiesBeforeItsRelease => {}
        Fate::DiesInItsRelease => client.send(&["LOCK.RELEASE", "k", owner]),
        _ => {
            client.call(&["LOCK.RELEASE", "k", owner]).int();
            client.assert_in_step();
        }
    }
}

fn acquire(client: &mut Client, owner: &str, lease_ms: i64) -> i64 {
    client.send(&args!["LOCK.ACQUIRE", "k", owner, "PX", lease_ms, "BLOCK", 0]);
    granted(client)
}
