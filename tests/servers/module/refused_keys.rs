//! A server that lets nobody write a key now (those that save without forking will) does no harm: a command says so and
//! changes nothing, and who waits goes on waiting.

use std::thread;
use std::time::Duration;

use sluice_testing::{Client, Kind, Server, on_every_server};

use crate::lock::queue::{granted, wait, waiting};
use crate::lock::shown::shown;

on_every_server![every_command_says_so, who_waits_is_granted_when_it_is_over];

const TRY_AGAIN: &str = "TRYAGAIN the server does not let the key be written now";

fn with_refuser(kind: Kind) -> Server {
    let refuser = format!("loadmodule {}", sluice_testing::c::refuser().display());
    Server::setup(kind).config(&refuser).aof().start()
}

fn refuse(client: &mut Client, refuses: bool) {
    client.ask(&format!("REFUSER.REFUSE {}", i32::from(refuses))).assert_ok();
}

fn every_command_says_so(kind: Kind) {
    let server = with_refuser(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("RATELIMIT.ACQUIRE limit LIMIT 2 EX 60");
    let state = |client: &mut Client| (client.ask("DUMP k"), client.ask("GET limit"));
    let before = state(&mut client);
    let written = server.aof_bytes();
    refuse(&mut client, true);
    for key in ["", "new"] {
        for line in [
            "LOCK.TRY k* B PX 60000",
            "LOCK.ACQUIRE k* B PX 60000 BLOCK 0",
            "LOCK.EXTEND k* A PX 60000",
            "LOCK.RELEASE k* A",
            "RATELIMIT.ACQUIRE limit* LIMIT 2 EX 60",
            "RATELIMIT.ACQUIRE limit* LIMIT 2 EX 60 FORCE",
            "RATELIMIT.RETURN limit* LIMIT 2 EX 60",
            "RATELIMIT.HOLD limit* EX 5",
        ] {
            let line = line.replace('*', key);
            assert_eq!(client.ask(&line).error(), TRY_AGAIN, "{line}");
        }
    }
    // Who only looks is answered.
    assert!(shown(&mut client, "k").starts_with("A "));
    assert_eq!(client.ask("RATELIMIT.PEEK limit LIMIT 2 EX 60").ints()[0], 1);
    assert_eq!(state(&mut client), before);
    assert_eq!(server.aof_bytes(), written);
    client.assert_in_step();
    refuse(&mut client, false);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
}

fn who_waits_is_granted_when_it_is_over(kind: Kind) {
    let server = with_refuser(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 300");
    let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
    refuse(&mut client, true);
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!(waiting(&mut client), 1);
    refuse(&mut client, false);
    granted(&mut waiter);
}
