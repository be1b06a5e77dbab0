//! A key of the one is none of the other, and what is neither stays as it was. redis-cell ends the server by some of these.

use sluice_testing::{Client, Kind, args, on_every_server};

use crate::shared::WRONG_TYPE;
use crate::shared::hostile::KEYS;
use crate::throttle::start;

on_every_server![
    anything_else_is_the_wrong_type_and_stays_as_it_was,
    a_limit_is_no_throttle_and_a_throttle_is_no_limit,
    any_bytes_make_a_key,
    no_word_stops_the_server,
];

const CALLS: [&str; 3] = ["CL.THROTTLE k 4 1 1", "CL.THROTTLE k 4 1 1 0", "CL.THROTTLE k 4 1 1 -1"];

const OTHERS: [&str; 16] = [
    "RPUSH k 1800000001000000000",
    "HSET k field 1800000001000000000",
    "SADD k 1800000001000000000",
    "ZADD k 1 member",
    "XADD k 1-1 field value",
    "LOCK.TRY k owner PX 60000",
    "SETBIT k 151 1",
    "SET k abc",
    "SET k 5",
    "SET k 999999999999999999",
    "SET k -800000001000000000",
    "SET k +1800000001000000000",
    "SET k 01800000001000000000",
    "SET k 18000000010000000000000",
    "SET k 18446744073709551616",
    "SET k 1800000001.00000000",
];

#[track_caller]
fn assert_left_alone(client: &mut Client, calls: &[&str], line: &str) {
    let before = client.ask("DUMP k");
    for call in calls {
        assert_eq!(client.ask(call).error(), WRONG_TYPE, "{line}: {call}");
    }
    assert_eq!(client.ask("DUMP k"), before, "{line}");
}

fn anything_else_is_the_wrong_type_and_stays_as_it_was(kind: Kind) {
    let (_server, mut client) = start(kind);
    for line in OTHERS {
        client.ask("DEL k").int();
        assert!(!client.ask(line).is_error(), "{line}");
        assert_left_alone(&mut client, &CALLS, line);
    }
    client.call(&args!["SET", "k", b""]).assert_ok();
    assert_left_alone(&mut client, &CALLS, "an empty string");
    client.call(&args!["SET", "k", b"\xff800000001000000000"]).assert_ok();
    assert_left_alone(&mut client, &CALLS, "no text");
    client.assert_in_step();
}

fn a_limit_is_no_throttle_and_a_throttle_is_no_limit(kind: Kind) {
    let (_server, mut client) = start(kind);
    client.ask("RATELIMIT.ACQUIRE k LIMIT 5 EX 60").ints();
    assert_left_alone(&mut client, &CALLS, "a limit");
    client.ask("DEL k").int();
    client.ask("CL.THROTTLE k 4 1 1").ints();
    let calls = [
        "RATELIMIT.ACQUIRE k LIMIT 5 EX 60",
        "RATELIMIT.ACQUIRE k LIMIT 5 EX 60 FORCE",
        "RATELIMIT.PEEK k LIMIT 5 EX 60",
        "RATELIMIT.RETURN k LIMIT 5 EX 60",
        "RATELIMIT.INFO k",
        "RATELIMIT.HOLD k EX 5",
        "RATELIMIT.TURN k 5",
        "LOCK.TRY k owner PX 1000",
    ];
    assert_left_alone(&mut client, &calls, "a throttle");
    assert_eq!(client.ask("CL.THROTTLE k 4 1 1").ints(), [0, 5, 3, -1, 2]);
}

fn any_bytes_make_a_key(kind: Kind) {
    let (_server, mut client) = start(kind);
    let long = vec![b'\xfe'; 100_000];
    for key in KEYS.iter().copied().chain([&long[..]]) {
        assert_eq!(client.call(&args!["CL.THROTTLE", key, 4, 1, 1]).ints(), [0, 5, 4, -1, 1]);
        assert_eq!(client.call(&args!["GET", key]).text(), "1800000001000000000");
    }
}

fn no_word_stops_the_server(kind: Kind) {
    let (_server, mut client) = start(kind);
    const NOT_AN_INTEGER: &str = "Cell error: Store error: Couldn't parse as integer";
    for word in [
        &b""[..],
        b"\0",
        b"\xff\xfe",
        b"%s%n",
        b"1\r\n",
        b" 1",
        b"1.5",
        b"9223372036854775808",
        &[b'9'; 70_000],
    ] {
        for place in 2..6 {
            let mut words = args!["CL.THROTTLE", "k", 4, 1, 1, 1].to_vec();
            words[place] = word.to_vec();
            assert_eq!(client.call(&words).error(), NOT_AN_INTEGER, "{}", word.escape_ascii());
        }
    }
    client.assert_in_step();
    assert_eq!(client.ask("DBSIZE").int(), 0);
}
