//! When those who wait are looked at, whatever the clock does and however long the server sleeps.

use std::thread;
use std::time::{Duration, Instant};

use sluice_testing::{Kind, Server, args, on_every_server, until};

use crate::lock::queue::{granted, wait, waiting};
use crate::lock::shown::shown;
use crate::shared::NOON_MS;

on_every_server![
    the_first_in_the_queue_is_granted_when_its_time_ends_with_the_lease,
    a_clock_that_goes_back_and_comes_right_keeps_nobody_waiting,
    a_server_that_wakes_late_grants_nothing_for_a_second,
    a_server_that_is_stopped_again_and_again_grants_nothing_either,
    a_lease_from_a_time_that_was_never_there_is_cut,
    a_lock_without_expiry_goes_when_it_is_touched,
];

/// The lease and the time of the wait end in the same moment: the lock is free, so it is granted.
fn the_first_in_the_queue_is_granted_when_its_time_ends_with_the_lease(kind: Kind) {
    let server = Server::start(kind);
    for n in 0..10 {
        let mut client = server.connect();
        let mut waiter = server.connect();
        client.ask(&format!("LOCK.TRY k{n} A PX 150"));
        let reply = waiter.ask(&format!("LOCK.ACQUIRE k{n} B PX 150 BLOCK 150")).ints();
        // Not granted is possible only where somebody else holds it: here that nobody does.
        assert_eq!(reply[0], 1, "{n}: {reply:?}");
    }
}

fn a_clock_that_goes_back_and_comes_right_keeps_nobody_waiting(kind: Kind) {
    for step_ms in [20_000, 30 * 60_000] {
        let server = Server::setup(kind).clock_ms(NOON_MS).start();
        let mut client = server.connect();
        client.ask("LOCK.TRY k A PX 3000");
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        let began = Instant::now();
        let mut now_ms = NOON_MS;
        // It goes on in small steps, as a clock does; for a second and a half it is far behind.
        while now_ms < NOON_MS + 6000 {
            thread::sleep(Duration::from_millis(50));
            let elapsed = began.elapsed().as_millis() as i64;
            now_ms = NOON_MS + elapsed;
            let behind = (300..1800).contains(&elapsed);
            server.set_clock_ms(if behind { now_ms - step_ms } else { now_ms });
        }
        let fence = granted(&mut waiter);
        let late_ms = fence / 1000 - (NOON_MS + 3000);
        assert!((0..2_000).contains(&late_ms), "{step_ms}: {late_ms} ms late");
        assert_eq!(waiting(&mut client), 0);
    }
}

/// It may have been replaced meanwhile, and cannot know it yet.
fn a_server_that_wakes_late_grants_nothing_for_a_second(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 500");
    client.ask("LOCK.TRY released A PX 60000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let mut other = wait(&server, "LOCK.ACQUIRE released B PX 60000 BLOCK 0");
    until("its jobs have come round", || client.ask("PING").text() == "PONG");
    thread::sleep(Duration::from_millis(300));
    server.freeze();
    thread::sleep(Duration::from_secs(4));
    // Read as soon as it wakes, before anything else can happen.
    client.send(&args!["LOCK.RELEASE", "released", "A"]);
    let woken =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    server.thaw();
    assert_eq!(client.read().int(), 1);
    for waiter in [&mut waiter, &mut other] {
        let fence = granted(waiter);
        assert!(fence - woken >= 900_000, "granted {} µs after it woke", fence - woken);
    }
}

/// One long gap between its jobs does not hide the next.
fn a_server_that_is_stopped_again_and_again_grants_nothing_either(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 3000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    thread::sleep(Duration::from_millis(500));
    for stopped_ms in [2_000, 3_000] {
        server.freeze();
        thread::sleep(Duration::from_millis(stopped_ms));
        server.thaw();
        client.ask("PING");
    }
    let woken =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let fence = granted(&mut waiter);
    assert!(fence - woken >= 800_000, "granted {} µs after it woke", fence - woken);
}

/// Longer than a hundred years no lease can be asked for.
fn a_lease_from_a_time_that_was_never_there_is_cut(kind: Kind) {
    let in_2200_ms = 7_258_118_400_000;
    let server = Server::setup(kind).aof().clock_ms(in_2200_ms).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.TRY s A PX 60000 HOLDERS 2");
    client.ask("LOCK.TRY s B PX 90000 HOLDERS 2");
    server.set_clock_ms(NOON_MS);
    // Seen at once, and so from the first touch on.
    assert!(shown(&mut client, "k").contains("ttl 60000 held 0; 0 wait"), "{}", shown(&mut client, "k"));
    assert_eq!(client.ask("LOCK.TRY k B PX 1000").ints()[2], 60_000);
    assert_eq!(client.ask("LOCK.TRY s C PX 1000 HOLDERS 2").ints()[2], 60_000);
    assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 60_000);
    assert_eq!(client.ask("PEXPIRETIME s").int(), NOON_MS + 90_000);
    server.set_clock_ms(NOON_MS + 59_999);
    assert_eq!(client.ask("LOCK.TRY k B PX 1000").ints()[2], 1);
    server.set_clock_ms(NOON_MS + 60_000);
    assert_eq!(client.ask("LOCK.TRY k B PX 1000").ints()[0], 1);
    assert_eq!(client.ask("LOCK.TRY s C PX 1000 HOLDERS 2").ints()[0], 1);
    // It is so in the AOF too.
    let before = (shown(&mut client, "k"), shown(&mut client, "s"));
    client.ask("DEBUG LOADAOF").assert_ok();
    assert_eq!((shown(&mut client, "k"), shown(&mut client, "s")), before);
}

fn a_lock_without_expiry_goes_when_it_is_touched(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for touch in ["LOCK.EXTEND k B PX 5", "LOCK.RELEASE k A", "LOCK.RELEASE k B"] {
        client.ask("LOCK.TRY k A PX 1000");
        assert_eq!(client.ask("PERSIST k").int(), 1);
        let now_ms: i64 = client.ask("TIME").array()[0].text().parse::<i64>().unwrap() * 1000;
        server.set_clock_ms(now_ms + 2000);
        assert_eq!(client.ask("EXISTS k").int(), 1);
        client.ask(touch);
        assert_eq!(client.ask("EXISTS k").int(), 0, "{touch}");
        assert_eq!(server.aof_commands().last().map(String::as_str), Some("DEL k"));
    }
}
