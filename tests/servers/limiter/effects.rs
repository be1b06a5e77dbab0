//! A granted call is one effect, and a caller below its limit finds its key again: nothing is deleted, neither here nor
//! in the append-only file nor on a replica.

use sluice_testing::{Client, Kind, Server, on_every_server, until};

use crate::shared::{NOON_MS, script};

on_every_server![
    fifty_calls_are_fifty_sets_and_no_del,
    an_expiry_is_sent_only_where_it_changes,
    a_transaction_of_calls_is_as_many_effects,
    a_replica_that_lost_the_key_gets_none_that_stays,
    a_replica_that_evicted_the_key_gets_none_that_stays,
    an_idle_key_is_there_again_at_the_next_call,
];

const CALL: &str = "RATELIMIT.ACQUIRE k LIMIT 100 EX 1";

/// Calls 30 times a second, which is below the limit: it is full again at each call.
fn call_now_and_then(server: &Server, client: &mut Client, calls: i64) {
    for n in 0..calls {
        server.set_clock_us(NOON_MS * 1000 + n * 33_333);
        assert_eq!(client.ask(CALL).ints(), [1, 0, 99, 100, 10, 0], "call {n}");
    }
}

/// How many of the effects set the key with an expiry, how many keep the one that it has, and all others.
fn effects(server: &Server) -> (usize, usize, Vec<String>) {
    let (mut with, mut kept, mut others) = (0, 0, Vec::new());
    for effect in server.aof_commands() {
        if effect.starts_with("SET k ") && effect.ends_with(" XX KEEPTTL") {
            kept += 1;
        } else if effect.starts_with("SET k ") && effect.contains(" PXAT ") {
            with += 1;
        } else {
            others.push(effect);
        }
    }
    (with, kept, others)
}

fn fifty_calls_are_fifty_sets_and_no_del(kind: Kind) {
    let primary = Server::setup(kind).tcp().aof().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).aof().clock_ms(NOON_MS).replica_of(&primary).start();
    let mut client = primary.connect();
    call_now_and_then(&primary, &mut client, 50);
    assert_eq!(client.info("stats", "expired_keys"), "0");
    // An expiry at the start, and one more a second later.
    assert_eq!(effects(&primary), (2, 48, Vec::new()));
    replica.wait_for(&primary);
    // A replica writes down what it is sent.
    until("the replica has written it down", || effects(&replica) == (2, 48, Vec::new()));
    let (mut there, mut here) = (primary.connect(), replica.connect());
    for look in ["GET k", "PEXPIRETIME k", "DEBUG DIGEST"] {
        assert_eq!(here.ask(look), there.ask(look), "{look}");
    }
}

fn an_expiry_is_sent_only_where_it_changes(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let (mut before, mut expected) = (-2, (0, 0));
    // Ten minutes of a limit that is used up and waited for, and of one that joins.
    for n in 0..600 {
        server.set_clock_ms(NOON_MS + n * 997);
        let limit = if n % 100 < 50 { "LIMIT 30 EX 40" } else { "LIMIT 40 EX 50" };
        let cost = 1 + n % 7;
        let granted = client.ask(&format!("RATELIMIT.ACQUIRE k {limit} COST {cost}")).ints()[0] == 1;
        let now = client.ask("PEXPIRETIME k").int();
        if granted && now == before {
            expected.1 += 1;
        } else if granted || now != before {
            expected.0 += 1;
        }
        before = now;
    }
    let sent = effects(&server);
    // A refusal on which a limit joins is an effect that may keep its expiry: there are 12 changes of limits.
    assert!(
        sent.0 == expected.0 && (expected.1..expected.1 + 12).contains(&sent.1),
        "{sent:?}, and not {expected:?}"
    );
    assert!(sent.1 > 2 * sent.0, "mostly kept: {sent:?}");
    assert!(sent.2.is_empty(), "{sent:?}");
}

fn a_transaction_of_calls_is_as_many_effects(kind: Kind) {
    let server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.pipeline(&["MULTI", CALL, CALL, CALL, "EXEC"]);
    client.call(&script(CALL));
    assert_eq!(
        server.aof_commands(),
        [
            "MULTI",
            "SET k 1800000000010000000:100/1000:100 PXAT 1800000002000",
            "SET k 1800000000020000000:100/1000:100 XX KEEPTTL",
            "SET k 1800000000030000000:100/1000:100 XX KEEPTTL",
            "EXEC",
            "SET k 1800000000040000000:100/1000:100 XX KEEPTTL",
        ]
    );
}

fn a_replica_that_lost_the_key_gets_none_that_stays(kind: Kind) {
    lost(kind, |replica| {
        let mut here = replica.connect();
        here.ask("CONFIG SET replica-read-only no").assert_ok();
        assert_eq!(here.ask("DEL k").int(), 1);
    });
}

fn a_replica_that_evicted_the_key_gets_none_that_stays(kind: Kind) {
    lost(kind, |replica| {
        let mut here = replica.connect();
        for setting in ["replica-ignore-maxmemory no", "maxmemory-policy allkeys-random", "maxmemory 1000"] {
            here.ask(&format!("CONFIG SET {setting}")).assert_ok();
        }
        until("it is evicted", || here.ask("DBSIZE").int() == 0);
        here.ask("CONFIG SET maxmemory 0").assert_ok();
        assert_eq!(here.info("stats", "evicted_keys"), "1");
    });
}

/// A replica loses the key in this way. As long as the expiry stays it is not told of one, and gets no key; from the next
/// expiry on it has what its primary has.
fn lost(kind: Kind, lose: impl Fn(&Server)) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    let (mut there, mut here) = (primary.connect(), replica.connect());
    assert_eq!(there.ask(CALL).ints()[0], 1);
    replica.wait_for(&primary);
    assert_eq!(here.ask("GET k"), there.ask("GET k"));
    lose(&replica);
    primary.set_clock_ms(NOON_MS + 900);
    assert_eq!(there.ask(CALL).ints()[0], 1);
    replica.wait_for(&primary);
    assert_eq!(there.ask("PEXPIRETIME k").int(), NOON_MS + 2000);
    assert_eq!([here.ask("EXISTS k").int(), here.ask("PEXPIRETIME k").int()], [0, -2]);
    primary.set_clock_ms(NOON_MS + 1100);
    assert_eq!(there.ask(CALL).ints()[0], 1);
    replica.wait_for(&primary);
    for look in ["GET k", "PEXPIRETIME k", "DEBUG DIGEST"] {
        assert_eq!(here.ask(look), there.ask(look), "{look}");
    }
    assert_eq!(here.ask("PEXPIRETIME k").int(), NOON_MS + 3100);
}

fn an_idle_key_is_there_again_at_the_next_call(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for n in 0..50 {
        // Once a second, and full again after 10 ms.
        server.set_clock_ms(NOON_MS + n * 1000);
        assert_eq!(client.ask("EXISTS k").int(), i64::from(n > 0), "call {n}");
        assert_eq!(client.ask(CALL).ints(), [1, 0, 99, 100, 10, 0], "call {n}");
    }
    assert_eq!(client.info("stats", "expired_keys"), "0");
    // Two seconds after the last it is gone.
    server.set_clock_ms(NOON_MS + 49_000 + 2001);
    assert_eq!(client.ask("EXISTS k").int(), 0);
}
