//! Access rules hold for the commands as for the server's own: by name, by key, and by category where there are any.

use sluice_testing::{Kind, Server, on_every_server};

use crate::module::load::module_path;
use crate::shared::permissions::{Call, assert_keys_need_permission, has_categories, listed, permitted};

on_every_server![
    a_user_needs_permission_for_the_key,
    a_user_may_be_given_the_commands_by_name,
    a_user_may_be_given_the_commands_by_category,
    a_user_of_the_configuration_file_has_them_too,
    a_rule_by_category_outlives_a_load_that_failed,
];

/// The calls, and whether each writes.
const CALLS: [Call; 6] = [
    ("ratelimit.acquire", "LIMIT 1 EX 1", true),
    ("ratelimit.peek", "LIMIT 1 EX 1", false),
    ("ratelimit.return", "LIMIT 1 EX 1", true),
    ("ratelimit.info", "", false),
    ("ratelimit.hold", "PX 1", true),
    ("ratelimit.turn", "1", false),
];

fn a_user_needs_permission_for_the_key(kind: Kind) {
    let server = Server::start(kind);
    assert_keys_need_permission(&server, &CALLS);
    assert_eq!(server.ask("EXISTS k").int(), 0);
}

fn a_user_may_be_given_the_commands_by_name(kind: Kind) {
    let server = Server::start(kind);
    server.connect().ask("ACL SETUSER u on nopass ~* +ratelimit.acquire +ratelimit.peek").assert_ok();
    assert_eq!(permitted(&server, CALLS), [true, true, false, false, false, false]);
    server.connect().ask("ACL SETUSER u +@all -ratelimit.acquire").assert_ok();
    assert_eq!(permitted(&server, CALLS), [false, true, true, true, true, true]);
}

fn a_user_may_be_given_the_commands_by_category(kind: Kind) {
    let server = Server::start(kind);
    let Some(listed) = listed(&server, "ratelimit") else { return };
    let names = ["acquire", "hold", "info", "peek", "policy|get", "policy|list", "return", "turn"]
        .map(|name| format!("ratelimit.{name}"));
    assert_eq!(listed, names);
    let mut operator = server.connect();
    operator.ask("ACL SETUSER u on nopass ~* +@ratelimit").assert_ok();
    assert_eq!(permitted(&server, CALLS), [true; 6]);
    for (rule, expected) in [
        ("-@write", [false, true, false, true, false, true]),
        ("-@all +@read", [false, true, false, true, false, true]),
        ("-@all +@write", [true, false, true, false, true, false]),
        ("-@all +@fast", [true; 6]),
        ("+@all -@ratelimit", [false; 6]),
    ] {
        operator.ask(&format!("ACL SETUSER u {rule}")).assert_ok();
        assert_eq!(permitted(&server, CALLS), expected, "{rule}");
    }
}

fn a_user_of_the_configuration_file_has_them_too(kind: Kind) {
    let by_name = "user u on nopass ~* +ratelimit.peek +ratelimit.info";
    assert_eq!(
        permitted(&Server::setup(kind).config(by_name).start(), CALLS),
        [false, true, false, true, false, false]
    );
    if has_categories(kind) {
        let by_category = "user u on nopass ~* +@ratelimit -@write";
        assert_eq!(
            permitted(&Server::setup(kind).config(by_category).start(), CALLS),
            [false, true, false, true, false, true]
        );
    }
}

fn a_rule_by_category_outlives_a_load_that_failed(kind: Kind) {
    if !has_categories(kind) {
        return;
    }
    for (rule, expected) in [("+@ratelimit", [true; 6]), ("+@all -@ratelimit", [false; 6])] {
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
        assert_eq!(permitted(&server, CALLS), expected, "{rule}");
    }
}
