//! Policies are set, changed and deleted by command; a change counts from the next call on, and is whole.

use std::collections::BTreeSet;

use sluice_testing::{Kind, Server, on_every_server, words};

use crate::policies::{int, rewritten, shown, table, with_lines};
use crate::shared::at_noon;

on_every_server![
    each_command_answers_what_it_did,
    a_text_is_read_back_in_one_spelling,
    a_changed_policy_is_a_changed_limit,
    flushing_and_eviction_touch_no_policy,
    the_sum_tells_whether_nodes_agree,
    a_table_as_large_as_it_may_be_is_taken_and_given_back,
    no_call_is_answered_under_half_a_table,
];

fn each_command_answers_what_it_did(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for (line, reply) in [
        ("RATELIMIT.POLICY SET b LIMIT 1 EX 1", 1),
        ("ratelimit.policy set a limit 2 px 2000 shadow", 1),
        ("RATELIMIT.POLICY SET b LIMIT 3 EX 1", 0),
        ("RATELIMIT.POLICY DEL none b none b", 1),
        ("RATELIMIT.POLICY DEL b", 0),
        ("RATELIMIT.POLICY REPLACE 'c LIMIT 1 EX 1; d LIMIT 1 EX 1'", 2),
    ] {
        assert_eq!(int(&mut client, line), reply, "{line}");
    }
    let list = client.ask("RATELIMIT.POLICY LIST");
    let list: Vec<_> = list.array().iter().map(|policy| policy.text().to_owned()).collect();
    assert_eq!(list, ["c LIMIT 1 EX 1", "d LIMIT 1 EX 1"]);
    assert_eq!(shown(&mut client, "c"), "LIMIT 1 EX 1; 0, 0, 0");
    assert_eq!(shown(&mut server.connect_resp3(), "c"), "LIMIT 1 EX 1; 0, 0, 0");
    assert!(client.ask("RATELIMIT.POLICY GET a").is_null());
    assert!(client.call(&["RATELIMIT.POLICY", "GET", "no\0name"]).is_null());
    assert_eq!(int(&mut client, "RATELIMIT.POLICY REPLACE ''"), 0);
    assert!(client.ask("RATELIMIT.POLICY LIST").array().is_empty());
    client.assert_in_step();
}

fn a_text_is_read_back_in_one_spelling(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let text =
        "x limit 10 px 1000 burst 10 cost 1\r\n\n;b\tLIMIT 5 SHADOW PX 1500;a LIMIT 1 EX 86400 ALIGN 140400";
    assert_eq!(client.call(&["RATELIMIT.POLICY", "REPLACE", text]).int(), 3);
    let written = "a LIMIT 1 EX 86400 ALIGN 54000; b LIMIT 5 PX 1500 SHADOW; x LIMIT 10 EX 1";
    assert_eq!(table(&server), written);
    assert_eq!(client.call(&["RATELIMIT.POLICY", "REPLACE", written]).int(), 3);
    assert_eq!(table(&server), written);
}

fn a_changed_policy_is_a_changed_limit(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 10 EX 10");
    for _ in 0..4 {
        assert_eq!(client.ask("RATELIMIT.ACQUIRE k @p").ints()[0], 1);
    }
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 5 EX 10");
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k @p").ints()[..4], [1, 0, 0, 5], "four of five were used");
    // Without the policy all of it is still there.
    let stored = client.ask("GET k");
    int(&mut client, "RATELIMIT.POLICY DEL p");
    assert_eq!(client.ask("GET k"), stored);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 5 EX 10").ints()[0], 0);
}

fn flushing_and_eviction_touch_no_policy(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 10 EX 10");
    for line in ["FLUSHALL", "FLUSHDB", "SWAPDB 0 1", "DEBUG RELOAD", "SELECT 3"] {
        client.ask(line).assert_ok();
        assert_eq!(client.ask("RATELIMIT.ACQUIRE k @p").ints()[0], 1, "{line}");
    }
    client.ask("CONFIG SET maxmemory-policy allkeys-lru").assert_ok();
    client.ask("CONFIG SET maxmemory 1").assert_ok();
    for _ in 0..10 {
        client.ask("PING");
    }
    assert_eq!(table(&server), "p LIMIT 10 EX 10");
    // No memory for a new key: that is said last.
    client.ask("CONFIG SET maxmemory-policy noeviction").assert_ok();
    assert!(client.ask("RATELIMIT.ACQUIRE new @p").error().starts_with("OOM "));
    assert_eq!(client.ask("RATELIMIT.ACQUIRE new @q").error(), "NOPOLICY no such policy");
    assert_eq!(int(&mut client, "RATELIMIT.POLICY SET q LIMIT 10 EX 10"), 1, "a policy is no key");
}

fn the_sum_tells_whether_nodes_agree(kind: Kind) {
    let (one, other) = (Server::start(kind), Server::start(kind));
    let sum = |server: &Server| server.connect().info("sluice_policies", "sluice_policies_sum");
    assert_eq!(sum(&one), sum(&other));
    int(&mut one.connect(), "RATELIMIT.POLICY REPLACE 'a LIMIT 1 EX 1;b LIMIT 60 EX 1'");
    assert_ne!(sum(&one), sum(&other));
    int(&mut other.connect(), "RATELIMIT.POLICY SET b LIMIT 60 PX 1000");
    int(&mut other.connect(), "RATELIMIT.POLICY SET a LIMIT 1 BURST 1 EX 1");
    assert_eq!(sum(&one), sum(&other));
    assert_eq!(one.connect().info("sluice", "sluice_policies"), "2");
}

fn a_table_as_large_as_it_may_be_is_taken_and_given_back(kind: Kind) {
    let mut server = Server::start(kind);
    let mut client = server.connect();
    let limits = "LIMIT 111111111 PX 999999999 COST 222222222 ".repeat(5);
    let policies: Vec<_> = (0..256).map(|n| format!("{n:032} {}", limits.trim_end())).collect();
    let text = policies.join("; ");
    assert!((65_000..65_537).contains(&text.len()), "{}", text.len());
    assert_eq!(client.call(&["RATELIMIT.POLICY", "REPLACE", &text]).int(), 256);
    assert_eq!(table(&server), text);
    assert_eq!(client.ask("RATELIMIT.POLICY LIST").array().len(), 256);
    assert_eq!(client.ask(&format!("RATELIMIT.ACQUIRE k @{:032} COST 1 1 1 1 1", 255)).ints()[0], 1);
    client.ask("CONFIG REWRITE").assert_ok();
    let lines = rewritten(&server);
    server.shutdown("NOSAVE");
    server.change(|setup| with_lines(setup, &lines));
    server.start_again();
    assert_eq!(table(&server), text);
    let one = format!("RATELIMIT.POLICY SET one {}", &limits[..44].trim_end());
    assert_eq!(server.connect().call(&words(&one)).error(), "ERR at most 256 policies");
}

/// Two tables in which each policy has a burst of the table's own, put in turn while others call by two of them at once.
fn no_call_is_answered_under_half_a_table(kind: Kind) {
    let server = Server::start(kind);
    let text = |burst: u32| {
        let policies: Vec<_> = (0..100).map(|n| format!("p{n} LIMIT {burst} EX 3600")).collect();
        policies.join(";")
    };
    let mut operator = server.connect();
    operator.call(&["RATELIMIT.POLICY", "REPLACE", &text(1)]).int();
    std::thread::scope(|scope| {
        let callers = (0..4).map(|caller| {
            let mut client = server.connect();
            scope.spawn(move || {
                let mut seen = BTreeSet::new();
                for n in 0..400 {
                    // In one turn of the server's loop, but for a transaction any change may come between.
                    let calls =
                        (0..5).map(|step| format!("RATELIMIT.PEEK {caller} @p{}", (n + step * 23) % 100));
                    let lines: Vec<_> =
                        ["MULTI".to_owned()].into_iter().chain(calls).chain(["EXEC".to_owned()]).collect();
                    let replies = client.pipeline(&lines);
                    let bursts: BTreeSet<_> =
                        replies[6].array().iter().map(|reply| reply.ints()[3]).collect();
                    assert_eq!(bursts.len(), 1, "{bursts:?}");
                    seen.extend(bursts);
                }
                seen
            })
        });
        let callers: Vec<_> = callers.collect();
        let mut burst = 1;
        while !callers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            burst = 3 - burst;
            assert_eq!(operator.call(&["RATELIMIT.POLICY", "REPLACE", &text(burst)]).int(), 100);
            let broken = text(burst).replace("p99 LIMIT", "p99 LIMIT x");
            assert!(
                operator
                    .call(&["RATELIMIT.POLICY", "REPLACE", &broken])
                    .error()
                    .starts_with("ERR policy 100: ")
            );
        }
        for caller in callers {
            assert_eq!(caller.join().unwrap(), BTreeSet::from([1, 2]));
        }
    });
    assert_eq!(int(&mut operator, "RATELIMIT.POLICY REPLACE ''"), 0);
}
