//! Access rules hold for the commands as for the server's own: by name, by key, and by category where there are any.

use crate::harness::{Kind, Reply, Server};

on_every_server![
    a_user_needs_permission_for_the_key,
    a_user_may_be_given_the_commands_by_name,
    a_user_may_be_given_the_commands_by_category,
    a_user_who_may_not_load_is_told_so_first,
];

/// The calls, and whether each writes.
const CALLS: [(&str, &str, bool); 5] = [
    ("lock.try", "A PX 60000", true),
    ("lock.acquire", "A PX 60000 BLOCK 1", true),
    ("lock.extend", "A PX 60000", true),
    ("lock.release", "A", true),
    ("lock.info", "", false),
];

fn a_user_needs_permission_for_the_key(kind: Kind) {
    let server = Server::start(kind);
    let mut operator = server.connect();
    operator.ask("LOCK.TRY k operator PX 60000");
    operator.ask("ACL SETUSER other on nopass +@all ~other:*").assert_ok();
    operator.ask("ACL SETUSER reader on nopass +@all %R~*").assert_ok();
    operator.ask("ACL SETUSER writer on nopass +@all %W~*").assert_ok();
    let may = |user: &str, line: &str| {
        let mut client = server.connect();
        client.ask(&format!("AUTH {user} any")).assert_ok();
        match client.ask(line) {
            Reply::Error(error) if error.starts_with("NOPERM ") => false,
            Reply::Array(_) | Reply::Int(_) | Reply::Null => true,
            other => panic!("{line}: {other:?}"),
        }
    };
    for (name, words, writes) in CALLS {
        assert!(may("other", &format!("{name} other:1 {words}")));
        assert!(!may("other", &format!("{name} k {words}")));
        assert_eq!(may("reader", &format!("{name} k {words}")), !writes);
        // What is answered tells what is there: writing without reading will not do.
        assert!(!may("writer", &format!("{name} k {words}")));
    }
    assert_eq!(operator.ask("LOCK.RELEASE k operator").int(), 1);
    assert_eq!(operator.ask("DBSIZE").int(), 0);
}

fn a_user_may_be_given_the_commands_by_name(kind: Kind) {
    let server = Server::start(kind);
    server.connect().ask("ACL SETUSER u on nopass ~* +lock.try +lock.release").assert_ok();
    assert_eq!(permitted(&server), [true, false, false, true, false]);
    server.connect().ask("ACL SETUSER u +@all -lock.acquire").assert_ok();
    assert_eq!(permitted(&server), [true, false, true, true, true]);
}

fn a_user_may_be_given_the_commands_by_category(kind: Kind) {
    let server = Server::start(kind);
    let mut operator = server.connect();
    let listed = operator.ask("ACL CAT lock");
    if kind == Kind::Redis70 {
        // It has none for modules.
        assert!(listed.error().starts_with("ERR Unknown category"));
        return;
    }
    let mut listed: Vec<_> = listed.array().iter().map(Reply::text).collect();
    listed.sort_unstable();
    assert_eq!(listed, ["lock.acquire", "lock.extend", "lock.info", "lock.load", "lock.release", "lock.try"]);
    operator.ask("ACL SETUSER u on nopass ~* +@lock").assert_ok();
    assert_eq!(permitted(&server), [true; 5]);
    for (rule, expected) in [
        ("-@write", [false, false, false, false, true]),
        ("-@all +@read", [false, false, false, false, true]),
        ("-@all +@write", [true, true, true, true, false]),
        ("-@all +@fast", [true; 5]),
        ("-@blocking", [true, false, true, true, true]),
        ("-@all +@blocking", [false, true, false, false, false]),
        ("+@all -@lock", [false; 5]),
        ("+@all -@dangerous", [true; 5]),
        ("-@all +@ratelimit", [false; 5]),
    ] {
        operator.ask(&format!("ACL SETUSER u {rule}")).assert_ok();
        assert_eq!(permitted(&server), expected, "{rule}");
    }
}

fn a_user_who_may_not_load_is_told_so_first(kind: Kind) {
    let server = Server::start(kind);
    let mut operator = server.connect();
    operator.ask("ACL SETUSER u on nopass ~* +@all -lock.load").assert_ok();
    let mut client = server.connect();
    client.ask("AUTH u any").assert_ok();
    let load = "LOCK.LOAD k 1 B 1800000000000000 32503680000000 1800000000000";
    assert!(client.ask(load).error().starts_with("NOPERM "));
    if kind != Kind::Redis70 {
        for rule in ["+@all -@admin", "+@all -@dangerous"] {
            operator.ask(&format!("ACL SETUSER u {rule}")).assert_ok();
            assert!(client.ask(load).error().starts_with("NOPERM "), "{rule}");
        }
    }
    assert_eq!(operator.ask("EXISTS k").int(), 0);
}

/// Which of the commands the user `u` may call.
fn permitted(server: &Server) -> [bool; 5] {
    let mut client = server.connect();
    client.ask("AUTH u any").assert_ok();
    CALLS.map(|(name, words, _)| {
        let reply = client.ask(&format!("{name} k {words}"));
        !matches!(reply, Reply::Error(error) if error.starts_with("NOPERM "))
    })
}
