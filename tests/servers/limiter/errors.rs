//! What is not understood is answered by an error of a fixed text, and nothing else comes of it.

use sluice_testing::{Client, Kind, Reply, Server, on_every_server};

on_every_server![
    every_mistake_has_its_text,
    a_mistake_leaves_a_key_as_it_was,
    the_bounds_are_where_the_contract_puts_them,
    eight_limits_and_not_nine,
    maxwait_follows_the_setting,
    what_the_caller_sent_is_never_echoed,
    an_error_in_a_transaction_stops_nothing_else,
];

const SYNTAX: &str = "ERR syntax error";
const NUMBER: &str = "ERR value is not an integer or out of range";
const COUNT_NUMBER: &str = "ERR LIMIT count is not an integer or out of range";
const NO_PERIOD: &str = "ERR LIMIT needs EX or PX";
const MODES: &str = "ERR only one of PARTIAL, FORCE and MAXWAIT";
const ARITY: &str = "ERR wrong number of arguments for '{}' command";
const PERIOD: &str = "ERR invalid expire time in '{}' command";
const COUNT: &str = "ERR LIMIT must be at least 1";
const BURST: &str = "ERR BURST must be at least 1";
const COST: &str = "ERR COST must not be negative";
const NO_COST: &str = "ERR COST must be above 0 in at least one LIMIT";
const UNEQUAL: &str = "ERR PARTIAL needs the same COST in every LIMIT";
const TOO_FAST: &str = "ERR LIMIT is more than one token a nanosecond";
const TOO_SLOW: &str = "ERR BURST takes more than 100 years to refill";
const CLAUSES: &str = "ERR at most 8 LIMIT clauses";
const MAXWAIT: &str = "ERR MAXWAIT must be from 0 to 3155760000000 ms (100 years)";
const SETTING: &str = "ERR MAXWAIT is above the setting sluice.max-wait-ms";
const DUE: &str = "ERR DUE must be from 0 to 3155760000000 ms (100 years)";

const ALIGN: &str = "ERR ALIGN must be from 0 to 3155760000 s (100 years)";
const AT: &str =
    "ERR AT must be the act_us of a turn: at most an hour ago, and no later than sluice.max-wait-ms from now";
const TOLD: &str = "ERR the time must be from 0 to 3155760000000 ms (100 years)";

const LIMITERS: [&str; 3] = ["ratelimit.acquire", "ratelimit.peek", "ratelimit.return"];

/// Wrong for ACQUIRE, PEEK and RETURN alike.
const WRONG_FOR_ALL: &[(&str, &str)] = &[
    ("", ARITY),
    ("k", ARITY),
    ("k LIMIT", "ERR LIMIT needs a number"),
    ("k LIMIT 1", NO_PERIOD),
    ("k LIMIT 1 60", NO_PERIOD),
    ("k LIMIT 1 EX", "ERR EX needs a number"),
    ("k nonsense", SYNTAX),
    ("k LIMIT 1 EX 1 COST", "ERR COST needs a number"),
    ("k LIMIT 1 EX 1 BURST", "ERR BURST needs a number"),
    ("k LIMIT 1 EX 1 LIMIT", "ERR LIMIT needs a number"),
    ("k LIMIT 1 EX 1 LIMIT 1", NO_PERIOD),
    ("k LIMIT 1 EX 1 LIMIT 1 EX", "ERR EX needs a number"),
    ("k LIMIT 1 EX 1 LIMIT 1 COST 1", NO_PERIOD),
    ("k LIMIT 1 BURST 1 COST 1", NO_PERIOD),
    ("k EX 1 LIMIT 1", "ERR EX belongs behind a LIMIT"),
    ("k COST 1 LIMIT 1 EX 1", "ERR COST belongs behind a LIMIT"),
    ("k 1 1 1 1", SYNTAX),
    ("k LIMITS 1 EX 1", SYNTAX),
    ("k LIMIT 1 EX 1 EX 1", SYNTAX),
    ("k LIMIT 1 EX 1 PX 1", SYNTAX),
    ("k LIMIT 1 EX 1 BURST 1 BURST 1", "ERR BURST is said twice"),
    ("k LIMIT 1 EX 1 COST 1 COST 1", "ERR COST is said twice"),
    ("k LIMIT 1 EX 1 1", SYNTAX),
    ("k LIMIT 1 EX 1 nonsense", SYNTAX),
    ("k LIMIT 1 EX 1 KEEPTTL", SYNTAX),
    ("k LIMIT one EX 1", COUNT_NUMBER),
    ("k LIMIT EX 1 EX 1", COUNT_NUMBER),
    ("k LIMIT 1.0 EX 1", COUNT_NUMBER),
    ("k LIMIT 1e3 EX 1", COUNT_NUMBER),
    ("k LIMIT 0x1 EX 1", COUNT_NUMBER),
    ("k LIMIT +1 EX 1", COUNT_NUMBER),
    ("k LIMIT 01 EX 1", COUNT_NUMBER),
    ("k LIMIT -0 EX 1", COUNT_NUMBER),
    ("k LIMIT 1 EX one", "ERR EX is not an integer or out of range"),
    ("k LIMIT 1 PX 1.5", "ERR PX is not an integer or out of range"),
    ("k LIMIT 1 EX 1 BURST all", "ERR BURST is not an integer or out of range"),
    ("k LIMIT 1 EX 1 COST -", "ERR COST is not an integer or out of range"),
    ("k LIMIT 9223372036854775808 EX 1", COUNT_NUMBER),
    ("k LIMIT -9223372036854775809 EX 1", COUNT_NUMBER),
    ("k LIMIT 1 EX 9223372036854775808", "ERR EX is not an integer or out of range"),
    ("k LIMIT 1 EX 1 BURST 18446744073709551616", "ERR BURST is not an integer or out of range"),
    (
        "k LIMIT 1 EX 1 COST 340282366920938463463374607431768211456",
        "ERR COST is not an integer or out of range",
    ),
    ("k LIMIT 0 EX 1", COUNT),
    ("k LIMIT -1 EX 1", COUNT),
    ("k LIMIT -9223372036854775808 EX 1", COUNT),
    ("k LIMIT 1 EX 0", PERIOD),
    ("k LIMIT 1 PX 0", PERIOD),
    ("k LIMIT 1 EX -1", PERIOD),
    ("k LIMIT 1 PX -9223372036854775808", PERIOD),
    ("k LIMIT 1 EX 1 BURST 0", BURST),
    ("k LIMIT 1 EX 1 BURST -1", BURST),
    ("k LIMIT 1 EX 1 COST -1", COST),
    // Of BURST, STRICT and ALIGN a limit has one at most.
    ("k LIMIT 5 EX 1 STRICT BURST 2", SYNTAX),
    ("k LIMIT 5 EX 1 BURST 2 STRICT", SYNTAX),
    ("k LIMIT 5 EX 1 STRICT STRICT", SYNTAX),
    ("k LIMIT 5 EX 1 STRICT ALIGN 0", SYNTAX),
    ("k LIMIT 5 EX 1 ALIGN 0 STRICT", SYNTAX),
    ("k LIMIT 5 EX 1 ALIGN 0 BURST 5", SYNTAX),
    ("k LIMIT 5 EX 1 BURST 5 ALIGN 0", SYNTAX),
    ("k LIMIT 5 EX 1 ALIGN 0 ALIGN 0", SYNTAX),
    ("k LIMIT 5 EX 1 STRICT 5", SYNTAX),
    ("k LIMIT 5 EX 1 ALIGN", "ERR ALIGN needs a number"),
    ("k LIMIT 5 EX 1 ALIGN midnight", "ERR ALIGN is not an integer or out of range"),
    ("k LIMIT 5 EX 1 ALIGN STRICT", "ERR ALIGN is not an integer or out of range"),
    ("k LIMIT 5 EX 1 ALIGN 9223372036854775808", "ERR ALIGN is not an integer or out of range"),
    ("k LIMIT 5 EX 1 ALIGN -1", ALIGN),
    ("k LIMIT 5 EX 1 ALIGN 3155760001", ALIGN),
    ("k LIMIT 5 EX 1 ALIGN 9223372036854775807", ALIGN),
    ("k STRICT LIMIT 5 EX 1", SYNTAX),
    ("k ALIGN 0 LIMIT 5 EX 1", "ERR ALIGN belongs behind a LIMIT"),
    ("k LIMIT 5 STRICT COST 1", NO_PERIOD),
    ("k LIMIT 0 EX 1 STRICT", COUNT),
    ("k LIMIT 5 EX 0 ALIGN 0", PERIOD),
    ("k LIMIT 1000001 PX 1 STRICT", TOO_FAST),
    ("k LIMIT 5 EX 1 OFF", SYNTAX),
    // The second clause is looked at as closely as the first.
    ("k LIMIT 1 EX 1 LIMIT 0 EX 1", COUNT),
    ("k LIMIT 1 EX 1 LIMIT 1 EX 0", PERIOD),
    ("k LIMIT 1 EX 1 COST 0 LIMIT 1 EX 1 COST -1", COST),
];

const WRONG_FOR_SOME: &[(&[&str], &str, &str)] = &[
    (&["acquire", "return"], "k LIMIT 1 EX 1 COST 0", NO_COST),
    (&["acquire", "return"], "k LIMIT 1 EX 1 COST 0 LIMIT 9 EX 9 COST 0", NO_COST),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 DUE 0", "ERR DUE is no option of '{}'"),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 FORCE FORCE", MODES),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 FORCE PARTIAL", MODES),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 PARTIAL MAXWAIT 1", MODES),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 MAXWAIT 1 FORCE", MODES),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 MAXWAIT 1 MAXWAIT 1", MODES),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 MAXWAIT", "ERR MAXWAIT needs a number"),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 MAXWAIT soon", "ERR MAXWAIT is not an integer or out of range"),
    (
        &["acquire", "peek"],
        "k LIMIT 1 EX 1 MAXWAIT 9223372036854775808",
        "ERR MAXWAIT is not an integer or out of range",
    ),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 MAXWAIT -1", MAXWAIT),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 MAXWAIT 3155760000001", MAXWAIT),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 MAXWAIT 9223372036854775807", MAXWAIT),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 MAXWAIT 3155760000000", SETTING),
    (&["acquire", "peek"], "k LIMIT 9 EX 1 COST 1 LIMIT 9 EX 1 COST 2 PARTIAL", UNEQUAL),
    (&["return"], "k LIMIT 1 EX 1 PARTIAL", "ERR PARTIAL is no option of '{}'"),
    (&["return"], "k LIMIT 1 EX 1 FORCE", "ERR FORCE is no option of '{}'"),
    (&["return"], "k LIMIT 1 EX 1 MAXWAIT 1", "ERR MAXWAIT is no option of '{}'"),
    (&["return"], "k LIMIT 1 EX 1 DUE", "ERR DUE needs a number"),
    (&["return"], "k LIMIT 1 EX 1 DUE 1 DUE 1", "ERR DUE is said twice"),
    (&["return"], "k LIMIT 1 EX 1 DUE soon", "ERR DUE is not an integer or out of range"),
    (&["return"], "k LIMIT 1 EX 1 DUE -1", DUE),
    (&["return"], "k LIMIT 1 EX 1 DUE 3155760000001", DUE),
    (&["acquire", "peek"], "k LIMIT 1 EX 1 AT 0", "ERR AT is no option of '{}'"),
    (&["return"], "k LIMIT 1 EX 1 AT", "ERR AT needs a number"),
    (&["return"], "k LIMIT 1 EX 1 AT soon", "ERR AT is not an integer or out of range"),
    (&["return"], "k LIMIT 1 EX 1 AT 1 AT 1", "ERR AT is said twice"),
    (&["return"], "k LIMIT 1 EX 1 AT 1 DUE 1", SYNTAX),
    (&["return"], "k LIMIT 1 EX 1 DUE 1 AT 1", SYNTAX),
    (&["return"], "k LIMIT 1 EX 1 AT -1", AT),
    (&["return"], "k LIMIT 1 EX 1 AT 0", AT),
    // An hour and a us ago, and a minute and a us ahead; the same in seconds and in ms, which are no acts.
    (&["return"], "k LIMIT 1 EX 1 AT 1799996399998999", AT),
    (&["return"], "k LIMIT 1 EX 1 AT 1800000060000001", AT),
    (&["return"], "k LIMIT 1 EX 1 AT 1800000000", AT),
    (&["return"], "k LIMIT 1 EX 1 AT 1800000000000", AT),
    (&["return"], "k LIMIT 1 EX 1 AT 9223372036854775807", AT),
    (&["hold"], "", ARITY),
    (&["hold"], "k", ARITY),
    (&["hold"], "k EX", SYNTAX),
    (&["hold"], "k 5", SYNTAX),
    (&["hold"], "k 5 EX", SYNTAX),
    (&["hold"], "k LIMIT 5", SYNTAX),
    (&["hold"], "k OFF 5", SYNTAX),
    (&["hold"], "k EX 1 OFF", ARITY),
    (&["hold"], "k EX 1 LIMIT 1 EX 1", ARITY),
    (&["hold"], "k EX soon", "ERR EX is not an integer or out of range"),
    (&["hold"], "k PX 1.5", "ERR PX is not an integer or out of range"),
    (&["hold"], "k EX 0", PERIOD),
    (&["hold"], "k PX 0", PERIOD),
    (&["hold"], "k PX -1", PERIOD),
    (&["hold"], "k EX 3155760001", PERIOD),
    (&["hold"], "k EX 9223372036854775807", PERIOD),
    (&["turn"], "", ARITY),
    (&["turn"], "k", ARITY),
    (&["turn"], "k 1 1", ARITY),
    (&["turn"], "k soon", NUMBER),
    (&["turn"], "k -1", TOLD),
    (&["turn"], "k 3155760000001", TOLD),
    (&["info"], "", ARITY),
    (&["info"], "k k", ARITY),
    (&["info"], "k LIMIT 1 EX 1", ARITY),
];

/// All of the above as (line, error).
fn mistakes() -> Vec<(String, String)> {
    let of_one =
        |name: &str, words: &str, error: &str| (format!("{name} {words}"), error.replace("{}", name));
    let all = LIMITERS.iter().flat_map(|name| WRONG_FOR_ALL.iter().map(|(words, e)| of_one(name, words, e)));
    let some = WRONG_FOR_SOME.iter().flat_map(|(names, words, error)| {
        names.iter().map(|name| of_one(&format!("ratelimit.{name}"), words, error))
    });
    all.chain(some).collect()
}

#[track_caller]
fn assert_refused(client: &mut Client, line: &str, error: &str) {
    assert_eq!(client.ask(line), Reply::Error(error.to_owned()), "{line}");
}

fn every_mistake_has_its_text(kind: Kind) {
    let server = Server::setup(kind).clock_ms(1_800_000_000_000).start();
    let mut client = server.connect();
    for (line, error) in mistakes() {
        assert_refused(&mut client, &line, &error);
        assert_eq!(client.ask("DBSIZE").int(), 0, "{line}");
    }
    client.assert_in_step();
}

fn a_mistake_leaves_a_key_as_it_was(kind: Kind) {
    let server = Server::setup(kind).clock_ms(1_800_000_000_000).start();
    let mut client = server.connect();
    for states in [
        &["RATELIMIT.ACQUIRE k LIMIT 10 EX 1000 LIMIT 20 EX 3000"][..],
        // Several limits at a place, a window, a forced debt and a hold.
        &[
            "RATELIMIT.ACQUIRE k LIMIT 10 EX 1000 LIMIT 20 EX 3000 STRICT",
            "RATELIMIT.ACQUIRE k LIMIT 12 EX 1000 COST 90 FORCE",
            "RATELIMIT.HOLD k EX 5",
        ],
    ] {
        client.ask("DEL k");
        states.iter().for_each(|line| assert!(!matches!(client.ask(line), Reply::Error(_)), "{line}"));
        let before = (client.ask("DUMP k"), client.ask("PEXPIRETIME k"));
        for (line, error) in mistakes() {
            assert_refused(&mut client, &line, &error);
            assert_eq!((client.ask("DUMP k"), client.ask("PEXPIRETIME k")), before, "{line}");
        }
    }
    client.assert_in_step();
}

fn the_bounds_are_where_the_contract_puts_them(kind: Kind) {
    let server = Server::setup(kind).clock_ms(1_800_000_000_000).start();
    let mut client = server.connect();
    let max = i64::MAX;
    let century_ms = 3_155_760_000_000_i64; // 100 years of 365.25 days
    let century_ns = century_ms * 1_000_000;
    for (limit, error) in [
        (format!("1 EX {}", century_ms / 1000 + 1), PERIOD),
        (format!("1 PX {}", century_ms + 1), PERIOD),
        (format!("1 EX {max}"), PERIOD),
        // In ms these two wrap around, the first at 63 bits, the second at 64.
        (format!("1 EX {}", max / 1000 + 1), PERIOD),
        ("1 EX 18446744073709552".to_owned(), PERIOD),
        (format!("1 PX {max}"), PERIOD),
        ("1000001 PX 1".to_owned(), TOO_FAST),
        (format!("{max} PX {century_ms}"), TOO_FAST),
        (format!("{} PX {century_ms}", century_ns + 1), TOO_FAST),
        (format!("1 PX {century_ms} BURST 2"), TOO_SLOW),
        (format!("1000000 PX 1 BURST {}", century_ns + 1), TOO_SLOW),
        (format!("1000000 PX 1 BURST {max}"), TOO_SLOW),
        (format!("1 PX {century_ms} BURST {max}"), TOO_SLOW),
        (format!("3 PX {century_ms} BURST 4"), TOO_SLOW),
    ] {
        for name in LIMITERS {
            assert_refused(&mut client, &format!("{name} k LIMIT {limit}"), &error.replace("{}", name));
        }
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);

    for (key, limit, reply) in [
        ("period", format!("1 PX {century_ms}"), [1, 0, 0, 1, century_ms, 0]),
        ("seconds", format!("1 EX {}", century_ms / 1000), [1, 0, 0, 1, century_ms, 0]),
        ("fast", "1000000 PX 1".to_owned(), [1, 0, 999_999, 1_000_000, 1, 0]),
        ("count", format!("{century_ns} PX {century_ms}"), [1, 0, century_ns - 1, century_ns, 1, 0]),
        ("burst", format!("1000000 PX 1 BURST {century_ns}"), [1, 0, century_ns - 1, century_ns, 1, 0]),
        ("never", format!("1 EX 1 COST {max}"), [0, -1, 1, 1, 0, 0]),
        ("part", format!("9 EX 1 COST {max} PARTIAL"), [9, 0, 0, 9, 1000, 0]),
        // A full bucket, and the longest debt beyond it: an hour. The rest is forgiven.
        ("force", format!("1 EX 100 COST {max} FORCE"), [1, 3_600_000, 0, 1, 3_700_000, 0]),
        ("settle", format!("1000000 PX 1 BURST 1 COST {max} FORCE"), [1, 3_600_000, 0, 1, 3_600_001, 0]),
        (
            "strict",
            format!("{century_ns} PX {century_ms} STRICT"),
            [1, 0, century_ns - 1, century_ns, century_ms, 0],
        ),
        ("strict-force", format!("9 EX 1 STRICT COST {max} FORCE"), [1, 0, 0, 9, 1000, 0]),
        // The last calendar there is, and one that begins when the first window of this one ends.
        ("calendar", "9 EX 3155760000 ALIGN 3155760000".to_owned(), [1, 0, 8, 9, 1_355_760_000_000, 0]),
        ("day", "9 EX 86400 ALIGN 3155760000".to_owned(), [1, 0, 8, 9, 57_600_000, 0]),
    ] {
        assert_eq!(client.ask(&format!("RATELIMIT.PEEK {key} LIMIT {limit}")).ints(), reply, "{limit}");
        assert_eq!(client.ask(&format!("RATELIMIT.ACQUIRE {key} LIMIT {limit}")).ints(), reply, "{limit}");
    }
    client.assert_in_step();
}

fn eight_limits_and_not_nine(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let limits = |n: usize| " LIMIT 5 EX 100".repeat(n);
    for name in LIMITERS {
        assert_eq!(client.ask(&format!("{name} {name}{}", limits(8))).ints().len(), 6);
        for n in [9, 10, 1000] {
            assert_refused(&mut client, &format!("{name} {name}{}", limits(n)), CLAUSES);
        }
    }
    assert_eq!(client.ask("RATELIMIT.INFO ratelimit.acquire").array().len(), 8);
    client.assert_in_step();
}

fn maxwait_follows_the_setting(kind: Kind) {
    let server = Server::setup(kind).clock_ms(1_800_000_000_000).start();
    let mut client = server.connect();
    let mut set_and_try = |setting: Option<i64>, maxwait: i64| {
        if let Some(ms) = setting {
            client.ask(&format!("CONFIG SET sluice.max-wait-ms {ms}")).assert_ok();
        }
        let mut ask = |name| client.ask(&format!("RATELIMIT.{name} k LIMIT 1 EX 1 MAXWAIT {maxwait}"));
        let (peek, acquire) = (ask("PEEK"), ask("ACQUIRE"));
        assert_eq!(peek, acquire);
        acquire
    };
    let too_long = Reply::Error(SETTING.to_owned());
    assert_eq!(set_and_try(None, 60_001), too_long);
    assert_eq!(set_and_try(None, 60_000).ints()[0], 1);
    assert_eq!(set_and_try(Some(60_001), 60_001).ints()[0], 1);
    assert_eq!(set_and_try(Some(999), 1000), too_long);
    assert_eq!(set_and_try(Some(0), 1), too_long);
    assert_eq!(set_and_try(Some(0), 0).ints()[0], 0);
    assert_eq!(set_and_try(Some(3_155_760_000_000), 3_155_760_000_000).ints()[0], 1);
    for beyond in ["-1", "3155760000001", "x"] {
        assert!(client.ask(&format!("CONFIG SET sluice.max-wait-ms {beyond}")).error().starts_with("ERR "));
    }
    assert_eq!(client.ask("CONFIG GET sluice.max-wait-ms").array()[1].text(), "3155760000000");
    client.assert_in_step();
}

fn what_the_caller_sent_is_never_echoed(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    // As one word in each place of a whole command, the key's included.
    let whole = ["k", "LIMIT", "1", "EX", "1", "BURST", "1", "COST", "1"];
    for secret in [&b"s3cret"[..], b"%s%n%n%n", b"s3cret\r\n+OK\r\n", b"\xff\xc4\x80s3cret", b"s3cret\0%n"] {
        for name in LIMITERS {
            for place in 0..=whole.len() {
                let mut words: Vec<&[u8]> = whole.iter().map(|word| word.as_bytes()).collect();
                words.insert(place, secret);
                words.insert(0, name.as_bytes());
                // Behind the name of an option it is taken for its number.
                let error = match place.checked_sub(1).map(|before| whole[before]) {
                    Some("LIMIT") => COUNT_NUMBER.to_owned(),
                    Some(option @ ("EX" | "BURST" | "COST")) => {
                        format!("ERR {option} is not an integer or out of range")
                    }
                    _ if place == 3 => NO_PERIOD.to_owned(), // it stands where EX or PX should
                    _ => SYNTAX.to_owned(),
                };
                assert_eq!(client.call(&words), Reply::Error(error), "{place}");
            }
        }
        for (words, error) in [
            (&[b"RATELIMIT.INFO", secret, secret][..], ARITY.replace("{}", "ratelimit.info")),
            (&[b"RATELIMIT.HOLD", b"k", secret], SYNTAX.to_owned()),
            (&[b"RATELIMIT.HOLD", b"k", secret, secret], SYNTAX.to_owned()),
            (
                &[b"RATELIMIT.HOLD", b"k", b"EX", secret],
                "ERR EX is not an integer or out of range".to_owned(),
            ),
            (&[b"RATELIMIT.TURN", b"k", secret], NUMBER.to_owned()),
        ] {
            assert_eq!(client.call(words), Reply::Error(error));
        }
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);
    client.assert_in_step();
}

fn an_error_in_a_transaction_stops_nothing_else(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let replies = client.pipeline(&[
        "MULTI",
        "SET a 1",
        "RATELIMIT.ACQUIRE k LIMIT 0 EX 1",
        "RATELIMIT.ACQUIRE a LIMIT 1 EX 1",
        "SET b 2",
        "EXEC",
    ]);
    let exec = replies.last().unwrap().array();
    assert_eq!(exec[1], Reply::Error(COUNT.to_owned()));
    assert!(exec[2].error().starts_with("WRONGTYPE "));
    exec[3].assert_ok();
    assert_eq!(client.ask("DBSIZE").int(), 2);
    client.assert_in_step();
}
