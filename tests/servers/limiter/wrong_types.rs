//! A key that holds anything but a limiter's state is left alone.

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server};

use crate::shared::WRONG_TYPE;

on_every_server![
    anything_else_is_the_wrong_type_and_stays_as_it_was,
    a_stranger_may_do_with_our_key_as_with_any_string,
    what_a_stranger_has_spoilt_is_no_longer_ours,
    what_a_stranger_has_copied_is_ours_as_well,
];

const CALLS: &[&str] = &[
    "RATELIMIT.ACQUIRE k LIMIT 100 EX 60 BURST 20",
    "RATELIMIT.ACQUIRE k LIMIT 100 EX 60 BURST 20 COST 21",
    "RATELIMIT.ACQUIRE k LIMIT 100 EX 60 PARTIAL",
    "RATELIMIT.ACQUIRE k LIMIT 100 EX 60 FORCE",
    "RATELIMIT.ACQUIRE k LIMIT 100 EX 60 LIMIT 1 EX 1 MAXWAIT 60000",
    "RATELIMIT.PEEK k LIMIT 100 EX 60 BURST 20",
    "RATELIMIT.PEEK k LIMIT 100 EX 60 COST 0",
    "RATELIMIT.RETURN k LIMIT 100 EX 60 BURST 20",
    "RATELIMIT.RETURN k LIMIT 100 EX 60 BURST 20 COST 9223372036854775807 DUE 0",
    "RATELIMIT.INFO k",
    "RATELIMIT.ACQUIRE k LIMIT 3 EX 1 STRICT",
    "RATELIMIT.PEEK k LIMIT 3 EX 86400 ALIGN 0 COST 0",
    "RATELIMIT.HOLD k EX 5",
    "RATELIMIT.HOLD k OFF",
    "RATELIMIT.TURN k 5",
];

/// Commands that each leave something in `k` that is not ours.
const OTHER_TYPES: &[&str] = &[
    "RPUSH k 1795640112345678900:100/60000:20",
    "HSET k field 1795640112345678900:100/60000:20",
    "SADD k member",
    "SADD k 1 2 3",
    "ZADD k 1 member",
    "XADD k 1-1 field value",
    "PFADD k a b c",
    "GEOADD k 13.4 52.5 berlin",
    "SETBIT k 7000 1",
];

/// Nearly a state; what is wrong with it, beside it.
const NEARLY: &[(&str, &str)] = &[
    ("1795640112345678900:100/60000:20;", "a mark too many"),
    (";1795640112345678900:100/60000:20", "a mark in front"),
    ("1795640112345678900:100/60000:20;;1795640112345678900:100/60000:20", "an empty clause"),
    ("1795640112345678900:100/60000:20,1795640112345678900:100/60000:20", "another mark"),
    ("1795640112345678900:100/60000:20:1", "a field too many"),
    ("1795640112345678900:100/60000000", "a field too few"),
    ("1795640112345678900 :100/60000:20", "a blank"),
    ("1795640112345678900:100/60000:20 ", "a blank at the end"),
    (" 1795640112345678900:100/60000:20", "a blank in front"),
    ("179564011234567890:100/60000:20", "a digit of the tat too few"),
    ("01795640112345678900:100/60000:20", "a digit of the tat too many"),
    ("-795640112345678900:100/60000:20", "a sign"),
    ("9223372036854775808:100/60000:20", "a tat of 64 bits"),
    ("1795640112345678900:0100/60000:20", "a leading zero"),
    ("1795640112345678900:100/060000:20", "a leading zero"),
    ("1795640112345678900:100/60000:020", "a leading zero"),
    ("1795640112345678900:0/60000:20", "no tokens"),
    ("1795640112345678900:100/0:20000", "no period"),
    ("1795640112345678900:100/60000:0", "no burst"),
    ("1795640112345678900:100/:20000", "a field empty"),
    ("1795640112345678900:100/3155760000001:1", "a period beyond 100 years"),
    ("1795640112345678900:1/3155760000000:2", "a bucket beyond 100 years"),
    ("1795640112345678900:1000001/1:1", "more than a token a nanosecond"),
    ("1795640112345678900:9223372036854775808/60000:20", "a count of 64 bits"),
    ("1795640112345678900:18446744073709551617/60000:20", "a count that wraps to 1"),
    ("1795640112345678900:100/60000:18446744073709551636", "a burst that wraps to 20"),
    ("1795640112345678900+000:100/60000:20", "a remainder where none can be"),
    ("1795640112345678900:3/1000:3", "no remainder where one can be"),
    ("1795640112345678900+:3/1000:3", "an empty remainder"),
    ("1795640112345678900+3:3/1000:3", "a remainder of a whole ns"),
    ("1795640112345678900+01:3/1000:3", "a remainder too wide"),
    ("1795640112345678900+1:30/1001:30", "a remainder too narrow"),
    ("1795640112345678900:100/60000:2O", "a letter"),
    ("1795640112345678900:100/60000:20\n", "a line feed"),
    ("1795640112345678900:100/60000:20\0", "a NUL"),
    ("1795640112345678900;100/60000:20", "the wrong mark"),
    ("\u{661}795640112345678900:100/60000:20", "a digit of another script"),
    // Several limits at a place, and what their own callers used.
    ("1795640112345678900:100/60000:20|1795640112345678900:100/60000:30", "no own times at a shared place"),
    (
        "1795640112345678900~1795640112346:100/60000:20|1795640112345678900:100/60000:30",
        "one own time of two",
    ),
    ("1795640112345678900~1795640112346:100/60000:20", "an own time that says nothing"),
    ("1795640112345678900~179564011234:100/60000:20", "an own time too short"),
    ("1795640112345678900~01795640112345:100/60000:20", "an own time too long"),
    ("1795640112345678900~:100/60000:20", "an empty own time"),
    (
        "1795640112345678900~1795640112346:100/60000:20|1795640112345678900~1795640112346:100/60000:20",
        "a limit twice at a place",
    ),
    ("1795640112345678900~1795640112346:100/60000:20|", "half a place"),
    ("|1795640112345678900~1795640112346:100/60000:20", "half a place in front"),
    // A forced debt.
    ("--1795640112345678900:100/60000:20", "two marks"),
    ("-0000000000000000000:100/60000:20", "a forced debt of nothing"),
    ("-1@1900000001000:3/1000:S", "a forced window"),
    // Windows.
    ("1@1900000001000:3/1000:s", "a small letter"),
    ("1@1900000001000:3/1000:S5", "a number behind it"),
    ("1@1900000001000:3/1000:S:3", "a field too many"),
    ("1@1900000001000:3/1000:", "no kind"),
    ("1@1900000001000:3/1000:3", "the form of a rate"),
    ("1795640112345678900:3/1000:S", "the times of a rate"),
    ("1@1900000001000:3/1000:A", "no offset"),
    ("1@1900000001000:3/1000:A1000", "an offset of a period"),
    ("1@1900000001000:3/1000:A01", "a leading zero"),
    ("1@1900000001000:3/1000:A-1", "a sign"),
    ("4@1900000001000:3/1000:S", "more tokens than there are"),
    ("2@1900000001000,2+5:3/1000:S", "more tokens than there are, in two entries"),
    ("0@1900000001000:3/1000:S", "no tokens"),
    ("1@1900000001000,0+5:3/1000:S", "no tokens in the second entry"),
    ("1@1900000001000,1+0:3/1000:S", "twice the same time"),
    ("1@1900000001000,1+05:3/1000:S", "a leading zero"),
    ("01@1900000001000:3/1000:S", "a leading zero"),
    ("1@01900000001000:3/1000:S", "a leading zero"),
    ("1@0000000000000:3/1000:S", "time 0"),
    ("0@0,1+1900000001000:3/1000:S", "idle, and not"),
    ("1@1900000001000,:3/1000:S", "an empty entry"),
    ("1@1900000001000,1@5:3/1000:S", "a time where a gap belongs"),
    ("1@9223372036856:3/1000:S", "a time beyond 2262"),
    ("1@18446744073709551615,1+1:3/1000:S", "a time that wraps"),
    ("18446744073709551617@1900000001000:3/1000:S", "a number that wraps to 1"),
    ("1@1900000001000:1000001/1:S", "more than a token a nanosecond"),
    ("1@1900000001000:3/3155760000001:S", "a period beyond 100 years"),
    // Holds.
    ("1795640112345678900:100/60000:20!", "an empty hold"),
    ("!190000000100,1900000000000+1000", "an end too short"),
    ("!01900000001000,1900000000000+1000", "an end too long"),
    ("!0000000000000,1900000000000+1000", "no end"),
    ("!9223372036855,1900000000000+1000", "an end beyond 2262"),
    ("!1900000001000,1900000000000", "a hold of no length"),
    ("!1900000001000,1900000000000+0", "a hold of 0 ms"),
    ("!1900000001000,1900000000000+01000", "a leading zero"),
    ("!1900000001000,190000000000+1000", "a beginning too short"),
    ("!1900000001000,1900000000001+1,1900000000000+1", "not in order"),
    ("!1900000001000,1900000000000+18446744073709551615,1900000000000+1", "a sum that wraps"),
    ("!1900000001000,1900000000000+1000;1795640112345678900:100/60000:20", "a limit behind the hold"),
    ("!1900000001000,1900000000000+1000!1900000001000,1900000000000+1000", "two holds"),
    ("!!1900000001000,1900000000000+1000", "a mark too many"),
    // What a later version might write.
    ("1795640112345678900:100/60000:20#1", "a field behind it"),
    ("2!1795640112345678900:100/60000:20", "a version in front"),
    ("1@1900000001000:3/1000:W", "another kind of window"),
    ("*1795640112345678900:100/60000:20", "another mark of a debt"),
    ("1795640112345678900^1795640112345:100/60000:20", "another field"),
    ("!1900000001000,1900000000000+1000?", "another field of a hold"),
];

/// All that anybody can see of a value without changing it.
fn seen(client: &mut Client) -> Vec<Reply> {
    ["DUMP k", "TYPE k", "PEXPIRETIME k"].map(|line| client.ask(line)).to_vec()
}

#[track_caller]
fn assert_left_alone(client: &mut Client, what: &str, also_its_encoding: bool) {
    for ttl in ["PERSIST k", "PEXPIREAT k 9000000000000"] {
        client.ask(ttl);
        let (before, encoding) = (seen(client), client.ask("OBJECT ENCODING k"));
        for call in CALLS {
            assert_eq!(client.ask(call), Reply::Error(WRONG_TYPE.to_owned()), "{call} on {what}");
            if also_its_encoding {
                assert_eq!(client.ask("OBJECT ENCODING k"), encoding, "{call} on {what}");
            }
        }
        assert_eq!(seen(client), before, "{what}");
    }
    client.ask("DEL k");
}

fn anything_else_is_the_wrong_type_and_stays_as_it_was(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for line in OTHER_TYPES {
        assert!(!matches!(client.ask(line), Reply::Error(_)), "{line}");
        assert_left_alone(&mut client, line, true);
    }
    for number in ["0", "7", "-1", "12345678901", "1795640112345678900", "-9223372036854775808"] {
        client.call(&["SET", "k", number]).assert_ok();
        assert_eq!(client.ask("OBJECT ENCODING k").text(), "int");
        assert_left_alone(&mut client, number, true);
    }
    // A state has 21 to 18,326 bytes. Strings of these lengths have to be looked at, which may change how the
    // server keeps them, but nothing that anybody can read. The longest integer has 20.
    for len in [0, 1, 20, 21, 25, 26, 44, 45, 64, 751, 1000, 18_326, 18_327, 20_000, 1 << 20] {
        for byte in [b'0', b'a', b':', 0, 0xff] {
            client.call(&args!["SET", "k", vec![byte; len]]).assert_ok();
            let too_short_or_long = !(21..=18_326).contains(&len);
            assert_left_alone(&mut client, &format!("{len} times {byte:#x}"), too_short_or_long);
        }
    }
    for (value, why) in NEARLY {
        client.call(&["SET", "k", value]).assert_ok();
        assert_left_alone(&mut client, why, false);
    }
    let nine_places = ["1795640112345678900:100/60000:20"; 9].join(";");
    let nine_at_one = (1..=9).map(|burst| format!("1795640112345678900~1795640112346:100/60000:{burst}"));
    let entries = (0..64).map(|_| "1+1").collect::<Vec<_>>().join(",");
    let moves = (0..9).map(|_| ",1900000000000+1").collect::<String>();
    for (what, value) in [
        ("nine places", nine_places),
        ("nine limits at a place", nine_at_one.collect::<Vec<_>>().join("|")),
        ("65 entries", format!("1@1900000001000,{entries}:100/60000:S")),
        ("nine holds", format!("!1900000001000{moves}")),
    ] {
        client.call(&["SET", "k", &value]).assert_ok();
        assert_left_alone(&mut client, what, false);
    }
    client.assert_in_step();
}

const ACQUIRE: &str = "RATELIMIT.ACQUIRE k LIMIT 10 EX 3600";
const PEEK: &str = "RATELIMIT.PEEK k LIMIT 10 EX 3600 COST 0";

fn a_stranger_may_do_with_our_key_as_with_any_string(kind: Kind) {
    let server = Server::setup(kind).clock_ms(1_800_000_000_000).start();
    let mut client = server.connect();
    assert_eq!(client.ask(ACQUIRE).ints(), [1, 0, 9, 10, 360_000, 0]);
    let state = "1800000360000000000:10/3600000:10";
    assert_eq!(client.ask("TYPE k").text(), "string");
    assert_eq!(client.ask("GET k").text(), state);
    assert_eq!(client.ask("MGET k none").array()[0].text(), state);
    assert_eq!(client.ask("STRLEN k").int(), 33);
    assert_eq!(client.ask("GETRANGE k 20 -1").text(), "10/3600000:10");
    assert_eq!(client.ask("PTTL k").int(), 360_000 + 60_000);
    assert_eq!(client.ask("SCAN 0").array()[1].array()[0].text(), "k");
    assert!(client.ask("MEMORY USAGE k").int() > 33);
    assert_eq!(client.ask("INCR k").error(), "ERR value is not an integer or out of range");
    assert!(client.ask("LPUSH k x").error().starts_with("WRONGTYPE "));
    // None of that, nor a time to live of somebody else's choice, takes a token or gives one back.
    for ttl in ["PEXPIRE k 500000", "PERSIST k", "PEXPIREAT k 1900000000000", "GETEX k PERSIST"] {
        client.ask(ttl);
        assert_eq!(client.ask(PEEK).ints(), [1, 0, 9, 10, 360_000, 0]);
    }
    // The next call puts the expiry right.
    assert_eq!(client.ask(ACQUIRE).ints(), [1, 0, 8, 10, 720_000, 0]);
    assert_eq!(client.ask("PEXPIRETIME k").int(), 1_800_000_720_000 + 60_000);
    assert_eq!(client.ask("DEL k").int(), 1);
    assert_eq!(client.ask(PEEK).ints(), [1, 0, 10, 10, 0, 0]);
    client.assert_in_step();
}

fn what_a_stranger_has_spoilt_is_no_longer_ours(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for spoil in ["APPEND k x", "SETRANGE k 0 x", "SETRANGE k 700 x", "SETBIT k 0 1", "SET k 1", "GETSET k 1"]
    {
        client.ask(ACQUIRE).ints();
        assert!(!matches!(client.ask(spoil), Reply::Error(_)), "{spoil}");
        for call in CALLS {
            assert_eq!(client.ask(call), Reply::Error(WRONG_TYPE.to_owned()), "{call} after {spoil}");
        }
        client.ask("DEL k");
    }
    client.assert_in_step();
}

fn what_a_stranger_has_copied_is_ours_as_well(kind: Kind) {
    let server = Server::setup(kind).clock_ms(1_800_000_000_000).start();
    let mut client = server.connect();
    client.ask(ACQUIRE).ints();
    client.ask(ACQUIRE).ints();
    client.ask("COPY k copied");
    client.ask("COPY k moved");
    client.ask("RENAME moved renamed").assert_ok();
    let (state, dump) = (client.ask("GET k"), client.ask("DUMP k"));
    client.call(&args!["RESTORE", "restored", 0, dump.bytes()]).assert_ok();
    client.call(&args!["SET", "set", state.bytes()]).assert_ok();
    // Written as an embedded string, and as one that has room to grow.
    client.call(&args!["SET", "grown", &state.bytes()[..20]]).assert_ok();
    client.call(&args!["APPEND", "grown", &state.bytes()[20..]]);
    for key in ["k", "copied", "renamed", "restored", "set", "grown"] {
        let peek = client.ask(&PEEK.replace(" k ", &format!(" {key} ")));
        assert_eq!(peek.ints(), [1, 0, 8, 10, 720_000, 0], "{key}");
        let acquire = client.ask(&ACQUIRE.replace(" k ", &format!(" {key} ")));
        assert_eq!(acquire.ints(), [1, 0, 7, 10, 1_080_000, 0], "{key}");
        assert_eq!(client.ask(&format!("GET {key}")).text(), "1800001080000000000:10/3600000:10");
        assert_eq!(client.ask(&format!("PEXPIRETIME {key}")).int(), 1_800_001_080_000 + 60_000);
    }
    client.assert_in_step();
}
