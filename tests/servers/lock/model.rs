//! Thousands of random calls, each answered as a plain list of leases says: by one key after another, with a clock that
//! goes forth and back, and strangers who set expiries, rename, delete and reload.

use std::collections::BTreeMap;

use sluice_testing::{Client, Kind, Server, on_every_server};

use crate::lock::shown::shown;
use crate::shared::NOON_MS;
use crate::shared::random::Random;

on_every_server![every_answer_is_that_of_a_list_of_leases];

const KEYS: [&str; 3] = ["k1", "k2", "k3"];
const OWNERS: [&str; 5] = ["A", "B", "C", "D", "E"];

#[derive(Clone)]
struct Lease {
    owner: &'static str,
    fence: i64,
    deadline_ms: i64,
    acquired_ms: i64,
}

/// What is in one key.
#[derive(Clone, Default)]
struct Key {
    leases: Vec<Lease>,
    expiry_ms: Option<i64>,
}

#[derive(Default)]
struct Model {
    keys: BTreeMap<&'static str, Key>,
    now_us: i64,
    last_fence: i64,
}

impl Model {
    fn now_ms(&self) -> i64 {
        self.now_us / 1000
    }

    /// The key as the server finds it now: without leases if it has expired.
    fn found(&mut self, key: &'static str) -> &mut Key {
        let now_ms = self.now_ms();
        if self.keys.get(key).is_some_and(|key| key.expiry_ms.is_some_and(|ms| now_ms > ms)) {
            self.keys.remove(key);
        }
        self.keys.entry(key).or_default()
    }

    /// Each live lease, its deadline the end that it really has.
    fn live(&mut self, key: &'static str) -> Vec<Lease> {
        let now_ms = self.now_ms();
        let key = self.found(key);
        let cut = |lease: &Lease| {
            let deadline_ms = key.expiry_ms.map_or(lease.deadline_ms, |ms| ms.min(lease.deadline_ms));
            Lease { deadline_ms, ..lease.clone() }
        };
        key.leases.iter().map(cut).filter(|lease| now_ms < lease.deadline_ms).collect()
    }

    /// What every call does that may write: it removes what has ended.
    fn touch(&mut self, key: &'static str) {
        if self.live(key).is_empty() {
            self.keys.remove(key);
        }
    }

    /// Keeps these leases, and no others.
    fn write(&mut self, key: &'static str, leases: Vec<Lease>) {
        match leases.iter().map(|lease| lease.deadline_ms).max() {
            Some(last) => drop(self.keys.insert(key, Key { leases, expiry_ms: Some(last) })),
            None => drop(self.keys.remove(key)),
        }
    }

    /// `[0, newest fence, when fewer than n will hold]`
    fn refusal(&self, live: &[Lease], n: usize) -> String {
        let after = |ms: i64| live.iter().filter(|lease| ms < lease.deadline_ms).count();
        let ends = live.iter().map(|lease| lease.deadline_ms);
        let retry_ms = ends.filter(|end| after(*end) < n).min().map_or(-2, |end| end - self.now_ms());
        format!("[0, {}, {retry_ms}]", live.iter().map(|lease| lease.fence).max().unwrap_or(0))
    }

    fn claim(&mut self, key: &'static str, owner: &'static str, lease_ms: i64, n: usize) -> String {
        self.touch(key);
        let (mut live, now_ms) = (self.live(key), self.now_ms());
        if let Some(own) = live.iter().find(|lease| lease.owner == owner) {
            return format!("[0, {}, {}]", own.fence, own.deadline_ms - now_ms);
        }
        if live.len() >= n {
            return self.refusal(&live, n);
        }
        let fence = self.now_us.max(self.last_fence + 1);
        self.last_fence = fence;
        live.push(Lease { owner, fence, deadline_ms: now_ms + lease_ms, acquired_ms: now_ms });
        self.write(key, live);
        format!("[1, {fence}, {lease_ms}]")
    }

    fn extend(&mut self, key: &'static str, owner: &str, lease_ms: i64) -> String {
        self.touch(key);
        let (mut live, now_ms) = (self.live(key), self.now_ms());
        let Some(own) = live.iter_mut().find(|lease| lease.owner == owner) else {
            return self.refusal(&live, usize::MAX);
        };
        own.deadline_ms = now_ms + lease_ms;
        let fence = own.fence;
        self.write(key, live);
        format!("[1, {fence}, {lease_ms}]")
    }

    fn release(&mut self, key: &'static str, owner: &str) -> String {
        self.touch(key);
        let mut live = self.live(key);
        let Some(place) = live.iter().position(|lease| lease.owner == owner) else { return "0".to_owned() };
        live.remove(place);
        self.write(key, live);
        "1".to_owned()
    }

    /// As `shown` has it.
    fn shown(&mut self, key: &'static str) -> String {
        let (live, now_ms) = (self.live(key), self.now_ms());
        let line = |lease: &Lease| {
            let Lease { owner, fence, deadline_ms, acquired_ms } = lease;
            let (ttl, held) = (deadline_ms - now_ms, (now_ms - acquired_ms).max(0));
            format!("{owner} F{:+} ttl {ttl} held {held}", fence - NOON_MS * 1000)
        };
        let lines: Vec<_> = live.iter().map(line).collect();
        if lines.is_empty() { "free".to_owned() } else { format!("{}; 0 wait", lines.join(", ")) }
    }
}

fn every_answer_is_that_of_a_list_of_leases(kind: Kind) {
    // Without active expiry, a key that has expired is gone when it is looked at, as in the model.
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0").assert_ok();
    let mut model = Model { now_us: NOON_MS * 1000, ..Model::default() };
    let mut random = Random(0x10c4);
    for n in 0..6000 {
        model.now_us += match random.below(40) {
            0 => -3_600_000_000,
            1 => 3_600_000_000,
            2 => -(random.below(30_000) as i64),
            3..9 => 1000 * random.below(60) as i64,
            9..20 => 0,
            _ => random.below(3000) as i64,
        };
        server.set_clock_us(model.now_us);
        let (call, expected) = one_call(&mut random, &mut model);
        assert_eq!(format!("{:?}", client.ask(&call)), expected, "call {n}: {call}");
        let key = random.pick(&KEYS);
        assert_eq!(shown(&mut client, key), model.shown(key), "{key} after call {n}: {call}");
        assert_same_key(&mut client, &mut model, key);
    }
}

/// A call, and what is answered.
fn one_call(random: &mut Random, model: &mut Model) -> (String, String) {
    let (key, owner) = (random.pick(&KEYS), random.pick(&OWNERS));
    let lease_ms = [1 + random.below(5), 1 + random.below(100), 100_000][random.below(3)] as i64;
    let n = random.pick(&[1, 1, 1, 2, 3, 4, 1024]);
    match random.below(220) {
        0..70 => {
            let call = format!("LOCK.TRY {key} {owner} PX {lease_ms} HOLDERS {n}");
            (call, model.claim(key, owner, lease_ms, n))
        }
        // Where it would have to wait: in a script it does not.
        70..100 => (
            format!(
                "EVAL return(redis.call(unpack(ARGV))) 0 LOCK.ACQUIRE {key} {owner} PX {lease_ms} HOLDERS {n} BLOCK 0"
            ),
            model.claim(key, owner, lease_ms, n),
        ),
        100..140 => (format!("LOCK.EXTEND {key} {owner} PX {lease_ms}"), model.extend(key, owner, lease_ms)),
        140..180 => (format!("LOCK.RELEASE {key} {owner}"), model.release(key, owner)),
        180..190 => {
            let there = !model.found(key).leases.is_empty();
            if there {
                model.found(key).expiry_ms = Some(model.now_ms() + lease_ms);
            }
            (format!("PEXPIRE {key} {lease_ms}"), i32::from(there).to_string())
        }
        190..199 => {
            let had_expiry = model.found(key).expiry_ms.take().is_some();
            (format!("PERSIST {key}"), i32::from(had_expiry).to_string())
        }
        199..208 => {
            let there = !model.found(key).leases.is_empty();
            model.keys.remove(key);
            (format!("DEL {key}"), i32::from(there).to_string())
        }
        208..217 => {
            let other = random.pick(&KEYS);
            let call = format!("RENAME {key} {other}");
            if model.found(key).leases.is_empty() {
                return (call, "-ERR no such key".to_owned());
            }
            let moved = model.keys.remove(key).unwrap_or_default();
            model.keys.insert(other, moved);
            (call, "+OK".to_owned())
        }
        217..219 => ("DEBUG RELOAD".to_owned(), "+OK".to_owned()),
        _ => ("DEBUG LOADAOF".to_owned(), "+OK".to_owned()),
    }
}

/// The key is there or not, and expires when it should.
#[track_caller]
fn assert_same_key(client: &mut Client, model: &mut Model, key: &'static str) {
    let expected = match model.found(key) {
        Key { leases, .. } if leases.is_empty() => -2,
        Key { expiry_ms, .. } => expiry_ms.unwrap_or(-1),
    };
    assert_eq!(client.call(&["PEXPIRETIME", key]).int(), expected, "{key}");
}
