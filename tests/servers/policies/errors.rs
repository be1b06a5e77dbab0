//! What is wrong gets an error of a fixed text, in the order of what it is, and changes nothing.

use sluice_testing::{Kind, Server, args, on_every_server, words};

use crate::policies::{int, table};
use crate::shared::{WRONG_TYPE, script};

on_every_server![
    every_mistake_in_a_call_has_its_text,
    every_mistake_in_a_policy_has_its_text_and_changes_nothing,
    a_mistake_in_a_text_is_told_with_its_policy_and_changes_nothing,
    names_texts_and_tables_beyond_the_bounds_are_refused,
    what_is_wrong_is_told_in_one_order,
    nothing_that_was_sent_is_echoed,
];

const NO_POLICY: &str = "NOPOLICY no such policy";
const SYNTAX: &str = "ERR syntax error";
const NAME: &str = "ERR a policy's name is 1 to 64 of A-Z a-z 0-9 . _ -";

fn every_mistake_in_a_call_has_its_text(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 9 EX 9 LIMIT 9 EX 9 COST 2");
    int(&mut client, "RATELIMIT.POLICY SET free LIMIT 9 EX 9 COST 0");
    for (words, error) in [
        ("@none", NO_POLICY),
        ("@", NO_POLICY),
        ("@P", NO_POLICY),
        ("@p@p", NO_POLICY),
        ("@@p", NO_POLICY),
        ("@none COST 5 FORCE", NO_POLICY),
        ("p", SYNTAX),
        ("@p @p", SYNTAX),
        ("@p LIMIT 5 EX 1", SYNTAX),
        ("LIMIT 5 EX 1 @p", SYNTAX),
        ("@p EX 5", SYNTAX),
        ("@p BURST 5", SYNTAX),
        ("@p STRICT", SYNTAX),
        ("@p SHADOW", SYNTAX),
        ("@p OFF", SYNTAX),
        ("@p 5", SYNTAX),
        ("@p COST 5 x", SYNTAX),
        ("@p COST", "ERR COST needs a number"),
        ("@p COST FORCE", "ERR COST is not an integer or out of range"),
        ("@p COST 1.5", "ERR COST is not an integer or out of range"),
        ("@p COST 1 2x", "ERR COST is not an integer or out of range"),
        ("@p COST 1 +2", "ERR COST is not an integer or out of range"),
        ("@p COST 9223372036854775808", "ERR COST is not an integer or out of range"),
        ("@p COST -1", "ERR COST must not be negative"),
        ("@p COST 1 -1", "ERR COST must not be negative"),
        ("@p COST 1 COST 1", "ERR COST is said twice"),
        ("@p COST 1 2 3 4 5 6 7 8 9", "ERR COST takes at most 8 numbers"),
        ("COST 1 @p", "ERR COST belongs behind a LIMIT"),
        ("@p FORCE PARTIAL", "ERR only one of PARTIAL, FORCE and MAXWAIT"),
        ("@p DUE 5", "ERR DUE is no option of 'ratelimit.acquire'"),
        ("@p COST 0 0", "ERR COST must be above 0 in at least one LIMIT"),
        ("@free", "ERR COST must be above 0 in at least one LIMIT"),
        ("@p PARTIAL", "ERR PARTIAL needs the same COST in every LIMIT"),
    ] {
        assert_eq!(client.ask(&format!("RATELIMIT.ACQUIRE k {words}")).error(), error, "{words}");
        assert_eq!(client.call(&script(&format!("RATELIMIT.ACQUIRE k {words}"))).error(), error, "{words}");
    }
    assert_eq!(
        client.ask("RATELIMIT.RETURN k @p FORCE").error(),
        "ERR FORCE is no option of 'ratelimit.return'"
    );
    assert_eq!(client.ask("RATELIMIT.RETURN k @none").error(), NO_POLICY);
    assert_eq!(client.ask("RATELIMIT.PEEK k @none").error(), NO_POLICY);
    assert_eq!(client.ask("RATELIMIT.PEEK k @free").ints()[0], 1);
    assert_eq!(client.ask("DBSIZE").int(), 0);
    client.assert_in_step();
}

fn every_mistake_in_a_policy_has_its_text_and_changes_nothing(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 9 EX 9");
    let arity = |name: &str| format!("ERR wrong number of arguments for 'ratelimit.policy|{name}' command");
    for (words, error) in [
        ("SET", arity("set").as_str()),
        ("SET p", SYNTAX),
        ("SET p SHADOW", SYNTAX),
        ("SET p LIMIT 1 EX 1 FORCE", SYNTAX),
        ("SET p LIMIT 1 EX 1 MAXWAIT 5", SYNTAX),
        ("SET p @p", SYNTAX),
        ("SET p LIMIT 1", "ERR LIMIT needs EX or PX"),
        ("SET p LIMIT 1 EX 0", "ERR invalid expire time in 'ratelimit.policy|set' command"),
        ("SET p LIMIT 1 EX 1 SHADOW shadow", "ERR SHADOW is said twice"),
        ("SET p LIMIT 0 EX 1", "ERR LIMIT must be at least 1"),
        ("SET p LIMIT 2 PX 1 BURST 9223372036854775807", "ERR BURST takes more than 100 years to refill"),
        ("SET @p LIMIT 1 EX 1", NAME),
        ("SET p;q LIMIT 1 EX 1", NAME),
        ("SET p:q LIMIT x", NAME),
        ("DEL", arity("del").as_str()),
        ("REPLACE", arity("replace").as_str()),
        ("REPLACE a b", arity("replace").as_str()),
        ("LIST a", arity("list").as_str()),
        ("GET", arity("get").as_str()),
        ("GET a b", arity("get").as_str()),
    ] {
        assert_eq!(client.ask(&format!("RATELIMIT.POLICY {words}")).error(), error, "{words}");
        assert_eq!(table(&server), "p LIMIT 9 EX 9");
    }
    assert!(client.ask("RATELIMIT.POLICY NONSENSE").error().starts_with("ERR unknown subcommand "));
    assert!(
        client
            .ask("RATELIMIT.POLICY")
            .error()
            .starts_with("ERR wrong number of arguments for 'ratelimit.policy'")
    );
}

fn a_mistake_in_a_text_is_told_with_its_policy_and_changes_nothing(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 9 EX 9");
    for (text, error) in [
        ("a LIMIT 7 EX 60; b LIMIT 0 EX 1", "ERR policy 2: LIMIT must be at least 1"),
        ("a", "ERR policy 1: syntax error"),
        (";;\n;a LIMIT 1 EX 1;\n;b LIMIT 1 EX 1 NONSENSE", "ERR policy 2: syntax error"),
        ("a LIMIT 1 EX 1\nb@ LIMIT 1 EX 1", "ERR policy 2: a policy's name is 1 to 64 of A-Z a-z 0-9 . _ -"),
        ("a LIMIT 1 EX 1; a LIMIT 1 EX 1", "ERR policy 2: a policy of this name was said before"),
        (
            "a LIMIT 1 EX -1",
            "ERR policy 1: EX and PX must be at least 1 and at most 100 years (3155760000 s)",
        ),
        ("a LIMIT 1 EX 1 LIMIT 1", "ERR policy 1: LIMIT needs EX or PX"),
        ("a LIMIT 1 EX 1\0", "ERR policy 1: EX is not an integer or out of range"),
        ("a LIMIT 1 EX 1 \u{e4}", "ERR policy 1: syntax error"),
    ] {
        assert_eq!(client.call(&["RATELIMIT.POLICY", "REPLACE", text]).error(), error, "{text:?}");
        let set = client.call(&["CONFIG", "SET", "sluice.policies", text]);
        assert!(set.error().ends_with(error), "{text:?}: {set:?}");
        assert_eq!(table(&server), "p LIMIT 9 EX 9");
    }
    client.assert_in_step();
}

fn names_texts_and_tables_beyond_the_bounds_are_refused(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let long = "n".repeat(64);
    assert_eq!(int(&mut client, &format!("RATELIMIT.POLICY SET {long} LIMIT 1 EX 1")), 1);
    assert_eq!(client.ask(&format!("RATELIMIT.ACQUIRE k @{long}")).ints()[0], 1);
    assert_eq!(client.ask(&format!("RATELIMIT.POLICY SET {long}n LIMIT 1 EX 1")).error(), NAME);
    assert_eq!(client.call(&["RATELIMIT.POLICY", "SET", "", "LIMIT", "1", "EX", "1"]).error(), NAME);
    assert_eq!(client.ask(&format!("RATELIMIT.ACQUIRE k @{long}n")).error(), NO_POLICY);
    let nine = format!("RATELIMIT.POLICY SET p {}", "LIMIT 1 EX 1 ".repeat(9));
    assert_eq!(client.ask(&nine).error(), "ERR at most 8 LIMIT clauses");
    let many = |many: usize| (0..many).map(|n| format!("p{n} LIMIT 1 EX 1;")).collect::<String>();
    assert_eq!(client.call(&["RATELIMIT.POLICY", "REPLACE", &many(256)]).int(), 256);
    let before = table(&server);
    assert_eq!(client.ask("RATELIMIT.POLICY SET p256 LIMIT 1 EX 1").error(), "ERR at most 256 policies");
    assert_eq!(
        client.call(&["RATELIMIT.POLICY", "REPLACE", &many(257)]).error(),
        "ERR policy 257: at most 256 policies"
    );
    let too_long = "ERR all policies together must be at most 65536 bytes of text";
    for text in [" ".repeat(65_537), "x".repeat(1 << 20), many(4096)] {
        assert_eq!(client.call(&["RATELIMIT.POLICY", "REPLACE", &text]).error(), too_long);
        let set = client.call(&["CONFIG", "SET", "sluice.policies", &text]);
        assert!(set.error().ends_with(too_long), "{set:?}");
    }
    assert_eq!(
        client.call(&["RATELIMIT.POLICY", "REPLACE", &"x".repeat(65_536)]).error(),
        "ERR policy 1: a policy's name is 1 to 64 of A-Z a-z 0-9 . _ -"
    );
    // One by one, until their text is as long as it may be.
    let limits = "LIMIT 111111111 EX 99999999 COST 222222222 ".repeat(8);
    let refused = (0..256).find(|n| {
        let set = client.ask(&format!("RATELIMIT.POLICY SET p{n} {limits}"));
        matches!(set, sluice_testing::Reply::Error(error) if error == too_long)
    });
    assert!(refused.is_some_and(|n| n > 100), "{refused:?}");
    assert!(table(&server).len() > before.len() && table(&server).len() <= 65_536);
}

fn what_is_wrong_is_told_in_one_order(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 9 EX 9");
    client.ask("RPUSH foreign a").int();
    for (words, error) in [
        ("foreign @none COST x", "ERR COST is not an integer or out of range"),
        ("foreign @none NONSENSE", SYNTAX),
        ("foreign @none", NO_POLICY),
        ("foreign @none COST 0", NO_POLICY),
        ("foreign @p", WRONG_TYPE),
    ] {
        for command in ["ACQUIRE", "PEEK", "RETURN"] {
            assert_eq!(
                client.ask(&format!("RATELIMIT.{command} {words}")).error(),
                error,
                "{command} {words}"
            );
        }
    }
}

fn nothing_that_was_sent_is_echoed(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for secret in [&b"s3cret"[..], b"%s%n", b"s\r\n+OK\r\n", b"\0s", b"\xffs"] {
        let text = [b"a LIMIT 1 EX ", secret].concat();
        for call in [
            &args!["RATELIMIT.ACQUIRE", "k", [b"@", secret].concat()][..],
            &args!["RATELIMIT.ACQUIRE", "k", "@p", secret],
            &args!["RATELIMIT.POLICY", "SET", secret],
            &args!["RATELIMIT.POLICY", "SET", "a", "LIMIT", "1", "EX", secret],
            &args!["RATELIMIT.POLICY", "REPLACE", text],
            &args!["CONFIG", "SET", "sluice.policies", text],
        ] {
            let error = client.call(call);
            assert!(!error.error().contains("s3") && !error.error().contains('%'), "{error:?}");
        }
    }
    assert_eq!(client.call(&words("RATELIMIT.POLICY LIST")).array().len(), 0);
    client.assert_in_step();
}
