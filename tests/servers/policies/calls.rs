//! A call by a policy is the call with the policy's limits spelled out, wherever it stands.

use sluice_testing::{Client, Kind, Server, on_every_server, words};

use crate::policies::{int, shown};
use crate::shared::random::Random;
use crate::shared::{at_noon, script};

on_every_server![
    whatever_is_called_is_answered_as_the_limits_spelled_out,
    costs_stand_for_the_first_limits_whatever_these_are_by_now,
    options_stand_before_a_policy_and_behind_it,
    a_policy_is_known_in_transactions_and_scripts,
    a_transaction_changes_a_policy_between_its_calls,
    only_acquires_are_counted,
];

const LIMITS: [&str; 4] = [
    "LIMIT 10 EX 10",
    "LIMIT 3 PX 2500 BURST 7 LIMIT 20 EX 60 COST 2",
    "LIMIT 5 EX 5 STRICT LIMIT 100 EX 3600 ALIGN 0 COST 0",
    "LIMIT 7 EX 1 COST 3 LIMIT 9 EX 1 COST 3 LIMIT 11 EX 1 COST 3",
];

/// Two keys that are treated alike, one by policies, one by words, stay alike; a third is called by either.
fn whatever_is_called_is_answered_as_the_limits_spelled_out(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    for (n, limits) in LIMITS.iter().enumerate() {
        assert_eq!(client.ask(&format!("RATELIMIT.POLICY SET p{n} {limits}")).int(), 1);
    }
    let mut random = Random(7);
    for step in 0..1500 {
        server.set_clock_us(crate::shared::NOON_MS * 1000 + step * 211_003);
        let n = random.below(LIMITS.len());
        let (command, option) = match random.below(12) {
            0..4 => ("ACQUIRE", ""),
            4 => ("ACQUIRE", "PARTIAL"),
            5 => ("ACQUIRE", "FORCE"),
            6 | 7 => ("ACQUIRE", "MAXWAIT 30000"),
            8 => ("PEEK", "MAXWAIT 5"),
            9 => ("PEEK", ""),
            10 => ("RETURN", ""),
            _ => ("RETURN", "DUE 500"),
        };
        let mut ask = |key: &str, limits: &str| {
            let reply = client.ask(&format!("RATELIMIT.{command} {key} {limits} {option}"));
            (reply, client.call(&["GET", key]), client.call(&["PEXPIRETIME", key]))
        };
        let by_name = format!("@p{n}");
        let (named, spelled) = (ask("named", &by_name), ask("spelled", LIMITS[n]));
        assert_eq!(named, spelled, "step {step}: {command} {} {option}", LIMITS[n]);
        let either = ask("either", if step % 2 == 0 { &by_name } else { LIMITS[n] });
        assert_eq!(either, spelled, "step {step}: {command} {} {option}", LIMITS[n]);
    }
    client.assert_in_step();
}

fn costs_stand_for_the_first_limits_whatever_these_are_by_now(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    let mut expect = |limits: &str, costs: &str, spelled: &str| {
        client.call(&words(&format!("RATELIMIT.POLICY SET p {limits}"))).int();
        let named = client.ask(&format!("RATELIMIT.PEEK k @p {costs}"));
        assert_eq!(named, client.ask(&format!("RATELIMIT.PEEK k {spelled}")), "{limits}, {costs}");
    };
    let two = "LIMIT 60 EX 60 LIMIT 90 EX 90 COST 5";
    expect(two, "", two);
    expect(two, "COST 2", "LIMIT 60 EX 60 COST 2 LIMIT 90 EX 90 COST 5");
    expect(two, "cost 0 7", "LIMIT 60 EX 60 COST 0 LIMIT 90 EX 90 COST 7");
    expect(two, "COST 1 2 3 4 5 6 7 9223372036854775807", "LIMIT 60 EX 60 LIMIT 90 EX 90 COST 2");
    // A limit is added, and one is taken away: the caller's numbers stay.
    expect(
        "LIMIT 60 EX 60 LIMIT 90 EX 90 LIMIT 9 EX 1 COST 4",
        "COST 3 2",
        "LIMIT 60 EX 60 COST 3 LIMIT 90 EX 90 COST 2 LIMIT 9 EX 1 COST 4",
    );
    expect("LIMIT 60 EX 60", "COST 3 2", "LIMIT 60 EX 60 COST 3");
    expect("LIMIT 60 EX 60 COST 0", "", "LIMIT 60 EX 60 COST 0");
}

fn options_stand_before_a_policy_and_behind_it(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 9 EX 9 LIMIT 8 EX 8");
    let expected = client.ask("RATELIMIT.PEEK k LIMIT 9 EX 9 COST 5 LIMIT 8 EX 8 COST 6 FORCE");
    for words in ["FORCE @p COST 5 6", "@p FORCE COST 5 6", "@p COST 5 6 FORCE", "@p cost 5 6 force"] {
        assert_eq!(client.ask(&format!("RATELIMIT.PEEK k {words}")), expected, "{words}");
    }
}

fn a_policy_is_known_in_transactions_and_scripts(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 3 EX 3");
    let replies = client.pipeline(&["MULTI", "RATELIMIT.ACQUIRE k @p", "RATELIMIT.ACQUIRE k @none", "EXEC"]);
    assert_eq!(replies[3].array()[0].ints()[..3], [1, 0, 2]);
    assert_eq!(replies[3].array()[1].error(), "NOPOLICY no such policy");
    assert_eq!(client.call(&script("RATELIMIT.ACQUIRE k @p COST 2")).ints()[..3], [1, 0, 0]);
    assert_eq!(client.call(&script("RATELIMIT.ACQUIRE k @none")).error(), "NOPOLICY no such policy");
    let set = ["EVAL", "return redis.call('RATELIMIT.POLICY', 'SET', 'q', 'LIMIT', 5, 'EX', 1)", "0"];
    assert_eq!(client.call(&set).int(), 1);
    assert_eq!(client.ask("RATELIMIT.PEEK q @q").ints()[3], 5);
    client.assert_in_step();
}

fn a_transaction_changes_a_policy_between_its_calls(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    let replies = client.pipeline(&[
        "MULTI",
        "RATELIMIT.POLICY SET p LIMIT 3 EX 3",
        "RATELIMIT.ACQUIRE k @p",
        "RATELIMIT.POLICY SET p LIMIT 5 EX 3",
        "RATELIMIT.ACQUIRE k @p",
        "RATELIMIT.POLICY DEL p",
        "RATELIMIT.ACQUIRE k @p",
        "EXEC",
    ]);
    let replies = replies[7].array();
    assert_eq!([&replies[0], &replies[2], &replies[4]].map(|reply| reply.int()), [1, 0, 1]);
    assert_eq!(replies[1].ints()[..4], [1, 0, 2, 3]);
    assert_eq!(replies[3].ints()[..4], [1, 0, 3, 5]);
    assert_eq!(replies[5].error(), "NOPOLICY no such policy");
}

fn only_acquires_are_counted(kind: Kind) {
    let server = Server::setup(kind).clock_ms(crate::shared::NOON_MS).start();
    let mut client: Client = server.connect_resp3();
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 3 EX 3");
    for line in [
        "RATELIMIT.ACQUIRE k @p COST 2",
        "RATELIMIT.ACQUIRE k @p COST 2 PARTIAL",
        "RATELIMIT.ACQUIRE k @p",
        "RATELIMIT.ACQUIRE k @p FORCE",
        "RATELIMIT.ACQUIRE k @p COST 4",
        "RATELIMIT.ACQUIRE k LIMIT 3 EX 3",
        "RATELIMIT.PEEK k @p",
        "RATELIMIT.RETURN k @p",
        "RATELIMIT.ACQUIRE k @p NONSENSE",
        "RATELIMIT.ACQUIRE k @p COST 0",
    ] {
        client.ask(line);
    }
    assert_eq!(shown(&mut client, "p"), "LIMIT 3 EX 3; 3, 2, 0");
    let section = client.ask("INFO sluice_policies");
    assert!(section.text().contains("sluice_policy_p:granted=3,refused=2,shadow=0\r\n"), "{section:?}");
    assert_eq!(client.info("sluice", "sluice_refused"), "3");
    // A policy that is changed goes on counting; one that is made anew begins.
    int(&mut client, "RATELIMIT.POLICY REPLACE 'p LIMIT 9 EX 9; q LIMIT 1 EX 1'");
    assert_eq!(shown(&mut client, "p"), "LIMIT 9 EX 9; 3, 2, 0");
    int(&mut client, "RATELIMIT.POLICY DEL p");
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 9 EX 9");
    assert_eq!(shown(&mut client, "p"), "LIMIT 9 EX 9; 0, 0, 0");
}
