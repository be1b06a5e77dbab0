//! A key lives as long as something of it is used, and a little longer, so that a well-behaved caller finds it again;
//! whoever meddles.

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server, until};

use crate::shared::NOON_MS;

on_every_server![
    a_key_outlives_its_use_by_a_quarter_of_it,
    nothing_is_left_behind_when_nobody_looks,
    nothing_is_left_behind_when_only_lookups_delete,
    an_expired_key_is_an_idle_one_to_every_command,
    an_expiry_is_left_alone_while_it_fits,
    a_strangers_persist_lasts_until_the_next_grant,
    a_strangers_expiry_lasts_until_the_next_grant,
    a_key_that_a_stranger_kept_too_long_is_as_good_as_none,
    no_expiry_is_ever_in_the_past,
];

fn a_key_outlives_its_use_by_a_quarter_of_it(kind: Kind) {
    let server = Server::setup(kind).clock_us(NOON_MS * 1000 + 999).start();
    let mut client = server.connect();
    for (line, used_for_ms, slack_ms) in [
        ("RATELIMIT.ACQUIRE a LIMIT 1 EX 1", 1001, 1000),
        // Nothing lives for less than a second, and none has less slack than that.
        ("RATELIMIT.ACQUIRE b LIMIT 3 EX 1", 1000, 1000),
        ("RATELIMIT.ACQUIRE c LIMIT 1000000 PX 1", 1000, 1000),
        ("RATELIMIT.ACQUIRE d LIMIT 1000 PX 1 COST 2", 1000, 1000),
        ("RATELIMIT.ACQUIRE e LIMIT 1 EX 1 LIMIT 1 EX 60", 60_001, 15_000),
        ("RATELIMIT.ACQUIRE f LIMIT 1 EX 60 LIMIT 1 EX 1", 60_001, 15_000),
        ("RATELIMIT.ACQUIRE g LIMIT 10 EX 1 COST 90 FORCE", 9001, 2250),
        ("RATELIMIT.ACQUIRE strict LIMIT 10 EX 8 STRICT", 8001, 2000),
        // Two hours into a window of six.
        ("RATELIMIT.ACQUIRE align LIMIT 10 EX 21600 ALIGN 0", 14_400_000, 60_000),
        ("RATELIMIT.HOLD held EX 8", 8001, 2000),
        // None has more slack than a minute.
        ("RATELIMIT.ACQUIRE h LIMIT 1 EX 3155760000", 3_155_760_000_001, 60_000),
    ] {
        assert!(!matches!(client.ask(line), Reply::Error(_)), "{line}");
        let key = line.split(' ').nth(1).unwrap();
        assert_eq!(client.call(&["PEXPIRETIME", key]).int(), NOON_MS + used_for_ms + slack_ms, "{line}");
    }
}

fn nothing_is_left_behind_when_nobody_looks(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    acquire_a_thousand(&mut client);
    assert_eq!(keys_and_expiries(&mut client), "1000,1000");
    server.set_clock_ms(NOON_MS + 75_001);
    until("the server has removed all", || keys_and_expiries(&mut client).is_empty());
    assert_eq!(client.ask("DBSIZE").int(), 0);
    assert_eq!(client.info("stats", "expired_keys"), "1000");
}

fn nothing_is_left_behind_when_only_lookups_delete(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("DEBUG SET-ACTIVE-EXPIRE 0").assert_ok();
    acquire_a_thousand(&mut client);
    server.set_clock_ms(NOON_MS + 75_001);
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

fn an_expiry_is_left_alone_while_it_fits(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (line, expires_after_ms) in [
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10", 2_000),
        // Used for 2 s now: that fits without any slack.
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10", 2_000),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 3", 6_250),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 6", 6_250),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 6 MAXWAIT 1000", 13_750),
        // Used for 11 - 8 s: more slack than it is to have, so it is cut.
        ("RATELIMIT.RETURN k LIMIT 10 EX 10 COST 8", 4_000),
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 99 PARTIAL", 12_500),
        ("RATELIMIT.RETURN k LIMIT 10 EX 10 COST 0 LIMIT 9 EX 9", 12_500),
        ("RATELIMIT.PEEK k LIMIT 20 EX 10", 12_500),
        // Refused, and written all the same: another limit has joined.
        ("RATELIMIT.ACQUIRE k LIMIT 10 EX 100", 125_000),
    ] {
        client.ask(line).ints();
        assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + expires_after_ms, "{line}");
    }
    client.ask("RATELIMIT.RETURN k LIMIT 10 EX 10 COST 99");
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
    assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 2000);
    // A return that gives something back mends it as well.
    assert_eq!(client.ask("PERSIST k").int(), 1);
    client.ask("RATELIMIT.RETURN k LIMIT 2 EX 1");
    assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 2000);
}

fn a_strangers_expiry_lasts_until_the_next_grant(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    // One that fits is as good as ours: the key is used for a second, and kept for another one at most.
    for (ms, kept_ms) in
        [(1, 2000), (999, 2000), (1000, 1000), (1500, 1500), (2001, 2000), (86_400_000, 2000)]
    {
        client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1");
        assert_eq!(client.call(&args!["PEXPIRE", "k", ms]).int(), 1);
        client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1");
        assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + kept_ms, "{ms}");
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
    assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 7_000);
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
