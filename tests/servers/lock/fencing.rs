//! Every grant has a larger fence than every grant before it, whatever ended the lock, and whatever the clock does.
//!
//! The clock of these tests stands still or goes back: a fence that came from nothing but the clock would come twice.

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server};

use crate::lock::shown::F;
use crate::shared::NOON_MS;

on_every_server![
    rounds_of_one_lock_have_growing_fences,
    fences_grow_over_all_names_and_databases,
    a_fence_is_the_clock_in_microseconds_or_the_next_number,
    grants_in_a_transaction_and_a_script_have_fences_of_their_own,
    whatever_ends_a_lock_leaves_the_fences,
    an_evicted_lock_leaves_the_fences,
    a_clock_that_goes_back_takes_no_fence_back,
    a_load_of_older_fences_takes_none_back,
    a_fence_from_elsewhere_is_not_given_again,
    refusals_take_no_fence,
];

const HOUR_MS: i64 = 3_600_000;

/// The largest fence so far.
struct Fences(i64);

impl Fences {
    /// Makes a call that must be granted, with a new fence.
    #[track_caller]
    fn grant(&mut self, client: &mut Client, call: &str) -> i64 {
        self.check(&client.ask(call))
    }

    #[track_caller]
    fn check(&mut self, reply: &Reply) -> i64 {
        let [held, fence, _] = reply.ints()[..] else { panic!("{reply:?}") };
        assert_eq!(held, 1, "{reply:?}");
        assert!(fence > self.0, "{fence} is not above {}", self.0);
        assert!(fence < 1 << 53, "{fence} is no longer exact in every client");
        self.0 = fence;
        fence
    }
}

fn noon(kind: Kind) -> (Server, Client) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let client = server.connect();
    (server, client)
}

fn rounds_of_one_lock_have_growing_fences(kind: Kind) {
    let (_server, mut client) = noon(kind);
    let mut fences = Fences(0);
    for _ in 0..5 {
        fences.grant(&mut client, "LOCK.TRY k A PX 1000");
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
        fences.grant(&mut client, "LOCK.ACQUIRE k B PX 1000 BLOCK 0");
        assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    }
    assert_eq!(fences.0, F + 9);
}

fn fences_grow_over_all_names_and_databases(kind: Kind) {
    let (_server, mut client) = noon(kind);
    let mut fences = Fences(0);
    for round in 0..3 {
        for db in 0..3 {
            client.ask(&format!("SELECT {db}")).assert_ok();
            for key in ["k1", "k2"] {
                fences.grant(&mut client, &format!("LOCK.TRY {key} {round} PX 1000 HOLDERS 9"));
            }
        }
    }
    assert_eq!(fences.0, F + 17);
}

fn a_fence_is_the_clock_in_microseconds_or_the_next_number(kind: Kind) {
    let (server, mut client) = noon(kind);
    for (us, fence) in [(0, F), (0, F + 1), (1, F + 2), (2, F + 3), (4, F + 4), (5, F + 5), (99, F + 99)] {
        server.set_clock_us(NOON_MS * 1000 + us);
        let call = format!("LOCK.TRY k {fence} PX 1000 HOLDERS 9");
        assert_eq!(client.ask(&call).ints(), [1, fence, 1000], "{us} us after noon");
    }
}

fn grants_in_a_transaction_and_a_script_have_fences_of_their_own(kind: Kind) {
    let (_server, mut client) = noon(kind);
    let mut fences = Fences(0);
    client.ask("MULTI").assert_ok();
    for n in 0..50 {
        client.ask(&format!("LOCK.TRY k{n} A PX 1000"));
        client.ask(&format!("LOCK.TRY s {n} PX 1000 HOLDERS 99"));
    }
    for reply in client.ask("EXEC").array() {
        fences.check(reply);
    }
    let script = "local replies = {} \
        for n = 1, 50 do \
            replies[2 * n - 1] = redis.call('LOCK.TRY', KEYS[1], 'A', 'PX', '1000') \
            replies[2 * n] = redis.call('LOCK.RELEASE', KEYS[1], 'A') \
        end \
        return replies";
    let replies = client.call(&["EVAL", script, "1", "lua"]);
    for round in replies.array().chunks(2) {
        fences.check(&round[0]);
    }
    assert_eq!(fences.0, F + 149);
}

fn whatever_ends_a_lock_leaves_the_fences(kind: Kind) {
    let (_server, mut client) = noon(kind);
    let mut fences = Fences(0);
    fences.grant(&mut client, "LOCK.TRY other A PX 60000");
    let dump = client.ask("DUMP other");
    for ends in [
        "LOCK.RELEASE k A",
        "DEL k",
        "UNLINK k",
        "FLUSHDB",
        "FLUSHALL",
        "FLUSHALL ASYNC",
        "RENAME k away",
        "MOVE k 1",
        "SWAPDB 0 2",
        "PEXPIRE k 0",
        "PEXPIREAT k 1",
        "SET k ABCD",
        "RESTORE",
        "SCRIPT FLUSH",
        "CONFIG RESETSTAT",
        "DEBUG RELOAD",
    ] {
        fences.grant(&mut client, "LOCK.TRY k A PX 60000");
        let reply = match ends {
            "RESTORE" => client.call(&args!["RESTORE", "k", 0, dump.bytes(), "REPLACE"]),
            line => client.ask(line),
        };
        assert!(!matches!(reply, Reply::Error(_) | Reply::Int(0)), "{ends}: {reply:?}");
        client.ask("DEL k");
    }
    assert_eq!(fences.grant(&mut client, "LOCK.TRY k A PX 60000"), F + 17);
}

fn an_evicted_lock_leaves_the_fences(kind: Kind) {
    let (_server, mut client) = noon(kind);
    let mut fences = Fences(0);
    client.ask("CONFIG SET maxmemory-policy allkeys-random").assert_ok();
    for _ in 0..5 {
        fences.grant(&mut client, "LOCK.TRY k A PX 60000");
        client.ask("CONFIG SET maxmemory 1000").assert_ok();
        // Memory that is needed is looked for in the keys, of which there is one.
        client.ask("SET cache 1").error();
        assert_eq!(client.ask("EXISTS k").int(), 0);
        client.ask("CONFIG SET maxmemory 0").assert_ok();
    }
    assert_eq!(fences.0, F + 4);
}

fn a_clock_that_goes_back_takes_no_fence_back(kind: Kind) {
    let (server, mut client) = noon(kind);
    let mut fences = Fences(0);
    for ms in [0, -HOUR_MS, -HOUR_MS, -24 * HOUR_MS, -1, 0, -NOON_MS + 86_400_000] {
        server.set_clock_ms(NOON_MS + ms);
        for _ in 0..3 {
            fences.grant(&mut client, "LOCK.TRY k A PX 60000");
            assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
        }
    }
    assert_eq!(fences.0, F + 20);
    server.set_clock_ms(NOON_MS + 1);
    assert_eq!(fences.grant(&mut client, "LOCK.TRY k A PX 60000"), F + 1000);
}

fn a_load_of_older_fences_takes_none_back(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let mut fences = Fences(0);
    fences.grant(&mut client, "LOCK.TRY old A PX 60000");
    let dump = client.ask("DUMP old");
    for n in 0..5 {
        fences.grant(&mut client, &format!("LOCK.TRY k{n} A PX 60000"));
    }
    client.call(&args!["RESTORE", "copy", 0, dump.bytes()]).assert_ok();
    fences.grant(&mut client, "LOCK.TRY k A PX 60000");
    client.ask("DEBUG LOADAOF").assert_ok();
    fences.grant(&mut client, "LOCK.TRY l A PX 60000");
    client.ask("DEBUG RELOAD").assert_ok();
    assert_eq!(fences.grant(&mut client, "LOCK.TRY m A PX 60000"), F + 8);
}

fn a_fence_from_elsewhere_is_not_given_again(kind: Kind) {
    let (there, mut elsewhere) = noon(kind);
    there.set_clock_ms(NOON_MS + HOUR_MS);
    elsewhere.ask("LOCK.TRY k A PX 60000");
    let dump = elsewhere.ask("DUMP k");
    let (_here, mut client) = noon(kind);
    let mut fences = Fences(0);
    fences.grant(&mut client, "LOCK.TRY k1 A PX 60000");
    client.call(&args!["RESTORE", "k", 0, dump.bytes()]).assert_ok();
    assert_eq!(fences.grant(&mut client, "LOCK.TRY k2 A PX 60000"), F + HOUR_MS * 1000 + 1);
}

fn refusals_take_no_fence(kind: Kind) {
    let (_server, mut client) = noon(kind);
    let mut fences = Fences(0);
    fences.grant(&mut client, "LOCK.TRY k A PX 60000");
    client.ask("SET s 1").assert_ok();
    for line in [
        "LOCK.TRY k A PX 60000",
        "LOCK.TRY k B PX 60000",
        "LOCK.TRY k B PX 0",
        "LOCK.TRY s B PX 60000",
        "LOCK.EXTEND k B PX 60000",
        "LOCK.EXTEND k A PX 60000",
        "LOCK.RELEASE k B",
        "LOCK.ACQUIRE k A PX 60000 BLOCK 0",
        "LOCK.INFO k",
        "LOCK.LOAD l 1 A 1900000000000000 1800000100000 1800000000000",
    ] {
        client.ask(line);
        client.pipeline(&["MULTI", line, "EXEC"]);
    }
    assert_eq!(fences.grant(&mut client, "LOCK.TRY k2 A PX 60000"), F + 1);
}
