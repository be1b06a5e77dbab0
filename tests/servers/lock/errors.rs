//! What is not understood is answered by an error of a fixed text, and nothing else comes of it.

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server};

use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    every_mistake_has_its_text,
    a_mistake_leaves_a_lock_as_it_was,
    the_bounds_are_where_the_contract_puts_them,
    words_are_understood_in_any_case_and_order,
    what_the_caller_sent_is_never_echoed,
    an_error_in_a_transaction_stops_nothing_else,
    load_is_for_the_server_alone,
];

const SYNTAX: &str = "ERR syntax error";
/// Of the option at fault.
const NOT_AN_INTEGER: &str = "ERR {} is not an integer or out of range";
const ARITY: &str = "ERR wrong number of arguments for '{}' command";
const TIME: &str = "ERR invalid expire time in '{}' command";
const OWNER: &str = "ERR owner must be 1 to 512 bytes";
const HOLDERS: &str = "ERR HOLDERS must be from 1 to 1024";
const BLOCK: &str = "ERR BLOCK must be from 0 to 3155760000000 ms (100 years)";
const LOAD: &str = "ERR LOCK.LOAD is for replication and AOF only";

/// Wrong for the commands of which the first letters are given: Try, Acquire, eXtend, Release, Info. A `+` at the
/// end is `BLOCK 0` for ACQUIRE and nothing for the others.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("TAXRI", "", ARITY),
    ("TAXR", "k", ARITY),
    ("TAX", "k B", ARITY),
    ("TAX", "k B PX", ARITY),
    ("A", "k B PX 1000", ARITY),
    ("A", "k B PX 1000 BLOCK", ARITY),
    ("X", "k B PX 1000 HOLDERS", ARITY),
    ("X", "k B PX 1000 HOLDERS 1", ARITY),
    ("X", "k B PX 1000 PX 1000", ARITY),
    ("R", "k B PX", ARITY),
    ("R", "k B C", ARITY),
    ("I", "k B", ARITY),
    ("TAX", "k B 1000 PX +", SYNTAX),
    ("TAX", "k B TX 1000 +", SYNTAX),
    ("TAX", "k PX 1000 B +", SYNTAX),
    ("TAX", "k B PXAT 1800000001000 +", SYNTAX),
    ("TA", "k B PX 1000 PX 1000 +", SYNTAX),
    ("TA", "k B EX 1 EX 1 +", SYNTAX),
    ("TA", "k B PX 1000 EX 1 +", SYNTAX),
    ("TA", "k B EX 1 PX 1000 +", SYNTAX),
    ("TA", "k B PX 1000 NX +", SYNTAX),
    ("TA", "k B PX 1000 KEEPTTL +", SYNTAX),
    ("TA", "k B PX 1000 1 +", SYNTAX),
    ("TA", "k B C PX 1000 +", SYNTAX),
    ("TA", "k B HOLDERS 2 +", "ERR the lease needs PX or EX"),
    ("TA", "k B PX 1000 HOLDERS 2 HOLDERS 2 +", "ERR HOLDERS is said twice"),
    ("T", "k B PX 1000 HOLDERS", "ERR HOLDERS needs a number"),
    ("T", "k B PX 1000 PX", SYNTAX),
    ("T", "k B PX 1000 BLOCK 0", "ERR BLOCK is no option of '{}'"),
    ("T", "k B PX 1000 BLOCK 1000", "ERR BLOCK is no option of '{}'"),
    ("A", "k B PX 1000 HOLDERS 2", "ERR BLOCK is needed"),
    ("A", "k B PX 1000 HOLDERS 2 BLOCK", "ERR BLOCK needs a number"),
    ("A", "k B BLOCK 0 HOLDERS 2", "ERR the lease needs PX or EX"),
    ("A", "k B PX 1000 BLOCK 0 BLOCK 0", "ERR BLOCK is said twice"),
    ("TAX", "k B PX abc +", "ERR PX is not an integer or out of range"),
    ("TAX", "k B PX 1.5 +", "ERR PX is not an integer or out of range"),
    ("TAX", "k B PX 1e3 +", "ERR PX is not an integer or out of range"),
    ("TAX", "k B PX 0x10 +", "ERR PX is not an integer or out of range"),
    ("TAX", "k B PX +1 +", "ERR PX is not an integer or out of range"),
    ("TAX", "k B PX 01 +", "ERR PX is not an integer or out of range"),
    ("TAX", "k B PX -0 +", "ERR PX is not an integer or out of range"),
    ("TAX", "k B PX PX +", "ERR PX is not an integer or out of range"),
    ("TAX", "k B EX one +", "ERR EX is not an integer or out of range"),
    ("TAX", "k B PX 9223372036854775808 +", "ERR PX is not an integer or out of range"),
    ("TAX", "k B EX 18446744073709551616 +", "ERR EX is not an integer or out of range"),
    ("TAX", "k B PX -9223372036854775809 +", "ERR PX is not an integer or out of range"),
    ("TA", "k B PX 1000 HOLDERS many +", "ERR HOLDERS is not an integer or out of range"),
    ("TA", "k B PX 1000 HOLDERS 9223372036854775808 +", "ERR HOLDERS is not an integer or out of range"),
    ("A", "k B PX 1000 BLOCK soon", "ERR BLOCK is not an integer or out of range"),
    ("A", "k B PX 1000 BLOCK 0.5", "ERR BLOCK is not an integer or out of range"),
    ("A", "k B PX 1000 BLOCK 9223372036854775808", "ERR BLOCK is not an integer or out of range"),
    ("TAX", "k B PX 0 +", TIME),
    ("TAX", "k B PX -1 +", TIME),
    ("TAX", "k B EX 0 +", TIME),
    ("TAX", "k B EX -9223372036854775808 +", TIME),
    ("TAX", "k B PX 9223372036854775807 +", TIME),
    ("TAX", "k B EX 9223372036854775807 +", TIME),
    ("TAX", "k B EX 9223372036854776 +", TIME), // wraps around if it is multiplied unchecked
    ("TA", "k B PX 1000 HOLDERS 0 +", HOLDERS),
    ("TA", "k B PX 1000 HOLDERS -1 +", HOLDERS),
    ("TA", "k B PX 1000 HOLDERS 1025 +", HOLDERS),
    ("TA", "k B PX 1000 HOLDERS 4294967297 +", HOLDERS),
    ("TA", "k B PX 1000 HOLDERS 9223372036854775807 +", HOLDERS),
    ("A", "k B PX 1000 BLOCK -1", BLOCK),
    ("A", "k B PX 1000 BLOCK -9223372036854775808", BLOCK),
    ("A", "k B PX 1000 BLOCK 9223372036854775807", BLOCK),
];

const NAMES: [&str; 5] = ["lock.try", "lock.acquire", "lock.extend", "lock.release", "lock.info"];

/// All of the above as (words, error), and those with an owner that no line of text can hold.
fn mistakes() -> Vec<(Vec<Vec<u8>>, String)> {
    let mut all = Vec::new();
    for (letters, line, error) in MISTAKES {
        for (name, _) in NAMES.iter().zip("TAXRI".chars()).filter(|(_, letter)| letters.contains(*letter)) {
            let block = if *name == "lock.acquire" { "BLOCK 0" } else { "" };
            let line = line.strip_suffix('+').map_or((*line).to_owned(), |line| format!("{line}{block}"));
            let words = [name].into_iter().copied().chain(line.split_whitespace());
            all.push((words.map(|word| word.as_bytes().to_vec()).collect(), error.replace("{}", name)));
        }
    }
    for owner in [vec![], vec![b'o'; 513], vec![0; 1 << 20]] {
        for words in [
            args!["LOCK.TRY", "k", owner, "PX", 1000].to_vec(),
            args!["LOCK.ACQUIRE", "k", owner, "PX", 1000, "BLOCK", 0].to_vec(),
            args!["LOCK.EXTEND", "k", owner, "PX", 1000].to_vec(),
            args!["LOCK.RELEASE", "k", owner].to_vec(),
        ] {
            all.push((words, OWNER.to_owned()));
        }
    }
    all
}

#[track_caller]
fn assert_refused(client: &mut Client, words: &[Vec<u8>], error: &str) {
    let sent = || words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(client.call(words), Reply::Error(error.to_owned()), "{:.200}", sent());
}

fn every_mistake_has_its_text(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (words, error) in mistakes() {
        assert_refused(&mut client, &words, &error);
        assert_eq!(client.ask("DBSIZE").int(), 0, "{error}");
    }
    client.assert_in_step();
}

fn a_mistake_leaves_a_lock_as_it_was(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000").ints();
    let before = (client.ask("DUMP k"), client.ask("PEXPIRETIME k"));
    for (words, error) in mistakes() {
        assert_refused(&mut client, &words, &error);
    }
    assert_eq!((client.ask("DUMP k"), client.ask("PEXPIRETIME k")), before);
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 60000 held 0; 0 wait");
    client.assert_in_step();
}

fn the_bounds_are_where_the_contract_puts_them(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let century_ms = 3_155_760_000_000_i64; // 100 years of 365.25 days
    for (lease, error) in [
        (format!("PX {}", century_ms + 1), TIME),
        (format!("EX {}", century_ms / 1000 + 1), TIME),
        (format!("PX 1 HOLDERS {}", 1025), HOLDERS),
    ] {
        assert_eq!(client.ask(&format!("LOCK.TRY k A {lease}")).error(), error.replace("{}", "lock.try"));
        let line = format!("LOCK.ACQUIRE k A {lease} BLOCK 0");
        assert_eq!(client.ask(&line).error(), error.replace("{}", "lock.acquire"));
    }
    let too_long = format!("LOCK.ACQUIRE k A PX 1 BLOCK {}", century_ms + 1);
    assert_eq!(client.ask(&too_long).error(), BLOCK);
    assert_eq!(client.ask("DBSIZE").int(), 0);

    let longest = format!("LOCK.ACQUIRE k A PX {century_ms} HOLDERS 1024 BLOCK {century_ms}");
    assert_eq!(client.ask(&longest).ints(), [1, F, century_ms]);
    let seconds = format!("LOCK.EXTEND k A EX {}", century_ms / 1000);
    assert_eq!(client.ask(&seconds).ints(), [1, F, century_ms]);
    assert_eq!(client.call(&args!["LOCK.TRY", "k1", [b'o'; 512], "PX", 1]).ints(), [1, F + 1, 1]);
    client.assert_in_step();
}

fn words_are_understood_in_any_case_and_order(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (n, line) in (0..).zip([
        "lock.acquire k A px 1000 holders 2 block 5",
        "LOCK.ACQUIRE k A BLOCK 5 HOLDERS 2 PX 1000",
        "Lock.Acquire k A Holders 2 Ex 1 Block 5",
        "LOCK.ACQUIRE k A block 5 eX 1",
        "lock.try k A Holders 2 pX 1000",
    ]) {
        assert_eq!(client.ask(line).ints(), [1, F + n, 1000], "{line}");
        assert_eq!(client.ask("lock.Extend k A eX 1").ints(), [1, F + n, 1000]);
        assert_eq!(client.ask("Lock.release k A").int(), 1);
    }
}

fn what_the_caller_sent_is_never_echoed(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    // As one word in each place of a whole command, the key's and the owner's included.
    let whole = ["k", "A", "PX", "1000", "HOLDERS", "1", "BLOCK", "0"];
    for secret in [&b"s3cret"[..], b"%s%n%n%n", b"s3cret\r\n+OK\r\n", b"\xff\xc4\x80s3cret", b"s3cret\0%n"] {
        for (name, len) in [("lock.try", 6), ("lock.acquire", 8)] {
            for place in 0..=len {
                let mut words: Vec<&[u8]> = whole[..len].iter().map(|word| word.as_bytes()).collect();
                words.insert(place, secret);
                words.insert(0, name.as_bytes());
                // Behind the name of an option it is taken for its number.
                let error = match whole.get(place.wrapping_sub(1)) {
                    Some(option @ (&"PX" | &"HOLDERS" | &"BLOCK")) => NOT_AN_INTEGER.replace("{}", option),
                    _ => SYNTAX.to_owned(),
                };
                assert_eq!(client.call(&words), Reply::Error(error), "{place}");
            }
        }
        let words = [b"LOCK.EXTEND", &b"k"[..], b"A", b"PX", secret];
        assert_eq!(client.call(&words), Reply::Error(NOT_AN_INTEGER.replace("{}", "PX")));
        let words = [b"LOCK.EXTEND", &b"k"[..], secret, secret, b"1"];
        assert_eq!(client.call(&words), Reply::Error(SYNTAX.to_owned()));
        let words = [b"LOCK.RELEASE", &b"k"[..], secret, secret];
        assert_eq!(client.call(&words), Reply::Error(ARITY.replace("{}", "lock.release")));
        let words = [b"LOCK.LOAD", secret, b"1", secret, b"1", b"2", b"1"];
        assert_eq!(client.call(&words), Reply::Error(LOAD.to_owned()));
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);
    client.assert_in_step();
}

fn an_error_in_a_transaction_stops_nothing_else(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let replies = client.pipeline(&[
        "MULTI",
        "SET a 1",
        "LOCK.TRY k A PX 0",
        "LOCK.TRY a A PX 1000",
        "LOCK.ACQUIRE k A PX 1000 BLOCK -1",
        "LOCK.TRY k A PX 60000",
        "EXEC",
    ]);
    let exec = replies.last().unwrap().array();
    assert_eq!(exec[1], Reply::Error(TIME.replace("{}", "lock.try")));
    assert!(exec[2].error().starts_with("WRONGTYPE "));
    assert_eq!(exec[3], Reply::Error(BLOCK.to_owned()));
    assert_eq!(exec[4].ints()[0], 1);
    assert_eq!(client.ask("DBSIZE").int(), 2);
    client.assert_in_step();
}

fn load_is_for_the_server_alone(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let written = server.aof_bytes();
    let load = "LOCK.LOAD k 1 B 1900000000000000 1800000100000 1800000000000";
    server.connect().ask("ACL SETUSER admin on nopass ~* +@all").assert_ok();
    let mut admin = server.connect();
    admin.ask("AUTH admin any").assert_ok();
    for client in [&mut client, &mut admin] {
        for line in [load, &load.replace(" k ", " new "), "LOCK.LOAD k 1 B 0 0 0", "LOCK.LOAD k 0 B 0 0 0"] {
            assert_eq!(client.ask(line).error(), LOAD);
            client.pipeline(&["MULTI", line]);
            assert_eq!(client.ask("EXEC").array(), [Reply::Error(LOAD.to_owned())]);
            let script = "return redis.call(unpack(ARGV))";
            let mut words = vec!["EVAL", script, "0"];
            words.extend(line.split(' '));
            assert!(client.call(&words).error().starts_with(LOAD), "{line}");
        }
        assert_eq!(client.ask("LOCK.LOAD k 1").error(), ARITY.replace("{}", "lock.load"));
        client.assert_in_step();
    }
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 60000 held 0; 0 wait");
    assert_eq!(client.ask("DBSIZE").int(), 1);
    assert_eq!(server.aof_bytes(), written);
}
