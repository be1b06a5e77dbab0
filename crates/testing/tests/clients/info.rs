//! That the replies of INFO have the shape that the page says.

use sluice_testing::{Kind, Server};

use crate::client::ALL;

#[test]
fn redis_8_2() {
    info_tells_who_holds_a_lock(Kind::Redis82);
}

#[test]
fn valkey_9_1() {
    info_tells_who_holds_a_lock(Kind::Valkey91);
}

fn info_tells_who_holds_a_lock(kind: Kind) {
    for client in ALL.iter().filter(|client| client.has_info) {
        let server = Server::start_tcp(kind);
        let ended = client.start("info", &server.url()).end();
        assert!(ended.ok, "{client:?}: {ended:?}");
        assert_eq!(ended.said(""), ["0 wait for it"], "{client:?}: {ended:?}");

        for owner in ["first", "second"] {
            server.ask(&format!("LOCK.TRY lock:nightly {owner} PX 60000 HOLDERS 2")).ints();
        }
        let ended = client.start("info", &server.url()).end();
        assert!(ended.ok, "{client:?}: {ended:?}");
        assert!(ended.said("held by first for another ")[0].ends_with(" ms"), "{client:?}: {ended:?}");
        assert_eq!(ended.said("held by second for another ").len(), 1, "{client:?}: {ended:?}");
        assert_eq!(ended.said("0 wait for it"), [""], "{client:?}: {ended:?}");
    }
}
