//! Clients that wait for a lock, and how a test knows that they do.

use std::time::Duration;

use sluice_testing::{Client, Reply, Server, until};

/// How late a grant may come on a machine that is busy with other things. Far below the second after which the
/// module looks at every lock in any case, so a test that stays below it has not been saved by that.
pub(crate) const PROMPT: Duration = Duration::from_millis(800);

/// A new connection on which this `LOCK.ACQUIRE` waits, behind all that wait already.
#[track_caller]
pub(crate) fn wait(server: &Server, acquire: &str) -> Client {
    let mut client = server.connect();
    wait_on(&mut client, server, acquire);
    client
}

/// The same on a connection that is there: its database is the watcher's as well.
#[track_caller]
pub(crate) fn wait_on(client: &mut Client, server: &Server, acquire: &str) {
    let key = acquire.split(' ').nth(1).unwrap();
    let db = client
        .ask("CLIENT INFO")
        .text()
        .split(' ')
        .find_map(|field| field.strip_prefix("db="))
        .map(String::from);
    let mut watcher = server.connect();
    watcher.call(&["SELECT", &db.unwrap()]).assert_ok();
    let before = waiters(&mut watcher, key);
    client.send(&acquire.split(' ').collect::<Vec<_>>());
    until(acquire, || waiters(&mut watcher, key) == before + 1);
}

/// How many wait for the lock, by LOCK.INFO.
#[track_caller]
pub(crate) fn waiters(client: &mut Client, key: &str) -> i64 {
    let info = client.call(&["LOCK.INFO", key]);
    if info.is_null() { 0 } else { info.pairs()[1].1.int() }
}

/// Runs a command on `k` and says when the key expires by it, before that can have come.
#[track_caller]
pub(crate) fn due_ms(client: &mut Client, line: &str) -> i64 {
    client.pipeline(&[line, "PEXPIRETIME k"])[1].int()
}

/// How many wait in the whole server.
pub(crate) fn waiting(client: &mut Client) -> i64 {
    client.info("sluice", "sluice_lock_waiting").parse().unwrap()
}

/// The fence of a reply that says that the lock is held: when the server granted it, in unix µs.
#[track_caller]
pub(crate) fn granted(client: &mut Client) -> i64 {
    let reply = client.read();
    let [1, fence, _] = reply.ints()[..] else { panic!("not granted: {reply:?}") };
    fence
}

/// Fails unless the grant came at this time or promptly after it, and not a microsecond before.
#[track_caller]
pub(crate) fn assert_prompt(fence: i64, due_ms: i64) {
    let late_us = fence - due_ms * 1000;
    assert!(late_us >= 0, "{} µs too early", -late_us);
    assert!(late_us < i64::try_from(PROMPT.as_micros()).unwrap(), "{late_us} µs late");
}

/// The owners of the live leases, by LOCK.INFO.
#[track_caller]
pub(crate) fn holders(client: &mut Client, key: &str) -> Vec<String> {
    let info = client.call(&["LOCK.INFO", key]);
    if info.is_null() {
        return Vec::new();
    }
    let owner = |holder: &Reply| holder.pairs()[0].1.text().to_owned();
    info.pairs()[0].1.array().iter().map(owner).collect()
}

/// A line as a command on the wire.
pub(crate) fn command(line: &str) -> String {
    let words: Vec<_> = line.split(' ').collect();
    words
        .iter()
        .fold(format!("*{}\r\n", words.len()), |bytes, word| format!("{bytes}${}\r\n{word}\r\n", word.len()))
}
