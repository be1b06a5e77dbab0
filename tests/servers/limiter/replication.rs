//! A replica has the state of its primary to the byte, needs no module for it, and goes on from it when promoted.

use sluice_testing::{Kind, Reply, Server, on_every_server};

use crate::limiter::aof::CHANGES_NOTHING;
use crate::shared::NOON_MS;
use crate::shared::script;

on_every_server![
    a_replica_has_the_same_bytes_whatever_its_clock_says,
    a_replica_without_the_module_has_the_same_bytes,
    a_refusal_does_not_reach_the_replica,
    a_replica_answers_reads_and_refuses_writes,
    a_client_can_wait_until_a_replica_has_its_grant,
    a_promoted_replica_goes_on_where_the_primary_was,
];

fn a_replica_has_the_same_bytes_whatever_its_clock_says(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    call_for_a_while(&primary);
    let replica = Server::setup(kind).clock_ms(NOON_MS - 3000).replica_of(&primary).start();
    call_for_a_while(&primary);
    replica.wait_for(&primary);
    assert_same_data(&primary, &replica);
}

fn a_replica_without_the_module_has_the_same_bytes(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    call_for_a_while(&primary);
    let replica = Server::setup(kind).without_module().clock_ms(NOON_MS).replica_of(&primary).start();
    call_for_a_while(&primary);
    replica.wait_for(&primary);
    assert_same_data(&primary, &replica);
}

fn a_refusal_does_not_reach_the_replica(kind: Kind) {
    // The primary's own pings would move the offset too.
    let primary =
        Server::setup(kind).tcp().clock_ms(NOON_MS).config("repl-ping-replica-period 86400").start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    let mut client = primary.connect();
    client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1");
    client.ask("SET s foreign").assert_ok();
    replica.wait_for(&primary);
    let sent = client.info("replication", "master_repl_offset");
    for line in CHANGES_NOTHING {
        client.ask(line);
        client.pipeline(&["MULTI", line, "EXEC"]);
        client.call(&script(line));
        assert_eq!(client.info("replication", "master_repl_offset"), sent, "{line}");
    }
    client.ask("RATELIMIT.RETURN k LIMIT 1 EX 1");
    assert_ne!(client.info("replication", "master_repl_offset"), sent);
}

fn a_replica_answers_reads_and_refuses_writes(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    let (mut there, mut here) = (primary.connect(), replica.connect());
    there.ask("RATELIMIT.ACQUIRE k LIMIT 3 EX 1");
    there.ask("RATELIMIT.HOLD held EX 60");
    replica.wait_for(&primary);
    for line in [
        "RATELIMIT.PEEK k LIMIT 3 EX 1",
        "RATELIMIT.PEEK k LIMIT 5 EX 1 STRICT",
        "RATELIMIT.PEEK idle LIMIT 3 EX 1",
        "RATELIMIT.INFO k",
        "RATELIMIT.TURN k 0",
        "RATELIMIT.TURN held 5",
        "RATELIMIT.TURN idle 5",
    ] {
        assert_eq!(here.ask(line), there.ask(line), "{line}");
    }
    assert!(here.ask("RATELIMIT.INFO idle").is_null());
    assert_eq!(here.ask("RATELIMIT.TURN held 5").int(), 60_000);
    for line in [
        "RATELIMIT.ACQUIRE k LIMIT 3 EX 1",
        "RATELIMIT.RETURN k LIMIT 3 EX 1",
        "RATELIMIT.HOLD k EX 1",
        "RATELIMIT.HOLD k OFF",
    ] {
        assert!(here.ask(line).error().starts_with("READONLY "), "{line}");
        assert!(here.call(&script(line)).error().starts_with("READONLY "), "{line}");
    }
    assert_eq!(
        here.call(&script("RATELIMIT.PEEK k LIMIT 3 EX 1")),
        there.ask("RATELIMIT.PEEK k LIMIT 3 EX 1")
    );
    // What has expired for the replica is not there, though only the primary may delete it.
    replica.set_clock_ms(NOON_MS + 2001);
    assert_eq!(here.ask("RATELIMIT.PEEK k LIMIT 3 EX 1").ints(), [1, 0, 2, 3, 334, 0]);
    assert!(here.ask("RATELIMIT.INFO k").is_null());
    assert_eq!(here.ask("DBSIZE").int(), 2);
}

fn a_client_can_wait_until_a_replica_has_its_grant(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    let (mut there, mut here) = (primary.connect(), replica.connect());
    for _ in 0..9 {
        assert_eq!(there.ask("RATELIMIT.ACQUIRE k LIMIT 9 EX 1").ints()[0], 1);
        assert_eq!(there.ask("WAIT 1 20000").int(), 1);
        assert_eq!(here.ask("GET k"), there.ask("GET k"));
    }
}

fn a_promoted_replica_goes_on_where_the_primary_was(kind: Kind) {
    let mut primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    call_for_a_while(&primary);
    replica.wait_for(&primary);
    let (mut old, mut new) = (primary.connect(), replica.connect());
    let before: Vec<_> = LIMITS.map(|limit| old.ask(&format!("RATELIMIT.PEEK {limit}"))).into();
    primary.kill9();
    replica.set_clock_us(AFTER_A_WHILE_US);
    new.ask("REPLICAOF NO ONE").assert_ok();
    for (limit, peeked) in LIMITS.iter().zip(&before) {
        assert_eq!(&new.ask(&format!("RATELIMIT.PEEK {limit}")), peeked, "{limit}");
    }
    // PEEK says what ACQUIRE will answer; once a key.
    for (limit, peeked) in LIMITS.iter().zip(before).take(6) {
        assert_eq!(new.ask(&format!("RATELIMIT.ACQUIRE {limit}")), peeked, "{limit}");
    }
}

const LIMITS: [&str; 12] = [
    "a LIMIT 5 EX 1",
    "b LIMIT 7 EX 3 BURST 2",
    "c LIMIT 100 EX 60 LIMIT 3 EX 1 COST 1",
    "d LIMIT 1000 EX 1 COST 170 LIMIT 9 PX 700 BURST 30",
    "e LIMIT 1 EX 3600 BURST 1",
    "{f} LIMIT 60 EX 60 BURST 1 MAXWAIT 60000",
    // Several limits at a place, windows, and a limit in another order.
    "a LIMIT 9 EX 2",
    "c LIMIT 3 EX 1 COST 1 LIMIT 100 EX 60",
    "g LIMIT 4 EX 1 STRICT",
    "g LIMIT 9 EX 3 LIMIT 5 EX 2 STRICT",
    "h LIMIT 40 EX 86400 ALIGN 54000 COST 1",
    "g LIMIT 9 EX 3 MAXWAIT 500",
];

/// When `call_for_a_while` ends: some seconds after noon.
const AFTER_A_WHILE_US: i64 = NOON_MS * 1000 + (STEPS - 1) * 7_919;

const STEPS: i64 = 800;

/// Calls of every kind, a random but constant mixture, while time passes on the server.
fn call_for_a_while(server: &Server) {
    let mut client = server.connect();
    let mut random = 42_u32;
    let mut pick = |n: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from((random >> 8) % n).unwrap()
    };
    for step in 0..STEPS {
        server.set_clock_us(NOON_MS * 1000 + step * 7_919);
        let limit = LIMITS[pick(12)];
        let line = match pick(10) {
            8 => format!("RATELIMIT.HOLD {} PX {}", limit.split(' ').next().unwrap(), 1 + pick(90)),
            9 => format!("RATELIMIT.HOLD {} OFF", limit.split(' ').next().unwrap()),
            0 if !limit.contains("MAXWAIT") => format!("RATELIMIT.ACQUIRE {limit} FORCE"),
            1 | 2 if !limit.contains("MAXWAIT") => format!("RATELIMIT.RETURN {limit}"),
            _ => format!("RATELIMIT.ACQUIRE {limit}"),
        };
        assert!(!matches!(client.ask(&line), Reply::Error(_)), "{line}");
    }
}

#[track_caller]
fn assert_same_data(primary: &Server, replica: &Server) {
    let (mut there, mut here) = (primary.connect(), replica.connect());
    assert!(there.ask("DBSIZE").int() >= 4, "there is something to compare");
    assert_eq!(here.ask("DBSIZE"), there.ask("DBSIZE"));
    assert_eq!(here.ask("DEBUG DIGEST"), there.ask("DEBUG DIGEST"));
    for limit in LIMITS {
        let key = limit.split(' ').next().unwrap();
        for command in ["GET", "PEXPIRETIME"] {
            assert_eq!(here.call(&[command, key]), there.call(&[command, key]), "{command} {key}");
        }
    }
}
