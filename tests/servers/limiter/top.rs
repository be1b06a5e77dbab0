//! Operators see whose keys are refused most, in this minute and the last whole one, on this server.

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server};

use crate::shared::documented::{assert_documented, set, texts};
use crate::shared::hostile::KEYS;
use crate::shared::permissions::{has_categories, listed};
use crate::shared::{at_noon, script};

on_every_server![
    refusals_are_counted_and_nothing_else,
    this_minute_and_the_last_whole_one_are_shown,
    so_many_are_shown_as_are_asked_for,
    keys_of_databases_are_told_apart_and_stay_where_they_were_refused,
    any_bytes_are_shown_and_long_names_cut,
    many_keys_do_not_hide_the_few,
    a_policy_in_shadow_is_counted_too,
    reset_forgets,
    a_switch_turns_it_off_and_on,
    each_server_has_its_own_and_no_file_has_it,
    it_declares_what_it_does,
    it_is_not_for_callers,
];

/// Name, database, how often at most, and how many of these may be another key's.
type Row = (String, i64, i64, i64);

#[track_caller]
fn top(client: &mut Client, line: &str) -> Vec<Row> {
    let row = |row: &Reply| {
        let [name, db, refused, over] = row.array() else { panic!("{row:?}") };
        (String::from_utf8_lossy(name.bytes()).into_owned(), db.int(), refused.int(), over.int())
    };
    client.ask(line).array().iter().map(row).collect()
}

fn row(name: &str, refused: i64) -> Row {
    (name.to_owned(), 0, refused, 0)
}

/// One call of a key that is granted, and so many that are refused.
fn refuse(client: &mut Client, key: &[u8], times: usize) {
    let call = args!["RATELIMIT.ACQUIRE", key, "LIMIT", 1, "EX", 86400];
    for _ in 0..=times {
        client.call(&call).ints();
    }
}

fn refusals_are_counted_and_nothing_else(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    assert!(top(&mut client, "RATELIMIT.TOP").is_empty());
    refuse(&mut client, b"a", 3);
    for line in [
        "RATELIMIT.ACQUIRE b LIMIT 1 EX 86400",
        "RATELIMIT.PEEK b LIMIT 1 EX 86400",
        "RATELIMIT.ACQUIRE b LIMIT 1 EX 86400 FORCE",
        "RATELIMIT.ACQUIRE b LIMIT 1 EX 0",
        "RATELIMIT.RETURN b LIMIT 1 EX 86400 AT 1800000000000000",
        "RATELIMIT.INFO b",
    ] {
        client.ask(line);
    }
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), [row("a", 3)]);
    for line in [
        "RATELIMIT.ACQUIRE b LIMIT 1 EX 86400 MAXWAIT 5",
        "RATELIMIT.ACQUIRE b LIMIT 1 EX 86400 PARTIAL",
        "RATELIMIT.ACQUIRE b LIMIT 1 EX 86400 COST 2",
    ] {
        client.ask(line).ints();
        client.pipeline(&["MULTI", line, "EXEC"]);
    }
    client.call(&script("RATELIMIT.ACQUIRE b LIMIT 1 EX 86400")).ints();
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), [row("b", 7), row("a", 3)]);
    let both = Server::setup(kind).module_args("throttle yes").start();
    let mut client = both.connect();
    (0..3).for_each(|_| _ = client.ask("CL.THROTTLE c 0 1 86400").ints());
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), [row("c", 2)]);
}

fn this_minute_and_the_last_whole_one_are_shown(kind: Kind) {
    // A minute of the clock begins here.
    let minute_ms = 1_800_000_000_000 / 60_000 * 60_000;
    let (server, mut client) = at_noon(kind);
    server.set_clock_ms(minute_ms + 59_999);
    refuse(&mut client, b"a", 2);
    server.set_clock_ms(minute_ms + 60_000);
    refuse(&mut client, b"b", 1);
    refuse(&mut client, b"a", 0); // whose limit is used up: one more
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), [row("a", 3), row("b", 1)]);
    server.set_clock_ms(minute_ms + 120_000);
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), [row("a", 1), row("b", 1)]);
    server.set_clock_ms(minute_ms + 180_000);
    assert!(top(&mut client, "RATELIMIT.TOP").is_empty());
}

fn so_many_are_shown_as_are_asked_for(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    for n in 1..=12 {
        refuse(&mut client, format!("k{n:02}").as_bytes(), n);
    }
    let names = |rows: Vec<Row>| rows.into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    assert_eq!(top(&mut client, "RATELIMIT.TOP").len(), 10);
    assert_eq!(names(top(&mut client, "RATELIMIT.TOP 3")), ["k12", "k11", "k10"]);
    assert_eq!(top(&mut client, "ratelimit.top 512").len(), 12);
    const BOUNDS: &str = "ERR the number of keys must be from 1 to 512";
    const NONE: &str = "ERR value is not an integer or out of range";
    for (words, error) in [
        ("0", BOUNDS),
        ("513", BOUNDS),
        ("-1", BOUNDS),
        ("9223372036854775807", BOUNDS),
        ("9223372036854775808", NONE),
        ("ten", NONE),
        ("+1", NONE),
        ("1 1", "ERR syntax error"),
        ("RESET 1", "ERR syntax error"),
    ] {
        assert_eq!(client.ask(&format!("RATELIMIT.TOP {words}")).error(), error, "{words}");
    }
    assert_eq!(client.call(&args!["RATELIMIT.TOP", b""]).error(), NONE);
    client.assert_in_step();
    assert_eq!(top(&mut client, "RATELIMIT.TOP 512").len(), 12, "nothing is forgotten");
}

/// What has happened stays as it happened: keys that are gone or have changed places were refused all the same.
fn keys_of_databases_are_told_apart_and_stay_where_they_were_refused(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    refuse(&mut client, b"k", 2);
    client.ask("SELECT 3").assert_ok();
    refuse(&mut client, b"k", 5);
    let expected = [("k".to_owned(), 3, 5, 0), row("k", 2)];
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), expected);
    client.ask("SWAPDB 0 3").assert_ok();
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), expected);
    client.ask("FLUSHALL").assert_ok();
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), expected);
}

fn any_bytes_are_shown_and_long_names_cut(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    let long = |last: u8| [&[0xfe; 100_000][..], &[last]].concat();
    let keys: Vec<_> = KEYS.iter().map(|key| key.to_vec()).chain([long(1), long(2)]).collect();
    for (n, key) in keys.iter().enumerate() {
        refuse(&mut client, key, keys.len() - n);
    }
    for protocol in [2, 3] {
        client.ask(&format!("HELLO {protocol}"));
        let rows = client.ask("RATELIMIT.TOP 512");
        let shown: Vec<_> = rows.array().iter().map(|row| row.array()[0].bytes().to_vec()).collect();
        let expected: Vec<_> = keys.iter().map(|key| key[..key.len().min(47)].to_vec()).collect();
        assert_eq!(shown, expected);
    }
    client.assert_in_step();
}

fn many_keys_do_not_hide_the_few(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    for round in 0..40 {
        refuse(&mut client, b"abuser", 40);
        (0..100).for_each(|n| refuse(&mut client, format!("{round}:{n}").as_bytes(), 1));
    }
    // The abuser's first call of each round but the first is refused, too.
    let exact = 40 * 40 + 39;
    let rows = top(&mut client, "RATELIMIT.TOP");
    let (name, _, refused, over) = &rows[0];
    assert_eq!(name, "abuser");
    assert!((refused - over..=*refused).contains(&exact), "{rows:?}");
}

fn a_policy_in_shadow_is_counted_too(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    client.ask("RATELIMIT.POLICY SET p LIMIT 1 EX 86400 SHADOW").int();
    for _ in 0..4 {
        assert_eq!(client.ask("RATELIMIT.ACQUIRE k @p").ints()[0], 1);
    }
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), [row("k", 3)]);
}

fn reset_forgets(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    refuse(&mut client, b"k", 2);
    client.ask("RATELIMIT.TOP reset").assert_ok();
    assert!(top(&mut client, "RATELIMIT.TOP").is_empty());
    refuse(&mut client, b"k", 0);
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), [row("k", 1)]);
}

fn a_switch_turns_it_off_and_on(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    refuse(&mut client, b"k", 2);
    client.ask("CONFIG SET sluice.top no").assert_ok();
    assert!(top(&mut client, "RATELIMIT.TOP").is_empty());
    refuse(&mut client, b"k", 2);
    client.ask("CONFIG SET sluice.top yes").assert_ok();
    assert!(top(&mut client, "RATELIMIT.TOP").is_empty());
    refuse(&mut client, b"k", 1);
    assert_eq!(top(&mut client, "RATELIMIT.TOP"), [row("k", 2)]);
    client.ask("CONFIG SET sluice.top maybe").error();
    let off = Server::setup(kind).module_args("top no").start();
    let mut client = off.connect();
    refuse(&mut client, b"k", 2);
    assert!(top(&mut client, "RATELIMIT.TOP").is_empty());
}

fn each_server_has_its_own_and_no_file_has_it(kind: Kind) {
    let mut primary = Server::setup(kind).tcp().aof().start();
    let replica = Server::setup(kind).replica_of(&primary).start();
    refuse(&mut primary.connect(), b"k", 2);
    replica.wait_for(&primary);
    assert_eq!(top(&mut primary.connect(), "RATELIMIT.TOP"), [row("k", 2)]);
    assert!(top(&mut replica.connect(), "RATELIMIT.TOP").is_empty(), "who calls there is refused there");
    assert!(!primary.aof_commands().iter().any(|command| command.contains("TOP")));
    primary.restart();
    assert!(top(&mut primary.connect(), "RATELIMIT.TOP").is_empty());
}

fn it_declares_what_it_does(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    let info = client.ask("COMMAND INFO ratelimit.top");
    let info = info.array()[0].array();
    assert_eq!((info[0].text(), info[1].int()), ("ratelimit.top", -1));
    assert_eq!(texts(&info[2]), set("readonly module"));
    assert_eq!((info[3].int(), info[4].int(), info[5].int()), (0, 0, 0), "it has no keys");
    let categories = if has_categories(kind) { "@read @slow @dangerous" } else { "" };
    assert_eq!(texts(&info[6]), set(categories));
    // Each node has its own: a client of a cluster asks all, and puts the answers one behind the other.
    assert_eq!(texts(&info[7]), set("nondeterministic_output request_policy:all_shards"));
    assert_documented(&mut client, "ratelimit.top", "0.2.0", "[<count | RESET>]");
}

/// Names of keys are shown to whoever may call it, as by KEYS.
fn it_is_not_for_callers(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let may = |rules: &str| {
        server.ask(&format!("ACL SETUSER u reset on nopass ~* {rules}")).assert_ok();
        let mut client = server.connect();
        client.ask("AUTH u any").assert_ok();
        !client.ask("RATELIMIT.TOP").is_error()
    };
    assert!(may("+@all") && may("+ratelimit.top"));
    assert!(!may("+ratelimit.acquire") && !may("+@all -ratelimit.top"));
    if has_categories(kind) {
        let dangerous = listed(&server, "dangerous").unwrap();
        assert!(dangerous.contains(&"ratelimit.top".to_owned()));
        assert!(!may("+@ratelimit") && !may("+@all -@dangerous"));
    }
    client.assert_in_step();
}
