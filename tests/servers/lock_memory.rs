//! Locks and memory: full memory takes no lock from anybody, and a lock that is gone leaves nothing behind.

use std::ops::RangeInclusive;

use crate::harness::{Client, Kind, Server, until};
use crate::lock_payload::Payload;
use crate::lock_shown::{F, NOON_MS, shown};

on_every_server![
    full_memory_refuses_those_who_want_a_lock,
    full_memory_leaves_those_who_hold_one_alone,
    a_transaction_and_a_script_are_told_the_same,
    a_wait_that_began_in_time_is_granted,
    a_million_names_leave_nothing_behind,
    a_lock_tells_what_it_takes,
    a_large_semaphore_is_freed_in_the_background,
    flushing_large_semaphores_gives_their_memory_back,
    locks_survive_being_moved_in_memory,
];

const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// A server whose memory is full, with `k` held by A, and `s` with room for one more than A.
fn full(kind: Kind) -> (Server, Client) {
    let server = Server::setup(kind).clock_ms(NOON_MS).config("maxmemory-policy noeviction").start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.TRY s A PX 60000 HOLDERS 2");
    client.ask("CONFIG SET maxmemory 1000").assert_ok();
    assert_eq!(client.ask("SET other 1").error(), OOM);
    (server, client)
}

fn full_memory_refuses_those_who_want_a_lock(kind: Kind) {
    let (_server, mut client) = full(kind);
    for line in [
        "LOCK.TRY new B PX 1000",
        "LOCK.TRY k B PX 1000",
        "LOCK.TRY k A PX 1000",
        "LOCK.TRY s B PX 1000 HOLDERS 2",
        "LOCK.ACQUIRE new B PX 1000 BLOCK 0",
        "LOCK.ACQUIRE k B PX 1000 BLOCK 0",
        "LOCK.ACQUIRE s B PX 1000 HOLDERS 2 BLOCK 60000",
    ] {
        assert_eq!(client.ask(line).error(), OOM, "{line}");
    }
    client.assert_in_step();
    assert_eq!(client.ask("DBSIZE").int(), 2);
    assert_eq!(client.info("clients", "blocked_clients"), "0");
    client.ask("CONFIG SET maxmemory 0").assert_ok();
    assert_eq!(client.ask("LOCK.TRY new B PX 1000").ints(), [1, F + 2, 1000]);
}

fn full_memory_leaves_those_who_hold_one_alone(kind: Kind) {
    let (server, mut client) = full(kind);
    server.set_clock_ms(NOON_MS + 1000);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 59000 held 1000; 0 wait");
    assert_eq!(client.ask("LOCK.EXTEND k A PX 90000").ints(), [1, F, 90_000]);
    assert_eq!(client.ask("LOCK.EXTEND k B PX 90000").ints(), [0, F, 90_000]);
    assert_eq!(client.ask("LOCK.EXTEND s A PX 90000").ints(), [1, F + 1, 90_000]);
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 0);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(client.ask("LOCK.RELEASE s A").int(), 1);
    assert_eq!(client.ask("DBSIZE").int(), 0);
}

fn a_transaction_and_a_script_are_told_the_same(kind: Kind) {
    let (_server, mut client) = full(kind);
    // Redis 7.0 queues nothing when memory is full, not a GET either: it fills up behind the queue.
    client.ask("CONFIG SET maxmemory 0").assert_ok();
    client.pipeline(&["MULTI", "LOCK.EXTEND k A PX 90000", "LOCK.RELEASE k A", "CONFIG SET maxmemory 1000"]);
    let replies = client.ask("EXEC");
    assert_eq!(replies.array()[0].ints(), [1, F, 90_000]);
    assert_eq!(replies.array()[1].int(), 1);
    let script = "return redis.call(unpack(ARGV))";
    for (words, oom) in [
        (&["LOCK.TRY", "new", "A", "PX", "1000"][..], true),
        (&["LOCK.ACQUIRE", "new", "A", "PX", "1000", "BLOCK", "0"], true),
        (&["LOCK.INFO", "s"], false),
        (&["LOCK.EXTEND", "s", "A", "PX", "1000"], false),
        (&["LOCK.RELEASE", "s", "A"], false),
    ] {
        let reply = client.call(&[&["EVAL", script, "0"], words].concat());
        let refused = format!("{reply:?}").starts_with("-OOM ");
        assert_eq!(refused, oom, "{words:?}: {reply:?}");
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);
}

fn a_wait_that_began_in_time_is_granted(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).config("maxmemory-policy noeviction").start();
    let (mut client, mut waiter) = (server.connect(), server.connect());
    client.ask("LOCK.TRY k A PX 60000");
    waiter.send(&args!["LOCK.ACQUIRE", "k", "B", "PX", 1000, "BLOCK", 0]);
    until("it waits", || shown(&mut client, "k").ends_with("1 wait"));
    client.ask("CONFIG SET maxmemory 1000").assert_ok();
    assert_eq!(client.ask("LOCK.TRY other A PX 1000").error(), OOM);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(waiter.read().ints(), [1, F + 1, 1000]);
    assert_eq!(shown(&mut client, "k"), "B F+1 ttl 1000 held 0; 0 wait");
}

fn a_million_names_leave_nothing_behind(kind: Kind) {
    // What the clients' own buffers and the table of keys may differ by.
    const SLACK: u64 = 1 << 17;
    let server = Server::start(kind);
    let mut client = server.connect();
    let round = |client: &mut Client, round: u32| {
        let names = || (0..1000).map(|n| format!("name:{round}:{n}"));
        let takes: Vec<_> = names().map(|name| format!("LOCK.TRY {name} me PX 60000")).collect();
        let releases: Vec<_> = names().map(|name| format!("LOCK.RELEASE {name} me")).collect();
        assert!(client.pipeline(&takes).iter().all(|reply| reply.ints()[0] == 1));
        assert!(client.pipeline(&releases).iter().all(|reply| reply.int() == 1));
    };
    (0..10).for_each(|n| round(&mut client, n));
    let before = used_memory(&mut client);
    (10..1010).for_each(|n| round(&mut client, n));
    let after = used_memory(&mut client);
    assert_eq!(client.ask("DBSIZE").int(), 0);
    assert!(after < before + SLACK, "{before} bytes before, {after} after");
    // The server's own list of keys that expire is empty too.
    assert!(!client.ask("INFO keyspace").text().contains("db0"));
}

fn a_lock_tells_what_it_takes(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let mut usage = |owners: &[Vec<u8>]| {
        for owner in owners {
            let words = args!["LOCK.TRY", "k", owner, "PX", 60_000, "HOLDERS", 1024];
            assert_eq!(client.call(&words).ints()[0], 1);
        }
        let bytes = client.ask("MEMORY USAGE k").int();
        client.ask("DEL k");
        bytes
    };
    let in_range = |bytes: i64, range: RangeInclusive<i64>| assert!(range.contains(&bytes), "{bytes} bytes");
    let one = usage(&[vec![b'o'; 20]]);
    in_range(one, 80..=200);
    // What is longer takes as much more.
    assert_eq!(usage(&[vec![b'o'; 512]]) - one, 492);
    // Each holder of a semaphore takes 20 bytes for its name and at most 60 for the rest.
    let holders: Vec<_> = (0..1000).map(|n| format!("{n:020}").into_bytes()).collect();
    in_range(usage(&holders), 1000 * 40..=1000 * 80);
}

/// The payload of a semaphore with 1024 holders, for as many keys as a test wants.
fn large(client: &mut Client) -> Vec<u8> {
    client.ask("LOCK.TRY small A PX 60000");
    let small = Payload::parse(client.ask("DUMP small").bytes());
    client.ask("DEL small");
    let names: Vec<_> = (0..1024).map(|n| format!("{n:020}").into_bytes()).collect();
    let far = 32_503_680_000_000;
    let holders: Vec<_> = names.iter().map(|name| (&name[..], 1, far, 1)).collect();
    small.lock(1024, &holders)
}

fn a_large_semaphore_is_freed_in_the_background(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let large = large(&mut client);
    let freed = |client: &mut Client| client.info("memory", "lazyfreed_objects");
    client.call(&args!["RESTORE", "large", 0, large]).assert_ok();
    client.ask("LOCK.TRY small A PX 60000");
    client.ask("UNLINK small");
    assert_eq!(freed(&mut client), "0");
    client.ask("UNLINK large");
    until("it is freed", || client.info("memory", "lazyfree_pending_objects") == "0");
    assert_eq!(freed(&mut client), "1");
}

fn flushing_large_semaphores_gives_their_memory_back(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let large = large(&mut client);
    let before = used_memory(&mut client);
    for flush in ["FLUSHALL SYNC", "FLUSHALL ASYNC", "FLUSHDB ASYNC"] {
        for n in 0..100 {
            client.call(&args!["RESTORE", n, 0, large]).assert_ok();
        }
        assert!(used_memory(&mut client) > before + 100 * 1024 * 40, "{flush}");
        client.ask(flush).assert_ok();
        // The flush goes on behind the reply.
        until("the memory is free", || used_memory(&mut client) < before + (1 << 20));
        assert_eq!(client.ask("LOCK.TRY 1 A PX 1000").ints()[0], 1);
        client.ask("DEL 1");
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);
}

fn locks_survive_being_moved_in_memory(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let able = client.ask("CONFIG SET activedefrag yes");
    if kind != Kind::Redis82 {
        // Built with another allocator.
        assert!(able.error().contains("Active defragmentation cannot be enabled"), "{able:?}");
        return;
    }
    able.assert_ok();
    client.ask("CONFIG SET activedefrag no").assert_ok();
    for line in ["ignore-bytes 1", "threshold-lower 1", "cycle-min 90", "cycle-max 95"] {
        client.ask(&format!("CONFIG SET active-defrag-{line}")).assert_ok();
    }
    let take = |n: u32, owner: u32| format!("LOCK.TRY k{n} owner:{n}:{owner:0200} PX 600000 HOLDERS 4");
    let calls: Vec<_> = (0..20_000).flat_map(|n| [take(n, 1), take(n, 2)]).collect();
    assert!(client.pipeline(&calls).iter().all(|reply| reply.ints()[0] == 1));
    // Holes everywhere.
    let holes: Vec<_> = (0..20_000).filter(|n| n % 5 > 0).map(|n| format!("DEL k{n}")).collect();
    client.pipeline(&holes);
    let before = picture(&mut client);
    client.ask("CONFIG SET activedefrag yes").assert_ok();
    until("much has been moved", || {
        client.info("stats", "active_defrag_key_hits").parse::<u32>().unwrap() > 2000
    });
    client.ask("CONFIG SET activedefrag no").assert_ok();
    assert_eq!(picture(&mut client), before);
    let releases: Vec<_> =
        (0..20_000).step_by(5).map(|n| format!("LOCK.RELEASE k{n} owner:{n}:{:0200}", 1)).collect();
    assert!(client.pipeline(&releases).iter().all(|reply| reply.int() == 1));
}

/// What the locks of the test above hold, but for the time that runs.
fn picture(client: &mut Client) -> Vec<String> {
    let calls: Vec<_> = (0..20_000).step_by(5).map(|n| format!("DUMP k{n}")).collect();
    client.pipeline(&calls).iter().map(|dump| format!("{dump:?}")).collect()
}

fn used_memory(client: &mut Client) -> u64 {
    client.info("memory", "used_memory").parse().unwrap()
}
