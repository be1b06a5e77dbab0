//! Nothing blocks in a transaction or a script: there ACQUIRE answers as TRY does, at once. What is released
//! there is handed on when it is over, so what it does next itself comes first.

use sluice_testing::{Client, Kind, Reply, Server, on_every_server};

use crate::lock::queue::{granted, wait, waiters, waiting};
use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    acquire_in_a_transaction_answers_at_once,
    acquire_in_a_script_answers_at_once,
    who_waits_elsewhere_goes_on_waiting,
    what_a_transaction_releases_is_handed_on_behind_it,
    what_a_script_releases_is_handed_on_behind_it,
    what_a_script_releases_before_it_fails_is_handed_on,
    a_transactions_own_try_comes_before_those_that_wait,
    a_scripts_own_try_comes_before_those_that_wait,
    a_grant_to_who_waits_breaks_a_watch,
    a_script_does_not_pass_over_a_lease_that_has_just_ended,
    an_operator_in_a_transaction_ends_a_wait_and_hands_nothing_on,
];

/// A holds `k` at noon.
fn held(kind: Kind) -> (Server, Client) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints(), [1, F, 60_000]);
    (server, client)
}

/// The reply of EXEC.
#[track_caller]
fn transaction(client: &mut Client, lines: &[&str]) -> Reply {
    let all = [&["MULTI"], lines, &["EXEC"]].concat();
    client.pipeline(&all).pop().unwrap()
}

/// Runs a script that takes `k` as its key.
#[track_caller]
fn script(client: &mut Client, lua: &str) -> Reply {
    client.call(&["EVAL", lua, "1", "k"])
}

fn acquire_in_a_transaction_answers_at_once(kind: Kind) {
    let (_server, mut client) = held(kind);
    for block in [0, 1000] {
        let acquire = format!("LOCK.ACQUIRE k B PX 60000 BLOCK {block}");
        let replies = transaction(&mut client, &[&acquire, "PING", "LOCK.TRY k B PX 1"]);
        assert_eq!(replies.array().len(), 3);
        assert_eq!(replies.array()[0].ints(), [0, F, 60_000]);
        assert_eq!(replies.array()[1].text(), "PONG");
        assert_eq!(replies.array()[2].ints(), [0, F, 60_000]);
        client.assert_in_step();
    }
    assert_eq!(waiting(&mut client), 0);
    let acquire = "LOCK.ACQUIRE free B PX 60000 BLOCK 0";
    let replies = transaction(&mut client, &[acquire, acquire]);
    assert_eq!(format!("{replies:?}"), format!("[[1, {}, 60000], [0, {}, 60000]]", F + 1, F + 1));
}

fn acquire_in_a_script_answers_at_once(kind: Kind) {
    let (_server, mut client) = held(kind);
    let acquire = "return redis.call('LOCK.ACQUIRE', KEYS[1], ARGV[1], 'PX', 60000, 'BLOCK', ARGV[2])";
    for block in ["0", "1000"] {
        assert_eq!(client.call(&["EVAL", acquire, "1", "k", "B", block]).ints(), [0, F, 60_000]);
        assert_eq!(client.call(&["EVAL", acquire, "1", "k", "A", block]).ints(), [0, F, 60_000]);
        let in_both = [&["MULTI"][..], &["EVAL", acquire, "1", "k", "B", block], &["EXEC"]];
        in_both.iter().for_each(|words| client.send(words));
        client.read().assert_ok();
        assert_eq!(client.read().text(), "QUEUED");
        assert_eq!(format!("{:?}", client.read()), format!("[[0, {F}, 60000]]"));
        client.assert_in_step();
    }
    assert_eq!(client.call(&["EVAL", acquire, "1", "free", "B", "0"]).ints(), [1, F + 1, 60_000]);
    let library = "#!lua name=locks\nredis.register_function('acquire', function(keys, args) \
                   return redis.call('LOCK.ACQUIRE', keys[1], args[1], 'PX', 60000, 'BLOCK', 0) end)";
    assert_eq!(client.call(&["FUNCTION", "LOAD", library]).text(), "locks");
    assert_eq!(client.ask("FCALL acquire 1 k B").ints(), [0, F, 60_000]);
    assert_eq!(waiting(&mut client), 0);
    client.assert_in_step();
}

fn who_waits_elsewhere_goes_on_waiting(kind: Kind) {
    let (server, mut client) = held(kind);
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let replies = transaction(&mut client, &["LOCK.ACQUIRE k B PX 60000 BLOCK 0", "LOCK.INFO k"]);
    assert_eq!(replies.array()[0].ints(), [0, F, 60_000]);
    script(&mut client, "return redis.call('LOCK.TRY', KEYS[1], 'B', 'PX', 1)");
    assert_eq!(waiters(&mut client, "k"), 1);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(waiter.read().ints(), [1, F + 1, 60_000]);
}

fn what_a_transaction_releases_is_handed_on_behind_it(kind: Kind) {
    let (server, mut client) = held(kind);
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let replies = transaction(&mut client, &["LOCK.RELEASE k A", "LOCK.INFO k", "EXISTS k", "PING"]);
    let waits = r#"["owner", "B", "holders", 1, "waited-ms", 0, "left-ms", -1]"#;
    let info = format!(r#"["holders", [], "waiting", 1, "waiters", [{waits}]]"#);
    assert_eq!(format!("{replies:?}"), format!("[1, {info}, 0, +PONG]"));
    assert_eq!(waiter.read().ints(), [1, F + 1, 60_000]);
    waiter.assert_in_step();
    client.assert_in_step();
}

fn what_a_script_releases_is_handed_on_behind_it(kind: Kind) {
    let (server, mut client) = held(kind);
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let lua = "return {redis.call('LOCK.RELEASE', KEYS[1], 'A'), redis.call('EXISTS', KEYS[1])}";
    assert_eq!(script(&mut client, lua).ints(), [1, 0]);
    assert_eq!(waiter.read().ints(), [1, F + 1, 60_000]);
    waiter.assert_in_step();
    client.assert_in_step();
}

fn what_a_script_releases_before_it_fails_is_handed_on(kind: Kind) {
    let (server, mut client) = held(kind);
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let lua = "redis.call('LOCK.RELEASE', KEYS[1], 'A') return redis.call('no such command')";
    assert!(script(&mut client, lua).error().contains("nknown"));
    assert_eq!(waiter.read().ints(), [1, F + 1, 60_000]);
    assert_eq!(shown(&mut client, "k"), "B F+1 ttl 60000 held 0; 0 wait");
}

fn a_transactions_own_try_comes_before_those_that_wait(kind: Kind) {
    for own in ["LOCK.TRY k C PX 60000", "LOCK.ACQUIRE k C PX 60000 BLOCK 0"] {
        let (server, mut client) = held(kind);
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        let replies = transaction(&mut client, &["LOCK.RELEASE k A", own, "LOCK.TRY k D PX 1"]);
        let replies: Vec<_> = replies.array()[1..].iter().map(Reply::ints).collect();
        assert_eq!(replies, [[1, F + 1, 60_000], [0, F + 1, 60_000]], "{own}");
        assert_eq!(shown(&mut client, "k"), "C F+1 ttl 60000 held 0; 1 wait", "{own}");
        assert_eq!(client.ask("LOCK.RELEASE k C").int(), 1);
        assert_eq!(waiter.read().ints(), [1, F + 2, 60_000], "{own}");
    }
}

fn a_scripts_own_try_comes_before_those_that_wait(kind: Kind) {
    for own in
        ["'LOCK.TRY', KEYS[1], 'C', 'PX', 60000", "'LOCK.ACQUIRE', KEYS[1], 'C', 'PX', 60000, 'BLOCK', 0"]
    {
        let (server, mut client) = held(kind);
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        let lua = format!("redis.call('LOCK.RELEASE', KEYS[1], 'A') return redis.call({own})");
        assert_eq!(script(&mut client, &lua).ints(), [1, F + 1, 60_000], "{own}");
        assert_eq!(shown(&mut client, "k"), "C F+1 ttl 60000 held 0; 1 wait", "{own}");
        assert_eq!(client.ask("LOCK.RELEASE k C").int(), 1);
        assert_eq!(waiter.read().ints(), [1, F + 2, 60_000], "{own}");
    }
}

fn a_grant_to_who_waits_breaks_a_watch(kind: Kind) {
    for frees in ["LOCK.RELEASE k A", "LOCK.EXTEND k A PX 1"] {
        let server = Server::start(kind);
        let mut client = server.connect();
        client.ask("LOCK.TRY k A PX 60000");
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        // An extension is a change as well: the watch begins after it, when only the grant is to come.
        let mut watcher = server.connect();
        if frees.contains("EXTEND") {
            let replies = client.pipeline(&[frees, "WATCH k"]);
            assert_eq!(replies[0].ints()[0], 1);
            granted(&mut waiter);
            assert!(transaction(&mut client, &["PING"]).is_null(), "{frees}");
        } else {
            watcher.ask("WATCH k").assert_ok();
            assert_eq!(client.ask(frees).int(), 1);
            granted(&mut waiter);
            assert!(transaction(&mut watcher, &["PING"]).is_null(), "{frees}");
        }
    }
}

/// What a transaction or a script has not freed itself is not theirs to take before those who wait.
fn a_script_does_not_pass_over_a_lease_that_has_just_ended(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 5000");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    server.set_clock_ms(NOON_MS + 5000);
    let call = "return redis.call('LOCK.TRY', KEYS[1], 'C', 'PX', 20)";
    assert_eq!(client.call(&["EVAL", call, "1", "k"]).ints()[0], 0);
    let call =
        "redis.call('LOCK.RELEASE', KEYS[1], 'C') return redis.call('LOCK.TRY', KEYS[1], 'C', 'PX', 20)";
    assert_eq!(client.call(&["EVAL", call, "1", "k"]).ints()[0], 0);
    assert_eq!(transaction(&mut client, &["LOCK.TRY k C PX 20"]).array()[0].ints()[0], 0);
    assert_eq!(waiter.read().ints()[0], 1);
}

/// In the middle of it the lock is the transaction's.
fn an_operator_in_a_transaction_ends_a_wait_and_hands_nothing_on(kind: Kind) {
    let (server, mut client) = held(kind);
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    let list = client.ask("CLIENT LIST");
    let line = list.text().lines().find(|line| line.to_lowercase().contains("cmd=lock.acquire")).unwrap();
    let id = line.split(' ').next().unwrap().strip_prefix("id=").unwrap();
    let unblock = format!("CLIENT UNBLOCK {id}");
    let replies = transaction(&mut client, &["LOCK.RELEASE k A", &unblock, "LOCK.TRY k C PX 60000"]);
    assert_eq!(format!("{replies:?}"), format!("[1, 1, [1, {}, 60000]]", F + 1));
    assert_eq!(waiter.read().ints()[0], 0);
    waiter.assert_in_step();
}
