//! What locks take of the memory, and that a lock that is gone leaves nothing of it behind.

use std::ops::RangeInclusive;

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::lock::payload::Payload;

on_every_server![
    a_million_names_leave_nothing_behind,
    calls_that_leave_no_lock_leave_no_memory_either,
    a_lock_tells_what_it_takes,
    a_lock_takes_what_it_tells,
    a_large_semaphore_is_freed_in_the_background,
    flushing_large_semaphores_gives_their_memory_back,
    locks_survive_being_moved_in_memory,
];

/// A server that keeps no memory of slow commands, of which there are many when the machine is busy with other things.
fn quiet(kind: Kind) -> Server {
    Server::setup(kind).config("slowlog-log-slower-than -1").start()
}

/// What the clients' own buffers and the table of keys may differ by.
const SLACK: u64 = 1 << 17;

fn a_million_names_leave_nothing_behind(kind: Kind) {
    let server = quiet(kind);
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

fn calls_that_leave_no_lock_leave_no_memory_either(kind: Kind) {
    let server = quiet(kind);
    let mut client = server.connect();
    client.ask("SET s 1").assert_ok();
    client.ask("LOCK.TRY k A PX 3600000 HOLDERS 3");
    client.ask("LOCK.TRY k B PX 3600000 HOLDERS 3");
    let dump = client.ask("DUMP k").bytes().to_vec();
    let cut = Payload::parse(&dump).sealed(&dump[..dump.len() - 30]);
    let round = |client: &mut Client| {
        for line in [
            "LOCK.TRY k C PX 3600000 HOLDERS 2",
            "LOCK.TRY k C PX 3600000 HOLDERS 3",
            "LOCK.EXTEND k C PX 3600000",
            "LOCK.RELEASE k C",
            "LOCK.EXTEND k C PX 3600000",
            "LOCK.RELEASE k C",
            "LOCK.ACQUIRE k A PX 3600000 BLOCK 0",
            "LOCK.INFO k",
            "LOCK.INFO none",
            "LOCK.TRY s C PX 3600000",
            "LOCK.TRY k C PX 0",
            "LOCK.TRY k C PX 1 HOLDERS 2 HOLDERS 2",
            "LOCK.LOAD k 1 C 1 1 1",
            "DUMP k",
        ] {
            let line = [line; 100];
            client.pipeline(&line);
        }
        for _ in 0..100 {
            client.call(&args!["RESTORE", "copy", 0, cut]).error();
            client.call(&args!["RESTORE", "copy", 0, dump, "REPLACE"]).assert_ok();
        }
    };
    (0..3).for_each(|_| round(&mut client));
    let before = used_memory(&mut client);
    (0..30).for_each(|_| round(&mut client));
    let after = used_memory(&mut client);
    assert!(after < before + SLACK, "{before} bytes before, {after} after");
}

/// Measured by the memory of the server: of a great many locks compared with as many strings, and of a large one.
fn a_lock_takes_what_it_tells(kind: Kind) {
    let server = quiet(kind);
    let mut client = server.connect();
    // The table of keys grows once, before anything is measured.
    fill(&mut client, "SET lock:* oooooooooooooooooooo PX 3600000");
    let usage = |client: &mut Client, key: &str| client.ask(&format!("MEMORY USAGE {key}")).int();
    let taken = |client: &mut Client| i64::try_from(used_memory(client)).unwrap();
    let (strings, told_by_string) = (taken(&mut client), usage(&mut client, "lock:1"));
    fill(&mut client, "DEL lock:*");
    fill(&mut client, "LOCK.TRY lock:* oooooooooooooooooooo PX 3600000");
    let more = (taken(&mut client) - strings) / i64::from(KEYS);
    let told_more = usage(&mut client, "lock:1") - told_by_string;
    // What the server itself keeps for a value of a module, it does not tell.
    assert!((more - told_more).abs() <= 80, "takes {more} bytes more than a string, tells {told_more}");

    client.ask("FLUSHALL SYNC").assert_ok();
    let calls: Vec<_> =
        (0..1024).map(|n| format!("LOCK.TRY large {n:020} PX 3600000 HOLDERS 1024")).collect();
    // One by one: the buffers of a pipeline grow with what the server has not sent yet, on a busy machine by much.
    let before = taken(&mut client);
    calls.iter().for_each(|call| assert_eq!(client.ask(call).ints()[0], 1));
    let (more, told) = (taken(&mut client) - before, usage(&mut client, "large"));
    assert!(more < told * 13 / 10, "takes {more} bytes, tells {told}");
}

const KEYS: u32 = 16_384;

/// The same call for each key.
fn fill(client: &mut Client, call: &str) {
    let calls: Vec<_> = (0..KEYS).map(|n| call.replace('*', &n.to_string())).collect();
    for some in calls.chunks(1024) {
        client.pipeline(some);
    }
}

fn a_lock_tells_what_it_takes(kind: Kind) {
    let server = quiet(kind);
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
    // A name as long as a UUID takes no more, one that is longer a block of its own.
    assert_eq!(usage(&[vec![b'o'; 36]]), one);
    assert_eq!(usage(&[vec![b'o'; 512]]) - one, 512);
    // Each holder of a large semaphore takes 20 bytes for its name, and the rest for its lease and its places in two
    // indexes.
    let holders: Vec<_> = (0..1000).map(|n| format!("{n:020}").into_bytes()).collect();
    in_range(usage(&holders), 1000 * 100..=1000 * 240);
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
    let server = quiet(kind);
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
    let server = quiet(kind);
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
    let server = quiet(kind);
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
