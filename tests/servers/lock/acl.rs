//! Access rules hold for the commands as for the server's own: by name, by key, and by category where there are any.

use sluice_testing::{Kind, Server, on_every_server};

use crate::shared::permissions::{Call, assert_keys_need_permission, has_categories, listed, permitted};

on_every_server![
    a_user_needs_permission_for_the_key,
    a_user_may_be_given_the_commands_by_name,
    a_user_may_be_given_the_commands_by_category,
    a_user_who_may_not_load_is_told_so_first,
];

/// The calls, and whether each writes.
const CALLS: [Call; 5] = [
    ("lock.try", "A PX 60000", true),
    ("lock.acquire", "A PX 60000 BLOCK 1", true),
    ("lock.extend", "A PX 60000", true),
    ("lock.release", "A", true),
    ("lock.info", "", false),
];

fn a_user_needs_permission_for_the_key(kind: Kind) {
    let server = Server::start(kind);
    server.ask("LOCK.TRY k operator PX 60000").ints();
    assert_keys_need_permission(&server, &CALLS);
    assert_eq!(server.ask("LOCK.RELEASE k operator").int(), 1);
    assert_eq!(server.ask("DBSIZE").int(), 0);
}

fn a_user_may_be_given_the_commands_by_name(kind: Kind) {
    let server = Server::start(kind);
    server.connect().ask("ACL SETUSER u on nopass ~* +lock.try +lock.release").assert_ok();
    assert_eq!(permitted(&server, CALLS), [true, false, false, true, false]);
    server.connect().ask("ACL SETUSER u +@all -lock.acquire").assert_ok();
    assert_eq!(permitted(&server, CALLS), [true, false, true, true, true]);
}

fn a_user_may_be_given_the_commands_by_category(kind: Kind) {
    let server = Server::start(kind);
    let Some(listed) = listed(&server, "lock") else { return };
    assert_eq!(listed, ["lock.acquire", "lock.extend", "lock.info", "lock.load", "lock.release", "lock.try"]);
    let mut operator = server.connect();
    operator.ask("ACL SETUSER u on nopass ~* +@lock").assert_ok();
    assert_eq!(permitted(&server, CALLS), [true; 5]);
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
        assert_eq!(permitted(&server, CALLS), expected, "{rule}");
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
    if has_categories(kind) {
        for rule in ["+@all -@admin", "+@all -@dangerous"] {
            operator.ask(&format!("ACL SETUSER u {rule}")).assert_ok();
            assert!(client.ask(load).error().starts_with("NOPERM "), "{rule}");
        }
    }
    assert_eq!(operator.ask("EXISTS k").int(), 0);
}
