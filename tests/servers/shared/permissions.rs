//! What a user may call, whichever family the commands are of.

use sluice_testing::{Kind, Reply, Server};

/// A command, its words behind the key, and whether it writes.
pub(crate) type Call = (&'static str, &'static str, bool);

/// Which of the calls the user `u` may make.
pub(crate) fn permitted<const N: usize>(server: &Server, calls: [Call; N]) -> [bool; N] {
    calls.map(|(name, words, _)| may(server, "u", &format!("{name} k {words}")))
}

fn may(server: &Server, user: &str, line: &str) -> bool {
    let mut client = server.connect();
    client.ask(&format!("AUTH {user} any")).assert_ok();
    match client.ask(line) {
        Reply::Error(error) if error.starts_with("NOPERM ") => false,
        Reply::Array(_) | Reply::Int(_) | Reply::Null => true,
        other => panic!("{line}: {other:?}"),
    }
}

/// Each call needs the permission to read its key, and to write it if it writes.
pub(crate) fn assert_keys_need_permission(server: &Server, calls: &[Call]) {
    let mut operator = server.connect();
    operator.ask("ACL SETUSER other on nopass +@all ~other:*").assert_ok();
    operator.ask("ACL SETUSER reader on nopass +@all %R~*").assert_ok();
    operator.ask("ACL SETUSER writer on nopass +@all %W~*").assert_ok();
    for (name, words, writes) in calls {
        assert!(may(server, "other", &format!("{name} other:1 {words}")));
        assert!(!may(server, "other", &format!("{name} k {words}")));
        assert_eq!(may(server, "reader", &format!("{name} k {words}")), !writes);
        // What is answered tells what is there: writing without reading will not do.
        assert!(!may(server, "writer", &format!("{name} k {words}")));
    }
}

/// The commands of an ACL category, sorted; none on a server that has no categories for modules, and says so.
pub(crate) fn listed(server: &Server, category: &str) -> Option<Vec<String>> {
    let listed = server.ask(&format!("ACL CAT {category}"));
    if !has_categories(server.kind()) {
        assert!(listed.error().starts_with("ERR Unknown category"));
        return None;
    }
    let mut listed: Vec<_> = listed.array().iter().map(|name| name.text().to_owned()).collect();
    listed.sort_unstable();
    Some(listed)
}

/// Redis 7.0 has no ACL categories for modules.
pub(crate) fn has_categories(kind: Kind) -> bool {
    kind != Kind::Redis70
}
