//! What stands in a key, how long it stays, and how INFO shows it.

use sluice_testing::{Kind, Reply, Server, on_every_server};

use crate::shared::NOON_MS;

on_every_server![
    get_reads_as_the_contract_spells_it,
    the_longest_state_of_rates_has_751_bytes,
    a_state_of_every_form_reads_as_the_contract_spells_it,
    a_state_keeps_its_width,
    it_expires_when_all_has_been_full_for_its_slack,
    it_is_gone_when_all_is_full,
    a_refused_call_is_no_change,
    info_shows_each_limit,
    info_shows_a_debt,
    info_is_nil_when_nothing_is_used,
    what_was_kept_for_too_long_is_as_good_as_gone,
    the_counters_count,
];

fn get_reads_as_the_contract_spells_it(kind: Kind) {
    let server = Server::setup(kind).clock_us(NOON_MS * 1000 + 1).start();
    let mut client = server.connect();
    for (number, (limits, state)) in [
        ("LIMIT 100 EX 60 BURST 20", "1800000000600001000:100/60000:20"),
        ("LIMIT 1 PX 1", "1800000000001001000:1/1:1"),
        ("LIMIT 1000000 PX 1", "1800000000000001001:1000000/1:1000000"),
        ("LIMIT 3 EX 1", "1800000000333334333+1:3/1000:3"),
        ("LIMIT 3 EX 1 COST 3", "1800000001000001000+0:3/1000:3"),
        ("LIMIT 300 EX 1", "1800000000003334333+100:300/1000:300"),
        ("LIMIT 300 EX 1 COST 4", "1800000000013334333+100:300/1000:300"),
        ("LIMIT 300 EX 1 COST 3", "1800000000010001000+000:300/1000:300"),
        (
            "LIMIT 10 EX 1 LIMIT 1000 EX 3600",
            "1800000000100001000:10/1000:10;1800000003600001000:1000/3600000:1000",
        ),
        (
            "LIMIT 10 EX 1 COST 0 LIMIT 10 EX 2",
            "0000000000000000000:10/1000:10;1800000000200001000:10/2000:10",
        ),
        (
            "LIMIT 3 EX 1 COST 0 LIMIT 10 EX 2",
            "0000000000000000000+0:3/1000:3;1800000000200001000:10/2000:10",
        ),
        ("LIMIT 1 EX 3155760000", "4955760000000001000:1/3155760000000:1"),
    ]
    .into_iter()
    .enumerate()
    {
        client.ask(&format!("RATELIMIT.ACQUIRE k{number} {limits}")).ints();
        assert_eq!(client.ask(&format!("GET k{number}")).text(), state, "{limits}");
        // And it is read back.
        assert!(!client.ask(&format!("RATELIMIT.INFO k{number}")).array().is_empty(), "{limits}");
    }
}

fn the_longest_state_of_rates_has_751_bytes(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let limits = " LIMIT 3155759999999999999 PX 3155760000000".repeat(8);
    for left in 1..=2 {
        let left = 3_155_759_999_999_999_999 - left;
        let reply = [1, 0, left, 3_155_759_999_999_999_999, 1, 0];
        assert_eq!(client.ask(&format!("RATELIMIT.ACQUIRE k{limits}")).ints(), reply);
        assert_eq!(client.ask("STRLEN k").int(), 751);
    }
    assert_eq!(client.ask("RATELIMIT.INFO k").array().len(), 8);
    let clause =
        "1800000000000000002+0000000000000000002:3155759999999999999/3155760000000:3155759999999999999";
    assert_eq!(client.ask("GET k").text(), [clause; 8].join(";"));
}

fn a_state_of_every_form_reads_as_the_contract_spells_it(kind: Kind) {
    let server = Server::setup(kind).clock_us(NOON_MS * 1000 + 1).start();
    let mut client = server.connect();
    for (number, (lines, state)) in [
        // A ms begun is a ms.
        (&["ACQUIRE LIMIT 3 EX 1 STRICT"][..], "1@1800000001001:3/1000:S"),
        (&["ACQUIRE LIMIT 3 EX 1 STRICT", "ACQUIRE LIMIT 3 EX 1 STRICT COST 2"], "3@1800000001001:3/1000:S"),
        (&["ACQUIRE LIMIT 3 EX 86400 ALIGN 54000"], "1@1800025200000:3/86400000:A54000000"),
        (&["ACQUIRE LIMIT 3 EX 60 ALIGN 60"], "1@1800000060000:3/60000:A0"),
        (&["ACQUIRE LIMIT 2 EX 1 STRICT COST 0 LIMIT 5 EX 9"], "0@0:2/1000:S;1800000001800001000:5/9000:5"),
        // A turn lies ahead.
        (
            &["ACQUIRE LIMIT 1 EX 1 STRICT", "ACQUIRE LIMIT 1 EX 1 STRICT MAXWAIT 60000"],
            "1@1800000002001:1/1000:S",
        ),
        (
            &[
                "ACQUIRE LIMIT 2 EX 1 STRICT LIMIT 1 EX 5",
                "ACQUIRE LIMIT 2 EX 1 STRICT LIMIT 1 EX 5 MAXWAIT 60000",
            ],
            "1@1800000001001,1+5000:2/1000:S;1800000010000001000:1/5000:1",
        ),
        (&["ACQUIRE LIMIT 1 EX 1 COST 99 FORCE"], "-1800000099000001000:1/1000:1"),
        (
            &["ACQUIRE LIMIT 10 EX 10 COST 4", "ACQUIRE LIMIT 20 EX 10", "ACQUIRE LIMIT 3 EX 10 STRICT"],
            "1800000005000001000~1800000004001:10/10000:10|1800000002500001000~1800000002501:20/10000:20|\
             3@1800000010001~1800000000001:3/10000:S",
        ),
        (&["HOLD PX 5"], "!1800000000006,1800000000001+6"),
        (
            &["ACQUIRE LIMIT 1 EX 1", "HOLD PX 1000", "HOLD PX 1002"],
            "1800000002003001000:1/1000:1!1800000001003,1800000000001+1001,1800000000001+2",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        for line in lines {
            let (command, words) = line.split_once(' ').unwrap();
            let reply = client.ask(&format!("RATELIMIT.{command} f{number} {words}"));
            assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        }
        assert_eq!(client.ask(&format!("GET f{number}")).text(), state, "{lines:?}");
        // And it is read back, and written again as it was.
        assert!(!client.ask(&format!("RATELIMIT.INFO f{number}")).array().is_empty(), "{lines:?}");
    }
}

fn a_state_keeps_its_width(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let limits = "LIMIT 300 EX 100 COST 7 LIMIT 7 EX 86400 COST 0 LIMIT 1000 EX 9";
    client.ask(&format!("RATELIMIT.ACQUIRE k {limits}")).ints();
    let width = client.ask("STRLEN k").int();
    assert_eq!(width, 108);
    for step in 1..1000 {
        server.set_clock_us(NOON_MS * 1000 + step * 12_347);
        let command = ["ACQUIRE", "ACQUIRE", "RETURN"][usize::try_from(step).unwrap() % 3];
        client.ask(&format!("RATELIMIT.{command} k {limits}")).ints();
        assert_eq!(client.ask("STRLEN k").int(), width);
    }
}

fn it_expires_when_all_has_been_full_for_its_slack(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (now_us, line, ms) in [
        // A second of slack, or a quarter of the rest; and used for a second at least.
        (0, "RATELIMIT.ACQUIRE k LIMIT 1 EX 1", 1000 + 1000),
        (0, "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 MAXWAIT 9000", 2000),
        (0, "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 MAXWAIT 9000", 3000 + 1000),
        (0, "RATELIMIT.RETURN k LIMIT 1 EX 1 COST 2", 1000 + 1000),
        (0, "RATELIMIT.ACQUIRE third LIMIT 3 EX 1", 1000 + 1000),
        (0, "RATELIMIT.ACQUIRE third LIMIT 3 EX 1 COST 2", 1000 + 1000),
        (0, "RATELIMIT.ACQUIRE two LIMIT 1 EX 9 LIMIT 1 EX 7", 9000 + 2250),
        (0, "RATELIMIT.ACQUIRE quick LIMIT 1000000 PX 1", 1000 + 1000),
        (0, "RATELIMIT.ACQUIRE strict LIMIT 9 EX 9 STRICT", 9000 + 2250),
        (457, "RATELIMIT.ACQUIRE later LIMIT 1 EX 1", 1001 + 1000),
        // Beyond the ms by a thousandth of a nanosecond.
        (0, "RATELIMIT.ACQUIRE hair LIMIT 999999 EX 9 COST 555556", 5001 + 1250),
        (0, "RATELIMIT.ACQUIRE no-hair LIMIT 999999 EX 9 COST 555555", 5000 + 1250),
        (1000, "RATELIMIT.ACQUIRE whole LIMIT 1 EX 1", 1001 + 1000),
        (1001, "RATELIMIT.ACQUIRE more LIMIT 1 EX 1", 1002 + 1000),
        (1001, "RATELIMIT.ACQUIRE forced LIMIT 1 EX 1 COST 5 FORCE", 5002 + 1250),
    ] {
        server.set_clock_us(NOON_MS * 1000 + now_us);
        client.ask(line).ints();
        let key = line.split(' ').nth(1).unwrap();
        assert_eq!(client.ask(&format!("PEXPIRETIME {key}")).int(), NOON_MS + ms, "{line}");
    }
}

fn it_is_gone_when_all_is_full(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 4 LIMIT 3 EX 1").ints();
    server.set_clock_ms(NOON_MS + 3999);
    assert_eq!(client.ask("EXISTS k").int(), 1);
    assert_eq!(client.ask("RATELIMIT.INFO k").array().len(), 2);
    // From here on it means nothing, though it is there for a second longer.
    server.set_clock_ms(NOON_MS + 4000);
    assert!(client.ask("RATELIMIT.INFO k").is_null());
    assert_eq!(client.ask("EXISTS k").int(), 1);
    // A server keeps a key to the end of the ms at which it expires.
    server.set_clock_ms(NOON_MS + 5001);
    assert!(client.ask("RATELIMIT.INFO k").is_null());
    assert_eq!(client.ask("RATELIMIT.PEEK k LIMIT 10 EX 10 COST 0").ints(), [1, 0, 10, 10, 0, 0]);
    assert_eq!(client.ask("EXISTS k").int(), 0);
    // The next call finds nothing of it, not even another limit.
    client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1").ints();
    assert_eq!(client.ask("GET k").text(), "1800000006001000000:1/1000:1");
}

fn a_refused_call_is_no_change(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let limits = "LIMIT 5 EX 5 LIMIT 9 EX 9";
    for granted in 1..=5 {
        client.ask(&format!("RATELIMIT.ACQUIRE k {limits}")).ints();
        assert_eq!(client.info("persistence", "rdb_changes_since_last_save"), granted.to_string());
    }
    let state = client.ask("DUMP k");
    for refused in ["ACQUIRE k", "PEEK k", "ACQUIRE new LIMIT 1 EX 1 COST 2", "PEEK new", "RETURN new"] {
        for mode in ["", "DUE 0", "PARTIAL", "MAXWAIT 999"] {
            client.ask(&format!("RATELIMIT.{refused} {limits} {mode}"));
        }
    }
    assert_eq!(client.info("persistence", "rdb_changes_since_last_save"), "5");
    assert_eq!(client.ask("DUMP k"), state);
    assert_eq!(client.ask("PEXPIRETIME k").int(), NOON_MS + 6250);
    assert_eq!(client.ask("DBSIZE").int(), 1);
}

/// What INFO shows of each limit: count, period-ms, burst, remaining, next-ms, reset-ms.
fn info(reply: &Reply) -> Vec<Vec<i64>> {
    let names = ["count", "period-ms", "burst", "remaining", "next-ms", "reset-ms"];
    let limit = |map: &Reply| {
        let (fields, values): (Vec<Reply>, Vec<Reply>) = map.pairs().into_iter().unzip();
        assert!(fields.iter().map(Reply::text).eq(names));
        values.iter().map(Reply::int).collect()
    };
    reply.array().iter().map(limit).collect()
}

fn info_shows_each_limit(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    for mut client in [server.connect(), server.connect_resp3()] {
        server.set_clock_ms(NOON_MS);
        client.ask("DEL k");
        client
            .ask("RATELIMIT.ACQUIRE k LIMIT 3 EX 1 LIMIT 10 EX 60 BURST 4 COST 4 LIMIT 9 EX 9 COST 0")
            .ints();
        for (after_ms, expected) in [
            (0, [[3, 1000, 3, 2, 334, 334], [10, 60_000, 4, 0, 6000, 24_000], [9, 9000, 9, 9, 0, 0]]),
            (1, [[3, 1000, 3, 2, 333, 333], [10, 60_000, 4, 0, 5999, 23_999], [9, 9000, 9, 9, 0, 0]]),
            (333, [[3, 1000, 3, 2, 1, 1], [10, 60_000, 4, 0, 5667, 23_667], [9, 9000, 9, 9, 0, 0]]),
            (334, [[3, 1000, 3, 3, 0, 0], [10, 60_000, 4, 0, 5666, 23_666], [9, 9000, 9, 9, 0, 0]]),
            (6000, [[3, 1000, 3, 3, 0, 0], [10, 60_000, 4, 1, 6000, 18_000], [9, 9000, 9, 9, 0, 0]]),
            (23_999, [[3, 1000, 3, 3, 0, 0], [10, 60_000, 4, 3, 1, 1], [9, 9000, 9, 9, 0, 0]]),
        ] {
            server.set_clock_ms(NOON_MS + after_ms);
            assert_eq!(info(&client.ask("RATELIMIT.INFO k")), expected, "after {after_ms} ms");
        }
    }
}

fn info_shows_a_debt(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 2 COST 5 FORCE").ints();
    // 3 tokens of debt, and one more until there is one to take.
    assert_eq!(info(&client.ask("RATELIMIT.INFO k")), [[2, 2000, 2, 0, 4000, 5000]]);
    server.set_clock_ms(NOON_MS + 4000);
    assert_eq!(info(&client.ask("RATELIMIT.INFO k")), [[2, 2000, 2, 1, 1000, 1000]]);
}

fn info_is_nil_when_nothing_is_used(kind: Kind) {
    let server = Server::setup(kind).clock_us(NOON_MS * 1000 + 457).start();
    let mut client = server.connect();
    assert!(client.ask("RATELIMIT.INFO k").is_null());
    client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1 LIMIT 9 EX 1").ints();
    for (us, full) in [(1_000_456, false), (1_000_457, true), (2_001_999, true), (2_002_000, true)] {
        server.set_clock_us(NOON_MS * 1000 + us);
        // The key expires at a whole ms, a second later, and until that is over it is still there, and full.
        assert_eq!(client.ask("EXISTS k").int(), i64::from(us < 2_002_000), "at {us} us");
        assert_eq!(client.ask("RATELIMIT.INFO k").is_null(), full, "at {us} us");
    }
    // 1000 ns and a thousandth of one: after a microsecond less than a nanosecond is left, and not nothing.
    client.ask("RATELIMIT.ACQUIRE hair LIMIT 999999 EX 1").ints();
    server.set_clock_us(NOON_MS * 1000 + 2_002_001);
    assert_eq!(info(&client.ask("RATELIMIT.INFO hair")), [[999_999, 1000, 999_999, 999_998, 1, 1]]);
    server.set_clock_us(NOON_MS * 1000 + 2_002_002);
    assert!(client.ask("RATELIMIT.INFO hair").is_null());
}

fn what_was_kept_for_too_long_is_as_good_as_gone(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("RATELIMIT.ACQUIRE k LIMIT 10 EX 10 COST 4 LIMIT 3 EX 1").ints();
    client.ask("PERSIST k");
    server.set_clock_ms(NOON_MS + 3_600_000);
    assert!(client.ask("RATELIMIT.INFO k").is_null());
    assert_eq!(client.ask("RATELIMIT.PEEK k LIMIT 10 EX 10 COST 0").ints(), [1, 0, 10, 10, 0, 0]);
    assert_eq!(client.ask("RATELIMIT.RETURN k LIMIT 10 EX 10").ints(), [0, 0, 10, 10, 0, 0]);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 5 EX 5").ints(), [1, 0, 4, 5, 1000, 0]);
    assert_eq!(client.ask("GET k").text(), "1800003601000000000:5/5000:5");
    assert_eq!(client.ask("PTTL k").int(), 2000);
}

fn the_counters_count(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for line in [
        "ACQUIRE k LIMIT 4 EX 4",                  // granted
        "ACQUIRE k LIMIT 4 EX 4 COST 5",           // refused, never
        "ACQUIRE k LIMIT 4 EX 4 COST 9 PARTIAL",   // granted, partial
        "ACQUIRE k LIMIT 4 EX 4 COST 9 PARTIAL",   // refused
        "ACQUIRE k LIMIT 4 EX 4",                  // refused
        "ACQUIRE k LIMIT 4 EX 4 FORCE",            // granted, forced
        "ACQUIRE k LIMIT 4 EX 4 MAXWAIT 1000",     // refused
        "ACQUIRE k LIMIT 4 EX 4 MAXWAIT 2000",     // granted, reserved
        "ACQUIRE other LIMIT 4 EX 4 MAXWAIT 2000", // granted
        "RETURN k LIMIT 4 EX 4 DUE 2000",          // returned
        "RETURN k LIMIT 4 EX 4 DUE 0",             // not
        "ACQUIRE k LIMIT 8 EX 4 COST 3",           // refused, mixed
        "PEEK k LIMIT 4 EX 4",                     // none
        "INFO k",                                  // none
        "ACQUIRE k LIMIT 4 EX 4 MAXWAIT 9999999",  // an error: none
    ] {
        client.ask(&format!("RATELIMIT.{line}"));
    }
    let expected = [
        ("granted", 5),
        ("refused", 5),
        ("never", 1),
        ("partial", 1),
        ("forced", 1),
        ("reserved", 1),
        ("returned", 1),
        ("repaired", 0),
        ("mixed", 1),
        ("forgotten", 0),
        ("debt_cut", 0),
        ("held", 0),
    ];
    for (counter, count) in expected {
        assert_eq!(client.info("sluice", &format!("sluice_{counter}")), count.to_string(), "{counter}");
    }
}
