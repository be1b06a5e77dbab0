//! Operators change policies, everybody looks at them: by category where there are any, else by name.

use sluice_testing::{Kind, Reply, Server, on_every_server, words};

use crate::policies::int;
use crate::shared::permissions::{has_categories, listed};

on_every_server![
    callers_by_category_may_look_and_not_change,
    admins_by_category_may_change,
    single_commands_can_be_given_and_taken,
    a_call_by_a_policy_needs_no_other_right,
];

const LOOK: [&str; 2] = ["RATELIMIT.POLICY GET p", "RATELIMIT.POLICY LIST"];
const CHANGE: [&str; 3] = [
    "RATELIMIT.POLICY SET p LIMIT 1 EX 1",
    "RATELIMIT.POLICY REPLACE 'p LIMIT 1 EX 1'",
    "RATELIMIT.POLICY DEL none",
];

/// Whether a user with these rules may call each of the lines.
fn may<const N: usize>(server: &Server, rules: &str, lines: [&str; N]) -> [bool; N] {
    server.ask(&format!("ACL SETUSER u reset on nopass ~* {rules}")).assert_ok();
    let mut client = server.connect();
    client.ask("AUTH u any").assert_ok();
    lines.map(|line| match client.call(&words(line)) {
        Reply::Error(error) if error.starts_with("NOPERM ") => false,
        Reply::Error(error) => panic!("{line}: {error}"),
        _ => true,
    })
}

fn callers_by_category_may_look_and_not_change(kind: Kind) {
    let server = Server::start(kind);
    if !has_categories(kind) {
        return;
    }
    for category in ["+@ratelimit", "+@read +@write", "+@all -@dangerous", "+@all -@admin"] {
        assert_eq!(may(&server, category, LOOK), [true; 2], "{category}");
        assert_eq!(may(&server, category, CHANGE), [false; 3], "{category}");
    }
    let ours = |category| -> Vec<String> {
        let listed = listed(&server, category).unwrap();
        listed.into_iter().filter(|name| name.starts_with("ratelimit.policy")).collect()
    };
    let names =
        |names: &[&str]| names.iter().map(|name| format!("ratelimit.policy|{name}")).collect::<Vec<_>>();
    for (category, expected) in [
        ("ratelimit", &["get", "list"][..]),
        ("read", &["get", "list"]),
        ("admin", &["del", "replace", "set"]),
        ("dangerous", &["del", "replace", "set"]),
        ("write", &[]),
    ] {
        assert_eq!(ours(category), names(expected), "{category}");
    }
}

fn admins_by_category_may_change(kind: Kind) {
    let server = Server::start(kind);
    if has_categories(kind) {
        assert_eq!(may(&server, "+@admin", CHANGE), [true; 3]);
        assert_eq!(may(&server, "+@admin", LOOK), [false; 2]);
    }
    assert_eq!(may(&server, "+@all", CHANGE), [true; 3]);
}

fn single_commands_can_be_given_and_taken(kind: Kind) {
    let server = Server::start(kind);
    int(&mut server.connect(), "RATELIMIT.POLICY SET p LIMIT 1 EX 1");
    assert_eq!(may(&server, "+ratelimit.policy|get", LOOK), [true, false]);
    assert_eq!(may(&server, "+ratelimit.policy|set", CHANGE), [true, false, false]);
    assert_eq!(may(&server, "+ratelimit.policy", LOOK), [true; 2]);
    assert_eq!(may(&server, "+ratelimit.policy", CHANGE), [true; 3]);
    assert_eq!(may(&server, "+@all -ratelimit.policy|del", CHANGE), [true, true, false]);
    assert_eq!(may(&server, "+@all -ratelimit.policy", LOOK), [false; 2]);
}

fn a_call_by_a_policy_needs_no_other_right(kind: Kind) {
    let server = Server::start(kind);
    int(&mut server.connect(), "RATELIMIT.POLICY SET p LIMIT 9 EX 9");
    server.ask("ACL SETUSER u on nopass ~mine:* +ratelimit.acquire").assert_ok();
    let mut client = server.connect();
    client.ask("AUTH u any").assert_ok();
    assert_eq!(client.ask("RATELIMIT.ACQUIRE mine:1 @p").ints()[0], 1);
    assert!(client.ask("RATELIMIT.ACQUIRE k @p").error().starts_with("NOPERM "));
}
