//! What a lock promises.

use std::thread;
use std::time::{Duration, Instant};

use sluice_testing::{Kind, Proxy, Reply, Server, until};

use crate::client::Client;

/// That of every lock on the page. Its lease is two seconds, its work takes three.
const KEY: &str = "lock:nightly";

pub(crate) fn keeps_its_promises(client: Client, kind: Kind) {
    thread::scope(|scope| {
        scope.spawn(|| it_is_held_beyond_its_first_lease_and_released(client, kind));
        scope.spawn(|| a_silent_connection_ends_the_wait(client, kind));
        if client.is_older {
            return;
        }
        scope.spawn(|| it_waits_its_turn_in_the_server(client, kind));
        scope.spawn(|| a_wait_has_an_end(client, kind));
        scope.spawn(|| a_lost_lock_stops_the_work_and_is_left_to_its_new_holder(client, kind));
    });
}

/// The fence of the newest holder; none if the lock is free.
fn fence(server: &Server) -> Option<i64> {
    let holders = field(server, "holders")?;
    let newest = holders.array().last()?.pairs();
    newest.iter().find(|(name, _)| name.text() == "fence").map(|(_, fence)| fence.int())
}

fn waiters(server: &Server) -> i64 {
    field(server, "waiting").map_or(0, |waiting| waiting.int())
}

/// What LOCK.INFO tells under this name; nothing if the lock is free.
fn field(server: &Server, name: &str) -> Option<Reply> {
    let info = server.ask(&format!("LOCK.INFO {KEY}"));
    if info.is_null() {
        return None;
    }
    info.pairs().into_iter().find(|(found, _)| found.text() == name).map(|(_, value)| value)
}

/// Takes the lock for a minute; answers the fence.
fn take(server: &Server, owner: &str) -> i64 {
    let reply = server.ask(&format!("LOCK.TRY {KEY} {owner} PX 60000")).ints();
    let [1, fence, _] = reply[..] else { panic!("not granted: {reply:?}") };
    fence
}

/// The fence in a line such as "step 1 with fence 1795303000191566".
fn fence_of(rest: &str) -> i64 {
    rest.strip_prefix(" with fence ").unwrap().parse().unwrap()
}

fn it_is_held_beyond_its_first_lease_and_released(client: Client, kind: Kind) {
    let server = Server::start_tcp(kind);
    let mut program = client.start("lock", &server.url());
    let first = fence_of(&program.until("step 1"));
    assert_eq!(fence(&server), Some(first));
    assert_eq!(fence_of(&program.until("step 6")), first);
    assert_eq!(fence(&server), Some(first), "not renewed");
    let ended = program.end();
    assert!(ended.ok, "{ended:?}");
    assert_eq!(ended.said("step ").len(), 6, "{ended:?}");
    assert_eq!(ended.said("released"), [""], "{ended:?}");
    assert_eq!(fence(&server), None);
}

fn it_waits_its_turn_in_the_server(client: Client, kind: Kind) {
    let server = Server::start_tcp(kind);
    let before = take(&server, "before");
    let mut program = client.start("lock", &server.url());
    until("it waits", || waiters(&server) == 1);
    assert_eq!(server.ask(&format!("LOCK.RELEASE {KEY} before")).int(), 1);
    assert!(fence_of(&program.until("step 1")) > before);
    let ended = program.end();
    assert!(ended.ok, "{ended:?}");
    assert_eq!(ended.said("released"), [""], "{ended:?}");
}

fn a_wait_has_an_end(client: Client, kind: Kind) {
    let server = Server::start_tcp(kind);
    let other = take(&server, "other");
    let start = Instant::now();
    let ended = client.start("lock", &server.url()).end();
    assert!(ended.ok, "{ended:?}");
    assert!(start.elapsed() >= Duration::from_secs(3), "it did not wait");
    assert!((1..=57_000).contains(&ended.retry_ms("somebody else holds it, retry in ")), "{ended:?}");
    assert_eq!((fence(&server), waiters(&server)), (Some(other), 0));
}

fn a_lost_lock_stops_the_work_and_is_left_to_its_new_holder(client: Client, kind: Kind) {
    let server = Server::start_tcp(kind);
    let mut program = client.start("lock", &server.url());
    program.until("step 2");
    assert_eq!(server.ask(&format!("DEL {KEY}")).int(), 1);
    let next = take(&server, "next");
    let ended = program.end();
    assert!(!ended.ok, "{ended:?}");
    let told = !ended.said("the lock is lost").is_empty() || ended.complaints.contains("the lock is lost");
    assert!(told, "{ended:?}");
    assert!(ended.said("step ").len() < 6, "it went on: {ended:?}");
    assert!(ended.said("released").is_empty(), "{ended:?}");
    assert_eq!(fence(&server), Some(next));
}

/// As when the server's machine has gone: nothing is closed, and nothing comes any more.
fn a_silent_connection_ends_the_wait(client: Client, kind: Kind) {
    let server = Server::start_tcp(kind);
    let other = take(&server, "other");
    let network = Proxy::to(server.port());
    let program = client.start("lock", &network.url());
    until("it waits", || waiters(&server) == 1);
    network.silence();
    // Well or badly, but it ends, and has done nothing. What it had asked for ends in the server by itself.
    let ended = program.end();
    assert!(ended.said("step ").is_empty() && ended.said("released").is_empty(), "{ended:?}");
    assert_eq!(fence(&server), Some(other));
}
