//! First in, first out: only the head of the queue is granted, whatever comes later and however little it asks for.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::lock::queue::{assert_prompt, command, due_ms, granted, wait, waiters, waiting};
use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    each_lease_that_ends_grants_the_next,
    only_the_head_is_granted_whatever_its_n,
    all_that_fit_are_granted_in_one_step,
    a_try_for_more_holders_does_not_pass_the_head,
    a_try_does_not_pass_over_a_lease_that_has_just_ended,
    an_acquire_passes_nobody_even_then,
    a_try_does_not_pass_after_a_deletion,
    a_try_does_not_pass_after_a_release_in_a_transaction,
    an_owner_that_waits_and_tries_is_granted_once,
    an_owner_that_got_it_in_a_transaction_is_not_granted_again,
    two_thousand_are_granted_in_order,
    of_two_thousand_that_go_away_nothing_is_left,
];

fn each_lease_that_ends_grants_the_next(kind: Kind) {
    let server = Server::setup(kind).config("hz 1").start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let queue: Vec<_> =
        (0..8).map(|n| wait(&server, &format!("LOCK.ACQUIRE k B{n} PX 50 BLOCK 10000"))).collect();
    let mut due_ms = due_ms(&mut client, "LOCK.EXTEND k A PX 50");
    for mut waiter in queue {
        let fence = granted(&mut waiter);
        assert_prompt(fence, due_ms);
        // A lease ends at a whole millisecond.
        due_ms = fence / 1000 + 50;
    }
}

fn only_the_head_is_granted_whatever_its_n(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for owner in ["A1", "A2"] {
        assert_eq!(client.ask(&format!("LOCK.TRY k {owner} PX 60000 HOLDERS 2")).ints()[0], 1);
    }
    let mut alone = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    // There would be room for these two, but they come later.
    let mut ninth = wait(&server, "LOCK.ACQUIRE k C PX 60000 HOLDERS 9 BLOCK 0");
    let mut tenth = wait(&server, "LOCK.ACQUIRE k D PX 60000 HOLDERS 10 BLOCK 0");
    assert_eq!(client.ask("LOCK.RELEASE k A1").int(), 1);
    assert_eq!(shown(&mut client, "k"), "A2 F+1 ttl 60000 held 0; 3 wait");
    assert_eq!(client.ask("LOCK.RELEASE k A2").int(), 1);
    // Alone it may come in, and then there is room.
    let all = "B F+2 ttl 60000 held 0, C F+3 ttl 60000 held 0, D F+4 ttl 60000 held 0; 0 wait";
    assert_eq!(shown(&mut client, "k"), all);
    for (waiter, fence) in [(&mut alone, F + 2), (&mut ninth, F + 3), (&mut tenth, F + 4)] {
        assert_eq!(waiter.read().ints(), [1, fence, 60_000]);
    }
    // When the head gives up, those behind it are looked at without delay.
    let alone = wait(&server, "LOCK.ACQUIRE k E PX 60000 BLOCK 0");
    let mut sixth = wait(&server, "LOCK.ACQUIRE k G PX 60000 HOLDERS 6 BLOCK 0");
    drop(alone);
    assert_eq!(sixth.read().ints(), [1, F + 5, 60_000]);
}

fn all_that_fit_are_granted_in_one_step(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut queue = ["B PX 60000", "C PX 60000 HOLDERS 3", "D PX 60000 HOLDERS 3", "E PX 60000 HOLDERS 3"]
        .map(|words| wait(&server, &format!("LOCK.ACQUIRE k {words} BLOCK 0")));
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    let three = "B F+1 ttl 60000 held 0, C F+2 ttl 60000 held 0, D F+3 ttl 60000 held 0; 1 wait";
    assert_eq!(shown(&mut client, "k"), three);
    for (waiter, fence) in queue.iter_mut().zip(F + 1..=F + 3) {
        assert_eq!(waiter.read().ints(), [1, fence, 60_000]);
    }
    let [_, load] = &server.aof_commands()[..] else { panic!("{:?}", server.aof_commands()) };
    assert!(load.starts_with(&format!("LOCK.LOAD k 3 B {} ", F + 1)), "{load}");
    assert_eq!(client.ask("LOCK.RELEASE k C").int(), 1);
    assert_eq!(queue[3].read().ints(), [1, F + 4, 60_000]);
}

fn a_try_for_more_holders_does_not_pass_the_head(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut head = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    for line in ["LOCK.TRY k C PX 60000 HOLDERS 2", "LOCK.TRY k C PX 60000 HOLDERS 1024"] {
        assert_eq!(client.ask(line).ints(), [0, F, 60_000], "{line}");
    }
    let mut behind = wait(&server, "LOCK.ACQUIRE k C PX 60000 HOLDERS 2 BLOCK 0");
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(head.read().ints(), [1, F + 1, 60_000]);
    assert_eq!(behind.read().ints(), [1, F + 2, 60_000]);
}

/// A lease of A that has ended while B waits, and nobody has looked yet: the server reads this call together with
/// what came before it, and does nothing in between.
#[track_caller]
fn called_over_an_ended_lease(server: &Server, call: &str) -> (Client, Client) {
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints()[0], 1);
    let waiter = wait(server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
    let lines = ["LOCK.EXTEND k A PX 1", "DEBUG SLEEP 0.005", call].map(command);
    client.send_bytes(lines.concat().as_bytes());
    assert_eq!(client.read().ints()[0], 1);
    client.read().assert_ok();
    (client, waiter)
}

fn a_try_does_not_pass_over_a_lease_that_has_just_ended(kind: Kind) {
    let server = Server::start(kind);
    let (mut client, mut waiter) = called_over_an_ended_lease(&server, "LOCK.TRY k C PX 60000");
    let fence = granted(&mut waiter);
    assert_eq!(client.read().ints()[..2], [0, fence]);
}

fn an_acquire_passes_nobody_even_then(kind: Kind) {
    let server = Server::start(kind);
    let acquire = "LOCK.ACQUIRE k C PX 60000 BLOCK 10000";
    let (mut behind, mut waiter) = called_over_an_ended_lease(&server, acquire);
    let mut client = server.connect();
    assert!(handed_on(&mut client, &mut waiter, &mut behind));
    for frees in ["DEL k", "MULTI;LOCK.RELEASE k A;EXEC", "EVAL redis.call('LOCK.RELEASE',KEYS[1],'A') 1 k"] {
        assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints()[0], 1);
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
        let lines: Vec<_> = frees.split(';').chain([acquire]).map(command).collect();
        behind.send_bytes(lines.concat().as_bytes());
        (1..lines.len()).for_each(|_| drop(behind.read()));
        assert!(handed_on(&mut client, &mut waiter, &mut behind), "{frees}");
    }
}

/// First B has it, then C, then nobody.
#[track_caller]
fn handed_on(client: &mut Client, first: &mut Client, second: &mut Client) -> bool {
    let fence = granted(first);
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    let in_order = fence < granted(second);
    assert_eq!(client.ask("LOCK.RELEASE k C").int(), 1);
    in_order
}

fn a_try_does_not_pass_after_a_deletion(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
    let replies = client.pipeline(&["DEL k", "LOCK.TRY k C PX 60000"]);
    assert_eq!(replies[1].ints()[0], 0, "{replies:?}");
    assert_eq!(waiter.read().ints(), [1, F + 1, 60_000]);
}

fn a_try_does_not_pass_after_a_release_in_a_transaction(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
    let replies = client.pipeline(&["MULTI", "LOCK.RELEASE k A", "EXEC", "LOCK.TRY k C PX 60000"]);
    assert_eq!(replies[3].ints()[0], 0, "{replies:?}");
    assert_eq!(waiter.read().ints(), [1, F + 1, 60_000]);
}

fn an_owner_that_waits_and_tries_is_granted_once(kind: Kind) {
    let server = Server::start(kind);
    let (mut client, mut waiter) = called_over_an_ended_lease(&server, "LOCK.TRY k B PX 60000");
    let fence = granted(&mut waiter);
    let reply = client.read().ints();
    assert_eq!(reply[..2], [0, fence]);
    assert!((1..=60_000).contains(&reply[2]), "{reply:?}");
    assert_eq!(waiters(&mut client, "k"), 0);
}

/// A transaction's own TRY comes before those that wait, so an owner can get by it what it waits for elsewhere.
fn an_owner_that_got_it_in_a_transaction_is_not_granted_again(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 10000");
    let mut behind = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 10000");
    client.pipeline(&["MULTI", "LOCK.RELEASE k A", "LOCK.TRY k B PX 50000", "EXEC"]);
    assert_eq!(waiter.read().ints(), [0, F + 1, 50_000]);
    assert_eq!(shown(&mut client, "k"), "B F+1 ttl 50000 held 0; 1 wait");
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    assert_eq!(behind.read().ints(), [1, F + 2, 60_000]);
}

fn two_thousand_are_granted_in_order(kind: Kind) {
    let server = Server::setup(kind).module_args("max-waiters 2000").start();
    let mut client = server.connect();
    let mut last_fence = client.ask("LOCK.TRY k A PX 3600000").ints()[1];
    let (_one_at_a_time, queue) = two_thousand(&server);
    let mut holder = "A".to_owned();
    for (n, mut waiter) in queue.into_iter().enumerate() {
        assert_eq!(client.call(&["LOCK.RELEASE", "k", &holder]).int(), 1);
        let fence = granted(&mut waiter);
        assert!(fence > last_fence);
        (last_fence, holder) = (fence, format!("B{n}"));
    }
    assert_eq!(client.call(&["LOCK.RELEASE", "k", &holder]).int(), 1);
    assert!(client.ask("LOCK.INFO k").is_null());
    assert_eq!(waiting(&mut client), 0);
}

fn of_two_thousand_that_go_away_nothing_is_left(kind: Kind) {
    let server = Server::setup(kind).module_args("max-waiters 2000").start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 3600000");
    let (_one_at_a_time, mut queue) = two_thousand(&server);
    // Now one from the front, now one from the back; and in the middle one stays.
    let mut stays = queue.remove(1000).unwrap();
    while !queue.is_empty() {
        queue.pop_front();
        queue.pop_back();
    }
    until("the others have left", || waiting(&mut client) == 1);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    granted(&mut stays);
    assert_eq!(client.ask("LOCK.RELEASE k B1000").int(), 1);
    assert_eq!(waiting(&mut client), 0);
    assert!(client.ask("LOCK.INFO k").is_null());
    assert_eq!(client.ask("DBSIZE").int(), 0);
}

/// B0, B1, ... wait for `k`, which is held. One test at a time has so many connections.
fn two_thousand(server: &Server) -> (MutexGuard<'static, ()>, VecDeque<Client>) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    allow_many_files();
    let mut watcher = server.connect();
    let queue = (0..2000).map(|n| {
        let mut client = server.connect();
        client.send(&args!["LOCK.ACQUIRE", "k", format!("B{n}"), "PX", 3_600_000, "BLOCK", 0]);
        // Without the millisecond between two looks that `until` takes.
        assert!((0..100_000).any(|_| waiters(&mut watcher, "k") == n + 1), "it waits");
        client
    });
    (guard, queue.collect())
}

/// Often a process may have 1024 files open unless it asks for more.
fn allow_many_files() {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    if files.split_whitespace().next().unwrap().parse().is_ok_and(|soft: u64| soft < 4096) {
        let pid = std::process::id().to_string();
        let raised = Command::new("prlimit").args(["--pid", &pid, "--nofile=4096:"]).status();
        assert!(
            raised.is_ok_and(|status| status.success()),
            "2000 connections need a hard limit of 4096 files"
        );
    }
}
