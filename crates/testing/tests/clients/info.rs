//! That the replies of INFO have the shape that the page says.

use sluice_testing::{Kind, Server};

use crate::language::Language;

#[test]
fn redis_8_2() {
    info_tells_who_holds_a_lock(Kind::Redis82);
}

#[test]
fn valkey_9_1() {
    info_tells_who_holds_a_lock(Kind::Valkey91);
}

fn info_tells_who_holds_a_lock(kind: Kind) {
    for language in [Language::Python, Language::Node, Language::Php] {
        let server = Server::start_tcp(kind);
        let ended = language.start("info", &server.url()).end();
        assert!(ended.ok, "{language:?}: {ended:?}");
        assert_eq!(ended.said(""), ["0 wait for it"], "{language:?}: {ended:?}");

        for owner in ["first", "second"] {
            server.ask(&format!("LOCK.TRY lock:nightly {owner} PX 60000 HOLDERS 2")).ints();
        }
        let ended = language.start("info", &server.url()).end();
        assert!(ended.ok, "{language:?}: {ended:?}");
        assert!(ended.said("held by first for another ")[0].ends_with(" ms"), "{language:?}: {ended:?}");
        assert_eq!(ended.said("held by second for another ").len(), 1, "{language:?}: {ended:?}");
        assert_eq!(ended.said("0 wait for it"), [""], "{language:?}: {ended:?}");
    }
}
