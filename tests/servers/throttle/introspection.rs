//! What the server tells of the command, and who may call it.

use sluice_testing::{Kind, on_every_server};

use crate::shared::documented::{assert_documented, assert_key_is_told, set, texts};
use crate::shared::permissions::{Call, assert_keys_need_permission, has_categories, listed, permitted};
use crate::throttle::{setup, start};

on_every_server![
    it_declares_what_it_does,
    it_is_documented,
    it_tells_its_key,
    access_rules_hold,
    it_goes_where_its_slot_is,
];

fn it_declares_what_it_does(kind: Kind) {
    let (_server, mut client) = start(kind);
    let info = client.ask("COMMAND INFO cl.throttle");
    let info = info.array()[0].array();
    assert_eq!(
        (info[0].text(), info[1].int()),
        ("cl.throttle", -1),
        "too few words get redis-cell's own error"
    );
    assert_eq!(texts(&info[2]), set("write module fast"));
    assert_eq!((info[3].int(), info[4].int(), info[5].int()), (1, 1, 1));
    assert_eq!(texts(&info[6]), set(if has_categories(kind) { "@ratelimit @fast @write" } else { "" }));
    assert!(info[7].array().is_empty() && info[9].array().is_empty());
}

fn it_is_documented(kind: Kind) {
    let (_server, mut client) = start(kind);
    assert_documented(&mut client, "cl.throttle", "0.2.0", "key max-burst count period [quantity]");
}

fn it_tells_its_key(kind: Kind) {
    let (_server, mut client) = start(kind);
    assert_key_is_told(&mut client, "cl.throttle", &["4", "1", "1"], true);
}

const CALL: [Call; 1] = [("cl.throttle", "4 1 1", true)];

fn access_rules_hold(kind: Kind) {
    let (server, mut client) = start(kind);
    assert_keys_need_permission(&server, &CALL);
    client.ask("ACL SETUSER u on nopass ~* +cl.throttle").assert_ok();
    assert_eq!(permitted(&server, CALL), [true]);
    client.ask("ACL SETUSER u +@all -cl.throttle").assert_ok();
    assert_eq!(permitted(&server, CALL), [false]);
    // Without a key to ask about, and with rules on keys, it is told what is missing all the same.
    client.ask("ACL SETUSER v on nopass ~mine:* +@all").assert_ok();
    client.ask("AUTH v any").assert_ok();
    assert!(client.ask("CL.THROTTLE").error().starts_with("Cell error: Store error: Usage: "));
    if let Some(listed) = listed(&server, "ratelimit") {
        assert!(listed.contains(&"cl.throttle".to_owned()));
    }
}

fn it_goes_where_its_slot_is(kind: Kind) {
    let server = setup(kind).cluster_of(&[0..=8191]).start();
    let mut client = server.connect();
    let replies = ["CL.THROTTLE b 4 1 1", "CL.THROTTLE a 4 1 1"].map(|line| client.ask(line));
    // A node that is alone may think the cluster down, where slots are nobody's.
    assert!(
        replies.iter().all(|reply| !reply.is_error()
            || ["MOVED", "CLUSTERDOWN"].iter().any(|code| reply.error().starts_with(code))),
        "{replies:?}"
    );
    client.assert_in_step();
}
