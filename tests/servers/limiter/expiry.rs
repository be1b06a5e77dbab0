//! A key lives as long as something of it is used and not a moment longer, whoever meddles.

use sluice_testing::{Client, Kind, Server, args, on_every_server, until};

use crate::shared::NOON_MS;

on_every_server![
    a_key_expires_in_the_first_ms_in_which_it_is_full,
    nothing_is_left_behind_when_nobody_looks,
    nothing_is_left_behind_when_only_lookups_delete,
    an_expired_key_is_an_idle_one_to_every_command,
    each_grant_and_each_return_sets_the_expiry_anew,
    a_strangers_persist_lasts_until_the_next_grant,
    a_strangers_expiry_lasts_until_the_next_grant,
    a_key_that_a_stranger_kept_too_long_is_as_good_as_none,
    no_expiry_is_ever_in_the_past,
];

fn a_key_expires_in_the_first_ms_in_which_it_is_full(kind: Kind) {
    let server = Server::setup(kind).clock_us(NOON_MS * 1000 + 999).start();
    let mut client = server.connect();
    for (line, full_after_us) in [
        ("RATELIMIT.ACQUIRE a LIMIT 1 EX 1", 1_000_000),
        ("RATELIMIT.ACQUIRE b LIMIT 3 EX 1", 333_334),
        ("RATELIMIT.ACQUIRE c LIMIT 1000000 PX 1", 1),
        ("RATELIMIT.ACQUIRE d LIMIT 1000 PX 1 COST 2", 2),
        ("RATELIMIT.ACQUIRE e LIMIT 1 EX 1 LIMIT 1 EX 60", 60_000_000),
        ("RATELIMIT.ACQUIRE f LIMIT 1 EX 60 LIMIT 1 EX 1", 60_000_000),
        ("RATELIMIT.ACQUIRE g LIMIT 10 EX 1 COST 90 FORCE", 9_000_000),
        ("RATELIMIT.ACQUIRE h LIMIT 1 EX 3155760000", 3_155_760_000_000_000),
    ] {
        assert_eq!(client.ask(line).ints()[0], 1, "{line}");
        let key = line.split(' ').nth(1).unwrap();
        let full_us = NOON_MS * 1000 + 999 + full_after_us;
        assert_eq!(client.call(&["PEXPIRETIME", key]).int(), (full_us + 999) / 1000, "{line}");
    }
}

fn nothing_is_left_behind_when_nobody_looks(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    acquire_a_thousand(&mut client);
    assert_eq!(keys_and_expiries(&mut client), "1000,1000");
    server.set_clock_ms(NOON_MS + 60_001);
    until("the server has removed all", || keys_and_expiries(&mut client).is_empty());
    assert_eq!(client.ask("DBSIZE").int(), 0);
    assert_eq!(client.info("stats", "expired_keys"), "1000");
}

fn nothing_is_left_behind_when_only_lookups_delete(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0").assert_ok();
    acquire_a_thousand(&mut client);
    server.set_clock_ms(NOON_MS + 60_001);
    for n in 0..1000 {
        let line = match n % 4 {
            0 => format!("RATELIMIT.PEEK k{n} LIMIT 10 EX 60 COST 10"),
            1 => format!("RATELIMIT.INFO k{n}"),
            2 => format!("RATELIMIT.RETURN k{n} LIMIT 10 EX 60"),
            _ => format!("RATELIMIT.ACQUIRE k{n} LIMIT 10 EX 60 COST 11"),
        };
        client.ask(&line);
        assert_eq!(client.ask("DBSIZE").int(), 999 - n, "{line}");
    }
    assert!(keys_and_expiries(&mut client).is_empty());
}

fn an_expired_key_is_an_idle_one_to_every_command(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0").assert_ok();
    let mut now = NOON_MS;
    for (line, expected) in [
        ("RATELIMIT.PEEK k LIMIT 2 EX 1", "[1, 0, 1, 2, 500, 0]"),
        ("RATELIMIT.INFO k", "null"),
        ("RATELIMIT.RETURN k LIMIT 2 EX 1", "[0, 0, 2, 2, 0, 0]"),
        ("RATELIMIT.ACQUIRE k LIMIT 2 EX 1", "[1, 0, 1, 2, 500, 0]"),
        // Under another limit nothing of the old one is carried over.
        ("RATELIMIT.ACQUIRE k LIMIT 4 EX 1", "[1, 0, 3, 4, 250, 0]"),
    ] {
        client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1 COST 2 FORCE");
        now = client.ask("PEXPIRETIME k").int().max(now) + 1;
        server.set_clock_ms(now);
        assert_eq!(format!("{:?}", client.ask(line)), expected, "{line}");
    }
}

fn each_grant_and_each_return_sets_the_expiry_anew(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (line, expires_after_ms) in [
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10", 1_000),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 4", 5_000),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 6", 5_000),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 6 MAXWAIT 1000", 11_000),
        ("RATELIMIT.RETURN k LIMIT 10 EX 10 COST 8", 3_000),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 99 PARTIAL", 10_000),
        ("RATELIMIT.PEEK k LIMIT 20 EX 10", 10_000),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 100", 100_000),
    ] {
        client.ask(line).ints();
        assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + expires_after_ms, "{line}");
    }
    client.ask("RATELIMIT.RETURN k LIMIT 10 EX 100 COST 99");
    assert!(keys_and_expiries(&mut client).is_empty());
}

fn a_strangers_persist_lasts_until_the_next_grant(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1");
    assert_eq!(client.ask("PERSIST k").int(), 1);
    // A refusal writes nothing, so it mends nothing either.
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1 COST 2").ints()[0], 0);
    assert_eq!(client.ask("PEXPIRETIME k").int(), -1);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1").ints(), [1, 0, 0, 2, 1000, 0]);
    assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 1000);
    // A return that gives something back mends it as well.
    assert_eq!(client.ask("PERSIST k").int(), 1);
    client.ask("RATELIMIT.RETURN k LIMIT 2 EX 1");
    assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 500);
}

fn a_strangers_expiry_lasts_until_the_next_grant(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for ms in [1, 499, 86_400_000] {
        client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1");
        assert_eq!(client.call(&args!["PEXPIRE", "k", ms]).int(), 1);
        client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1");
        assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 1000);
        client.ask("RATELIMIT.RETURN k LIMIT 2 EX 1 COST 2");
    }
}

fn a_key_that_a_stranger_kept_too_long_is_as_good_as_none(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1 COST 2");
    assert_eq!(client.ask("PERSIST k").int(), 1);
    server.set_clock_ms(NOON_MS + 5_000);
    let used_up = client.ask("GET k");
    assert!(client.ask("RATELIMIT.INFO k").is_null());
    assert_eq!(client.ask("RATELIMIT.PEEK k LIMIT 2 EX 1").ints(), [1, 0, 1, 2, 500, 0]);
    assert_eq!(client.ask("RATELIMIT.RETURN k LIMIT 2 EX 1").ints(), [0, 0, 2, 2, 0, 0]);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1 COST 3").ints(), [0, -1, 2, 2, 0, 0]);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 3 EX 1 COST 4").ints(), [0, -1, 3, 3, 0, 0]);
    assert_eq!(client.ask("GET k"), used_up);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1").ints(), [1, 0, 1, 2, 500, 0]);
    assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 5_500);
}

fn no_expiry_is_ever_in_the_past(kind: Kind) {
    let server = Server::setup(kind).aof().config("appendfsync no").clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let limits =
        ["LIMIT 1000000 PX 1", "LIMIT 999983 PX 1", "LIMIT 7 EX 1 BURST 3", "LIMIT 1 EX 9 LIMIT 1000 PX 1"];
    let mut random = 7_u64;
    let mut pick = |n: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((random >> 33) % n).unwrap()
    };
    let mut now_us = NOON_MS * 1000;
    for _ in 0..2000 {
        // To and fro, by microseconds and by minutes.
        now_us +=
            [pick(3), pick(1500), 1000 - now_us % 1000, pick(9_000_000), -pick(20_000_000)][pick(5) as usize];
        server.set_clock_us(now_us);
        let command = ["RATELIMIT.ACQUIRE", "RATELIMIT.ACQUIRE", "RATELIMIT.RETURN"][pick(3) as usize];
        let mode = ["", "FORCE", "PARTIAL", "MAXWAIT 2000"][pick(4) as usize];
        let mode = if command.ends_with("RETURN") { "" } else { mode };
        let line = format!("{command} k {} {mode}", limits[pick(4) as usize]);
        client.ask(&line).ints();
        match client.ask("PEXPIRETIME k").int() {
            -2 => {}
            expires_ms => assert!(expires_ms * 1000 >= now_us, "{line} at {now_us}: {expires_ms}"),
        }
    }
    assert!(server.aof_commands().len() > 500);
}

fn acquire_a_thousand(client: &mut Client) {
    let lines: Vec<_> =
        (0..1000).map(|n| format!("RATELIMIT.ACQUIRE k{n} LIMIT 10 EX 60 COST {}", n % 10 + 1)).collect();
    client.pipeline(&lines);
}

/// `keys,expiries` of the database, nothing for an empty one.
fn keys_and_expiries(client: &mut Client) -> String {
    let keyspace = client.ask("INFO keyspace").text().to_owned();
    let numbers = |line: &str| -> Option<String> {
        let (keys, rest) = line.trim().strip_prefix("db0:keys=")?.split_once(",expires=")?;
        Some(format!("{keys},{}", rest.split(',').next()?))
    };
    keyspace.lines().find_map(numbers).unwrap_or_default()
}
