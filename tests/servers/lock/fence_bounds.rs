//! Whatever fence a client brings in, every fence that is granted after it can be loaded again, wherever it goes.

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::lock::payload::Payload;
use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    a_grant_above_the_highest_fence_is_in_every_file,
    a_replica_takes_a_grant_above_the_highest_fence,
    a_grant_above_the_highest_fence_is_restored_here_and_elsewhere,
    a_server_that_has_given_its_last_fence_says_so,
];

/// The highest fence that is believed of a client at noon: 2^50 µs ahead of the clock.
const TOP: i64 = F + (1 << 50) - 1;

/// A lock of A's with this fence, as DUMP would give it.
fn forged(client: &mut Client, fence: i64) -> Vec<u8> {
    client.ask("LOCK.TRY forged A PX 60000");
    let payload = Payload::parse(client.ask("DUMP forged").bytes());
    client.ask("DEL forged");
    payload.lock(1, &[(b"A", fence as u64, NOON_MS as u64 + 60_000, NOON_MS as u64)])
}

/// Brings the highest fence in, and grants `k` above it.
fn at_the_top(client: &mut Client) {
    let payload = forged(client, TOP);
    client.call(&args!["RESTORE", "top", 0, payload]).assert_ok();
    assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints(), [1, TOP + 1, 60_000]);
}

#[track_caller]
fn assert_held(server: &Server) {
    let mut client = server.connect();
    assert_eq!(shown(&mut client, "k"), format!("A F+{} ttl 60000 held 0; 0 wait", TOP + 1 - F));
    let next = client.ask("LOCK.TRY next A PX 60000").ints()[1];
    assert!(next > TOP + 1, "{next}");
    client.ask("DEL next");
}

fn a_grant_above_the_highest_fence_is_in_every_file(kind: Kind) {
    for setup in [Server::setup(kind), Server::setup(kind).aof()] {
        let mut server = setup.clock_ms(NOON_MS).start();
        at_the_top(&mut server.connect());
        server.ask("DEBUG RELOAD").assert_ok();
        assert_held(&server);
        server.shutdown("SAVE");
        server.start_again();
        assert_held(&server);
        if !server.ask("CONFIG GET appendonly").pairs()[0].1.text().starts_with('y') {
            continue;
        }
        for preamble in ["yes", "no"] {
            server.ask(&format!("CONFIG SET aof-use-rdb-preamble {preamble}")).assert_ok();
            server.ask("BGREWRITEAOF");
            let mut client = server.connect();
            until("the file is rewritten", || {
                client.info("persistence", "aof_rewrite_in_progress") == "0"
                    && client.info("persistence", "aof_rewrite_scheduled") == "0"
            });
            assert_eq!(client.info("persistence", "aof_last_bgrewrite_status"), "ok");
            server.kill9();
            server.start_again();
            assert_held(&server);
        }
    }
}

fn a_replica_takes_a_grant_above_the_highest_fence(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    at_the_top(&mut primary.connect());
    // One that comes later takes it from a snapshot, and what follows from the stream.
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    replica.wait_for(&primary);
    let mut client = primary.connect();
    assert_eq!(client.ask("LOCK.TRY l A PX 60000").ints(), [1, TOP + 2, 60_000]);
    replica.wait_for(&primary);
    let mut client = replica.connect();
    assert_eq!(shown(&mut client, "k"), format!("A F+{} ttl 60000 held 0; 0 wait", TOP + 1 - F));
    assert_eq!(shown(&mut client, "l"), format!("A F+{} ttl 60000 held 0; 0 wait", TOP + 2 - F));
    client.ask("REPLICAOF NO ONE").assert_ok();
    assert_held(&replica);
}

fn a_grant_above_the_highest_fence_is_restored_here_and_elsewhere(kind: Kind) {
    let here = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = here.connect();
    at_the_top(&mut client);
    let dump = client.ask("DUMP k");
    client.ask("FLUSHALL").assert_ok();
    client.call(&args!["RESTORE", "k", 0, dump.bytes()]).assert_ok();
    assert_held(&here);
    // As the bound is a time ahead of the clock, it has moved on by the time that anybody else is given it.
    let there = Server::setup(kind).clock_ms(NOON_MS + 1).start();
    let mut other = there.connect();
    other.call(&args!["RESTORE", "k", 0, dump.bytes()]).assert_ok();
    assert_eq!(other.ask("LOCK.TRY l A PX 60000").ints()[1], TOP + 2);
    // And nobody is taken further.
    let too_far = forged(&mut other, TOP + 1002);
    assert!(other.call(&args!["RESTORE", "far", 0, too_far]).error().starts_with("ERR Bad data format"));
    assert_eq!(other.ask("LOCK.TRY m A PX 60000").ints()[1], TOP + 4);
}

/// A file says what no client may: that all fences but one have been given.
fn a_server_that_has_given_its_last_fence_says_so(kind: Kind) {
    let last = (1_i64 << 53) - 1;
    let load = format!("LOCK.LOAD k 1 A {} {} {NOON_MS}", last - 1, NOON_MS + 60_000);
    let words: Vec<_> = load.split(' ').map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    let aof = format!("*{}\r\n{}", words.len(), words.concat());
    let manifest = "file appendonly.aof.1.incr.aof seq 1 type i\n";
    let server = Server::setup(kind)
        .aof()
        .file("appendonlydir/appendonly.aof.1.incr.aof", aof.as_bytes())
        .file("appendonlydir/appendonly.aof.manifest", manifest.as_bytes())
        .clock_ms(NOON_MS)
        .start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY l A PX 60000").ints(), [1, last, 60_000]);
    for call in ["LOCK.TRY m A PX 60000", "LOCK.ACQUIRE m A PX 60000 BLOCK 0"] {
        let error = client.ask(call);
        assert_eq!(error.error(), "ERR no fence is left on this server, as it was given one near the last");
    }
    // What is held stays held, and is in the next file too.
    assert_eq!(client.ask("LOCK.EXTEND l A PX 50000").ints(), [1, last, 50_000]);
    client.ask("DEBUG RELOAD").assert_ok();
    assert_eq!(client.ask("LOCK.EXTEND l A PX 40000").ints(), [1, last, 40_000]);
    assert_eq!(client.ask("LOCK.RELEASE l A").int(), 1);
    client.assert_in_step();
}
