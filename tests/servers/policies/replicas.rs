//! Replicas have their primary's policies: at every change, and when they come.

use std::collections::BTreeSet;

use sluice_testing::{Kind, Reply, Server, encode, on_every_server, until};

use crate::policies::{int, rewritten, shown, table, with_lines};
use crate::shared::{NOON_MS, script};

on_every_server![
    every_change_reaches_a_replica,
    a_replica_that_comes_is_sent_all_of_them,
    a_server_without_policies_sends_none,
    a_replica_without_the_module_is_not_harmed,
    clients_change_nothing_on_a_replica,
    nothing_is_sent_while_clients_are_paused_and_all_of_it_after,
    a_clock_that_stands_still_holds_nothing_up,
    a_promoted_replica_goes_on_with_them_and_tells_its_own,
    a_replica_of_a_replica_hears_of_changes,
    under_load_two_replicas_and_the_file_agree_afterwards,
];

#[track_caller]
fn until_equal(primary: &Server, replica: &Server) {
    until("the replica has the policies", || table(replica) == table(primary));
}

fn every_change_reaches_a_replica(kind: Kind) {
    let primary = Server::start_tcp(kind);
    let replica = Server::setup(kind).aof().replica_of(&primary).start();
    let mut client = primary.connect();
    for line in [
        "RATELIMIT.POLICY SET a LIMIT 1 EX 1",
        "RATELIMIT.POLICY SET a LIMIT 2 EX 1 SHADOW",
        "RATELIMIT.POLICY REPLACE 'b LIMIT 1 EX 1; c LIMIT 1 EX 1'",
        "RATELIMIT.POLICY DEL b none",
        "CONFIG SET sluice.policies 'x LIMIT 7 EX 7'",
        "CONFIG SET sluice.policies ''",
        "RATELIMIT.POLICY SET a LIMIT 1 EX 1",
        "RATELIMIT.POLICY REPLACE ''",
    ] {
        assert!(!matches!(client.call(&sluice_testing::words(line)), Reply::Error(_)), "{line}");
        until_equal(&primary, &replica);
    }
    // In a transaction and in a script too, with what stands around it.
    client.pipeline(&["MULTI", "SET k 1", "RATELIMIT.POLICY SET m LIMIT 1 EX 1", "SET k 2", "EXEC"]);
    client.call(&["EVAL", "redis.call('RATELIMIT.POLICY', 'SET', 's', 'LIMIT', 1, 'EX', 1)", "0"]);
    replica.wait_for(&primary);
    assert_eq!(table(&replica), "m LIMIT 1 EX 1; s LIMIT 1 EX 1");
    assert_eq!(replica.ask("GET k").text(), "2");
    // A PEEK there is by the same limits; what is counted is what each has been asked.
    assert_eq!(replica.ask("RATELIMIT.PEEK k2 @m").ints()[3], 1);
    client.ask("RATELIMIT.ACQUIRE k2 @m").ints();
    assert_eq!(shown(&mut replica.connect(), "m"), "LIMIT 1 EX 1; 0, 0, 0");
}

fn a_replica_that_comes_is_sent_all_of_them(kind: Kind) {
    let primary = Server::setup(kind).tcp().config("sluice.policies \"a LIMIT 1 EX 1\"").start();
    let mut replica =
        Server::setup(kind).config("sluice.policies \"own LIMIT 5 EX 5\"").replica_of(&primary).start();
    until_equal(&primary, &replica);
    int(&mut primary.connect(), "RATELIMIT.POLICY SET b LIMIT 1 EX 1");
    replica.restart();
    until_equal(&primary, &replica);
    // A link that broke, and goes on where it was.
    primary.ask("CLIENT KILL TYPE replica").int();
    replica.connect().call(&["CONFIG", "SET", "sluice.policies", ""]).assert_ok();
    until_equal(&primary, &replica);
    int(&mut primary.connect(), "RATELIMIT.POLICY SET c LIMIT 1 EX 1");
    until_equal(&primary, &replica);
    assert_eq!(table(&replica), "a LIMIT 1 EX 1; b LIMIT 1 EX 1; c LIMIT 1 EX 1");
}

fn a_server_without_policies_sends_none(kind: Kind) {
    let primary = Server::start_tcp(kind);
    let replica =
        Server::setup(kind).config("sluice.policies \"own LIMIT 5 EX 5\"").replica_of(&primary).start();
    let mut client = primary.connect();
    client.call(&["CONFIG", "SET", "sluice.policies", ""]).assert_ok();
    int(&mut client, "RATELIMIT.POLICY REPLACE ''");
    // Whatever is sent by an alarm, or by the regular jobs, is sent while this waits.
    client.ask("WAIT 9 200").int();
    client.ask("SET k 1").assert_ok();
    replica.wait_for(&primary);
    assert_eq!(table(&replica), "own LIMIT 5 EX 5");
    let calls = replica.ask("INFO commandstats");
    assert!(!calls.text().contains("ratelimit.policy|replace"), "{calls:?}");
}

fn a_replica_without_the_module_is_not_harmed(kind: Kind) {
    let primary = Server::start_tcp(kind);
    let replica = Server::setup(kind).without_module().replica_of(&primary).start();
    let mut client = primary.connect();
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 9 EX 900");
    client.ask("RATELIMIT.ACQUIRE k @p").ints();
    replica.wait_for(&primary);
    assert_eq!(replica.ask("GET k"), client.ask("GET k"));
    assert_eq!(replica.connect().info("replication", "master_link_status"), "up");
}

fn clients_change_nothing_on_a_replica(kind: Kind) {
    let primary = Server::start_tcp(kind);
    int(&mut primary.connect(), "RATELIMIT.POLICY SET p LIMIT 9 EX 9");
    let replica = Server::setup(kind).replica_of(&primary).start();
    until_equal(&primary, &replica);
    let mut client = replica.connect();
    for line in
        ["RATELIMIT.POLICY SET p LIMIT 1 EX 1", "RATELIMIT.POLICY DEL p", "RATELIMIT.POLICY REPLACE x"]
    {
        assert!(client.ask(line).error().starts_with("READONLY "), "{line}");
    }
    assert!(client.call(&script("RATELIMIT.POLICY DEL p")).error().starts_with("READONLY "));
    assert_eq!(shown(&mut client, "p"), "LIMIT 9 EX 9; 0, 0, 0");
    // Its own configuration is its own, until the primary has something new.
    client.call(&["CONFIG", "SET", "sluice.policies", "mine LIMIT 1 EX 1"]).assert_ok();
    assert_eq!(table(&replica), "mine LIMIT 1 EX 1");
    int(&mut primary.connect(), "RATELIMIT.POLICY SET q LIMIT 9 EX 9");
    until_equal(&primary, &replica);
}

/// A write amid a pause would stop the server.
fn nothing_is_sent_while_clients_are_paused_and_all_of_it_after(kind: Kind) {
    let primary = Server::setup(kind).tcp().config("hz 100").start();
    let mut client = primary.connect();
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 1 EX 1");
    let replica = Server::setup(kind).replica_of(&primary).start();
    until_equal(&primary, &replica);
    let before = table(&replica);
    // Set before the pause, its alarm rings in it; and set in it.
    let set = |name: &str| ["CONFIG", "SET", "sluice.policies", name].map(str::to_owned);
    let both = [
        encode(&set("q LIMIT 1 EX 1")),
        encode(&["CLIENT", "PAUSE", "600000", "WRITE"]),
        encode(&set("q LIMIT 2 EX 1")),
    ];
    client.send_bytes(&both.concat());
    (0..3).for_each(|_| client.read().assert_ok());
    // A second replica comes meanwhile, and the server's regular jobs go on: it answers this after a while.
    let late = Server::setup(kind).replica_of(&primary).start();
    client.ask("WAIT 9 100").int();
    assert_eq!((table(&replica), table(&late)), (before, String::new()));
    client.ask("CLIENT UNPAUSE").assert_ok();
    assert_eq!(table(&primary), "q LIMIT 2 EX 1");
    until_equal(&primary, &replica);
    until_equal(&primary, &late);
}

/// Alarms go by the wall clock; the server's regular jobs do not.
fn a_clock_that_stands_still_holds_nothing_up(kind: Kind) {
    let primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let mut client = primary.connect();
    client.call(&["CONFIG", "SET", "sluice.policies", "p LIMIT 1 EX 1"]).assert_ok();
    let replica = Server::setup(kind).clock_ms(NOON_MS).replica_of(&primary).start();
    until_equal(&primary, &replica);
    client.call(&["CONFIG", "SET", "sluice.policies", "q LIMIT 1 EX 1"]).assert_ok();
    until_equal(&primary, &replica);
    // Back, and forth again.
    primary.set_clock_ms(NOON_MS - 3_600_000);
    client.call(&["CONFIG", "SET", "sluice.policies", "r LIMIT 1 EX 1"]).assert_ok();
    until_equal(&primary, &replica);
    primary.set_clock_ms(NOON_MS);
    client.call(&["CONFIG", "SET", "sluice.policies", "s LIMIT 1 EX 1"]).assert_ok();
    until_equal(&primary, &replica);
}

fn a_promoted_replica_goes_on_with_them_and_tells_its_own(kind: Kind) {
    let mut primary = Server::start_tcp(kind);
    let promoted = Server::setup(kind).tcp().replica_of(&primary).start();
    let other = Server::setup(kind).replica_of(&primary).start();
    int(&mut primary.connect(), "RATELIMIT.POLICY SET p LIMIT 9 EX 9");
    until_equal(&primary, &promoted);
    primary.kill9();
    promoted.ask("REPLICAOF NO ONE").assert_ok();
    assert_eq!(promoted.ask("RATELIMIT.ACQUIRE k @p").ints()[0], 1);
    other.ask(&format!("REPLICAOF 127.0.0.1 {}", promoted.port())).assert_ok();
    int(&mut promoted.connect(), "RATELIMIT.POLICY SET q LIMIT 9 EX 9");
    until_equal(&promoted, &other);
}

/// What the middle one is sent it hands on; by itself it can send nothing.
fn a_replica_of_a_replica_hears_of_changes(kind: Kind) {
    let primary = Server::start_tcp(kind);
    let middle = Server::setup(kind).tcp().replica_of(&primary).start();
    int(&mut primary.connect(), "RATELIMIT.POLICY SET p LIMIT 9 EX 9");
    until_equal(&primary, &middle);
    let leaf = Server::setup(kind).replica_of(&middle).start();
    middle.wait_for(&primary);
    leaf.wait_for(&primary);
    assert_eq!(table(&leaf), "");
    int(&mut primary.connect(), "RATELIMIT.POLICY SET q LIMIT 9 EX 9");
    until_equal(&primary, &leaf);
}

/// Policies are replaced while six call by them; every answer is under one table or the other, and none is lost.
fn under_load_two_replicas_and_the_file_agree_afterwards(kind: Kind) {
    let mut primary = Server::setup(kind).tcp().aof().config("appendfsync everysec").start();
    let replicas = [0, 1].map(|_| Server::setup(kind).aof().replica_of(&primary).start());
    let text = |burst: u32| {
        (0..20).map(|n| format!("p{n} LIMIT {burst} EX 3600 LIMIT {burst}0 EX 3600;")).collect::<String>()
    };
    let mut operator = primary.connect();
    operator.call(&["RATELIMIT.POLICY", "REPLACE", &text(1000)]).int();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..6)
            .map(|caller| {
                let mut client = primary.connect();
                scope.spawn(move || {
                    for n in 0..300 {
                        let lines: Vec<_> = (0..10)
                            .map(|step| format!("RATELIMIT.ACQUIRE k{caller} @p{}", (n + step) % 20))
                            .collect();
                        let bursts: BTreeSet<_> =
                            client.pipeline(&lines).iter().map(|reply| reply.ints()[3]).collect();
                        assert!(bursts.iter().all(|burst| [1000, 2000].contains(burst)), "{bursts:?}");
                    }
                })
            })
            .collect();
        let mut round = 0;
        while !callers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            round += 1;
            let text = text(1000 + 1000 * (round % 2));
            if round % 3 == 0 {
                operator.call(&["CONFIG", "SET", "sluice.policies", &text]).assert_ok();
            } else {
                assert_eq!(operator.call(&["RATELIMIT.POLICY", "REPLACE", &text]).int(), 20);
            }
        }
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
    let keys = |server: &Server| (0..6).map(|n| server.ask(&format!("GET k{n}"))).collect::<Vec<_>>();
    for replica in &replicas {
        until_equal(&primary, replica);
        replica.wait_for(&primary);
        assert_eq!(keys(replica), keys(&primary));
    }
    let before = (table(&primary), keys(&primary));
    operator.ask("CONFIG REWRITE").assert_ok();
    let lines = rewritten(&primary);
    primary.shutdown("NOSAVE");
    primary.change(|setup| with_lines(setup, &lines));
    primary.start_again();
    assert_eq!((table(&primary), keys(&primary)), before);
}
