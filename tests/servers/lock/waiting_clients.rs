//! Clients of all kinds wait alike, and their streams of replies stay in step.

use sluice_testing::{Kind, Reply, Server, on_every_server, until};

use crate::lock::queue::{wait, wait_on, waiters, waiting};
use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    every_protocol_gets_the_same_reply,
    commands_behind_a_wait_run_after_it,
    who_is_pushed_news_gets_its_reply_too,
    who_watches_all_commands_does_not_wait,
];

fn every_protocol_gets_the_same_reply(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut plain = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let mut resp3 = server.connect_resp3();
    wait_on(&mut resp3, &server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
    let mut silent = server.connect();
    silent.send(&["CLIENT", "REPLY", "SKIP"]);
    silent.send(&["LOCK.ACQUIRE", "k", "D", "PX", "60000", "BLOCK", "0"]);
    until("it waits", || waiters(&mut client, "k") == 3);
    for owner in ["A", "B", "C"] {
        assert_eq!(client.ask(&format!("LOCK.RELEASE k {owner}")).int(), 1);
    }
    assert_eq!(shown(&mut client, "k"), "D F+3 ttl 60000 held 0; 0 wait");
    for (waiter, fence) in [(&mut plain, F + 1), (&mut resp3, F + 2)] {
        waiter.read();
        assert_eq!(waiter.last_bytes(), format!("*3\r\n:1\r\n:{fence}\r\n:60000\r\n").as_bytes());
        waiter.assert_in_step();
    }
    silent.assert_in_step();
}

fn commands_behind_a_wait_run_after_it(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    for line in [
        &["INCR", "n"][..],
        &["LOCK.RELEASE", "k", "B"],
        &["LOCK.ACQUIRE", "k", "C", "PX", "5", "BLOCK", "0"],
    ] {
        waiter.send(line);
    }
    assert_eq!(waiters(&mut client, "k"), 1);
    assert!(client.ask("GET n").is_null());
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(waiter.read().ints(), [1, F + 1, 60_000]);
    assert_eq!(waiter.read().int(), 1);
    assert_eq!(waiter.read().int(), 1);
    assert_eq!(waiter.read().ints(), [1, F + 2, 5]);
    waiter.assert_in_step();
}

/// Valkey lets no such client wait for a module: there ACQUIRE answers as TRY does.
fn who_is_pushed_news_gets_its_reply_too(kind: Kind) {
    for subscribe in ["SUBSCRIBE news", "PSUBSCRIBE n*"] {
        let server = Server::setup(kind).clock_ms(NOON_MS).start();
        let mut client = server.connect();
        client.ask("LOCK.TRY k A PX 60000");
        let mut waiter = server.connect_resp3();
        waiter.ask("CLIENT TRACKING ON BCAST").assert_ok();
        assert!(matches!(waiter.ask(subscribe), Reply::Push(_)));
        if kind.is_valkey() {
            assert_eq!(waiter.ask("LOCK.ACQUIRE k B PX 60000 BLOCK 0").ints(), [0, F, 60_000]);
            assert_eq!(waiters(&mut client, "k"), 0);
            waiter.assert_in_step();
            continue;
        }
        wait_on(&mut waiter, &server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        assert_eq!(client.ask("PUBLISH news first").int(), 1);
        client.ask("SET other v").assert_ok();
        let pushed = [waiter.read(), waiter.read()];
        assert!(pushed.iter().all(|push| matches!(push, Reply::Push(_))), "{pushed:?}");
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
        // One more push, as k has changed, before the reply or after it.
        let last = [waiter.read(), waiter.read()];
        let replies: Vec<_> = last.iter().filter(|reply| !matches!(reply, Reply::Push(_))).collect();
        let [reply] = replies[..] else { panic!("{last:?}") };
        assert_eq!(reply.ints(), [1, F + 1, 60_000]);
        waiter.assert_in_step();
    }
}

/// Such a client gets whatever comes at any time; a reply in between would be lost on it.
fn who_watches_all_commands_does_not_wait(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let mut monitor = server.connect();
    monitor.ask("MONITOR").assert_ok();
    monitor.send(&["LOCK.ACQUIRE", "k", "B", "PX", "60000", "BLOCK", "0"]);
    until(
        "it is refused",
        || matches!(monitor.read(), Reply::Error(text) if text.starts_with("ERR Replica ")),
    );
    assert_eq!(waiting(&mut client), 0);
    // It sees what those do who wait, and what comes of it.
    let mut waiter = wait(&server, "LOCK.ACQUIRE k C PX 60000 BLOCK 0");
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(waiter.read().ints(), [1, F + 1, 60_000]);
    for seen in ["LOCK.ACQUIRE", "LOCK.RELEASE"] {
        until(seen, || monitor.read().text().contains(&format!("\"{seen}\" \"k\"")));
    }
    assert_eq!(shown(&mut client, "k"), "C F+1 ttl 60000 held 0; 0 wait");
}
