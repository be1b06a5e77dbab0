//! What holds when nobody calls: the server is well, nobody waits, and what it has stored is what its file, its
//! replica and it itself after a reload have.

use sluice_testing::{Reply, Server, args, until};

use crate::operators;
use crate::picture::Picture;
use crate::setting::{Servers, Setting};
use crate::tally::Tally;

/// Signs of a server that has come to harm, in its log.
const SIGNS: &[&str] =
    &["BUG REPORT", "STACK TRACE", "panicked", "ASSERTION", "internal error", "Guru Meditation", "Sanitizer"];

/// Sets everything as it should be, and waits until nobody waits.
pub(crate) fn calm(servers: &Servers) {
    for server in servers.all() {
        let mut client = server.connect();
        for words in operators::calm() {
            client.call(&words); // what one of the servers does not know, it says
        }
        // Calls that another module lets wait have no client; they end by their time.
        until("nobody waits for a lock", || client.info("sluice", "sluice_lock_waiting") == "0");
        until("nobody is blocked", || client.info("clients", "blocked_clients") == "0");
        client.assert_in_step();
        let log = server.log();
        for sign in SIGNS {
            assert!(!log.contains(sign), "the log says {sign}");
        }
    }
}

/// Everybody who holds a lock. Every lock can be shown, whoever put it there.
pub(crate) fn holders(server: &Server, databases: usize) -> Vec<Vec<u8>> {
    let mut client = server.connect();
    let mut owners = Vec::new();
    for database in 0..databases {
        if databases > 1 {
            client.ask(&format!("SELECT {database}")).assert_ok();
        }
        for key in client.ask("KEYS *").array() {
            if client.call(&args!["TYPE", key.bytes()]) != Reply::Simple("sluice-lk".to_owned()) {
                continue;
            }
            let info = client.call(&args!["LOCK.INFO", key.bytes()]);
            assert!(!matches!(info, Reply::Error(_)), "{key:?}: {info:?}");
            if info.is_null() {
                continue; // its leases have ended meanwhile
            }
            let (_, holders) = info.pairs().swap_remove(0);
            owners.extend(holders.array().iter().map(|holder| holder.pairs()[0].1.bytes().to_vec()));
        }
    }
    owners
}

/// Compares what the server has with what it should have all the same.
pub(crate) fn compare(servers: &mut Servers, setting: Setting, tally: &mut Tally) {
    let databases = setting.databases();
    let mut client = servers.called.connect();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0");
    let before = Picture::of(&mut client, databases);
    match setting {
        Setting::Plain | Setting::Cluster | Setting::Threads => {
            client.ask("DEBUG RELOAD").assert_ok();
            tally.keys += before.same_as(&servers.called, databases, "after a reload");
        }
        Setting::Aof if tally.compared % 4 == 3 => {
            servers.called.restart();
            tally.keys += before.same_as(&servers.called, databases, "after a restart");
        }
        Setting::Aof => {
            client.ask("DEBUG LOADAOF").assert_ok();
            tally.keys += before.same_as(&servers.called, databases, "after its file was loaded");
        }
        Setting::Primary => {
            let replica = servers.other.as_ref().expect("a replica");
            until("the replica is connected", || {
                replica.connect().info("replication", "master_link_status") == "up"
            });
            replica.wait_for(&servers.called);
            let table = |server: &Server| server.ask("CONFIG GET sluice.policies");
            until("the replica has the policies", || table(replica) == table(&servers.called));
            tally.keys += before.same_as(replica, databases, "on the replica");
        }
        // It may have been written to by itself.
        Setting::Replica => {}
    }
    tally.compared += 1;
    servers.called.connect().ask("DEBUG SET-ACTIVE-EXPIRE 1");
}

impl Picture {
    fn same_as(&self, server: &Server, databases: usize, what: &str) -> u64 {
        let mut client = server.connect();
        let other = Self::of(&mut client, databases);
        let seconds: i64 = client.ask("TIME").array()[0].text().parse().expect("a number");
        self.assert_same(&other, what, (seconds + 1) * 1000)
    }
}
