//! Access rules hold for the commands as for the server's own: by name, by key, and by category where there are any.

use crate::harness::{Kind, Reply, Server};
use crate::load::module_path;

on_every_server![
    a_user_needs_permission_for_the_key,
    a_user_may_be_given_the_commands_by_name,
    a_user_may_be_given_the_commands_by_category,
    a_user_of_the_configuration_file_has_them_too,
    a_rule_by_category_outlives_a_load_that_failed,
];

/// The calls, and whether each writes.
const CALLS: [(&str, &str, bool); 4] = [
    ("ratelimit.acquire", "LIMIT 1 EX 1", true),
    ("ratelimit.peek", "LIMIT 1 EX 1", false),
    ("ratelimit.return", "LIMIT 1 EX 1", true),
    ("ratelimit.info", "", false),
];

fn a_user_needs_permission_for_the_key(kind: Kind) {
    let server = Server::start(kind);
    let mut operator = server.connect();
    operator.ask("ACL SETUSER other on nopass +@all ~other:*").assert_ok();
    operator.ask("ACL SETUSER reader on nopass +@all %R~*").assert_ok();
    operator.ask("ACL SETUSER writer on nopass +@all %W~*").assert_ok();
    let may = |user: &str, line: &str| {
        let mut client = server.connect();
        client.ask(&format!("AUTH {user} any")).assert_ok();
        match client.ask(line) {
            Reply::Error(error) if error.starts_with("NOPERM ") => false,
            Reply::Array(_) | Reply::Null => true,
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
    assert_eq!(operator.ask("EXISTS k").int(), 0);
}

fn a_user_may_be_given_the_commands_by_name(kind: Kind) {
    let server = Server::start(kind);
    server.connect().ask("ACL SETUSER u on nopass ~* +ratelimit.acquire +ratelimit.peek").assert_ok();
    assert_eq!(permitted(&server), [true, true, false, false]);
    server.connect().ask("ACL SETUSER u +@all -ratelimit.acquire").assert_ok();
    assert_eq!(permitted(&server), [false, true, true, true]);
}

fn a_user_may_be_given_the_commands_by_category(kind: Kind) {
    let server = Server::start(kind);
    let mut operator = server.connect();
    let listed = operator.ask("ACL CAT ratelimit");
    if kind == Kind::Redis70 {
        // It has none for modules.
        assert!(listed.error().starts_with("ERR Unknown category"));
        return;
    }
    assert_eq!(listed.array().len(), CALLS.len(), "{listed:?}");
    operator.ask("ACL SETUSER u on nopass ~* +@ratelimit").assert_ok();
    assert_eq!(permitted(&server), [true; 4]);
    for (rule, expected) in [
        ("-@write", [false, true, false, true]),
        ("-@all +@read", [false, true, false, true]),
        ("-@all +@write", [true, false, true, false]),
        ("-@all +@fast", [true; 4]),
        ("+@all -@ratelimit", [false; 4]),
    ] {
        operator.ask(&format!("ACL SETUSER u {rule}")).assert_ok();
        assert_eq!(permitted(&server), expected, "{rule}");
    }
}

fn a_user_of_the_configuration_file_has_them_too(kind: Kind) {
    let by_name = "user u on nopass ~* +ratelimit.peek +ratelimit.info";
    assert_eq!(permitted(&Server::setup(kind).config(by_name).start()), [false, true, false, true]);
    if kind != Kind::Redis70 {
        let by_category = "user u on nopass ~* +@ratelimit -@write";
        assert_eq!(permitted(&Server::setup(kind).config(by_category).start()), [false, true, false, true]);
    }
}

fn a_rule_by_category_outlives_a_load_that_failed(kind: Kind) {
    if kind == Kind::Redis70 {
        return;
    }
    for (rule, expected) in [("+@ratelimit", [true; 4]), ("+@all -@ratelimit", [false; 4])] {
        let server = Server::setup(kind).without_module().start();
        let mut operator = server.connect();
        let module = module_path(kind);
        if kind == Kind::Redis82 {
            // Registers all, is then taken back by the server, and leaves its categories behind.
            operator.ask(&format!("MODULE LOADEX {module} CONFIG sluice.no-such-setting 5")).error();
        }
        operator.ask(&format!("MODULE LOAD {module} no-such-setting 5")).error();
        operator.ask(&format!("MODULE LOAD {module}")).assert_ok();
        operator.ask(&format!("ACL SETUSER u on nopass ~* {rule}")).assert_ok();
        assert_eq!(permitted(&server), expected, "{rule}");
    }
}

/// Which of the commands the user `u` may call.
fn permitted(server: &Server) -> [bool; 4] {
    let mut client = server.connect();
    client.ask("AUTH u any").assert_ok();
    CALLS.map(|(name, words, _)| {
        let reply = client.ask(&format!("{name} k {words}"));
        !matches!(reply, Reply::Error(error) if error.starts_with("NOPERM "))
    })
}
