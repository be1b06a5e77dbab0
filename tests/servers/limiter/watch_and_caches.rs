//! Who watches a key, or keeps a copy of it, hears of changes and of nothing else.

use sluice_testing::{Client, Kind, Reply, Server, on_every_server};

on_every_server![
    a_watch_is_broken_by_a_change_only,
    a_client_side_cache_is_told_of_changes_only,
    nothing_is_published,
];

/// What changes nothing, on a key with a limit of two a day of which both are taken.
const NO_CHANGE: &[&str] = &[
    "RATELIMIT.ACQUIRE k LIMIT 2 EX 86400",
    "RATELIMIT.ACQUIRE k LIMIT 2 EX 86400 COST 3",
    "RATELIMIT.ACQUIRE k LIMIT 2 EX 86400 PARTIAL",
    "RATELIMIT.ACQUIRE k LIMIT 2 EX 86400 MAXWAIT 60000",
    "RATELIMIT.ACQUIRE k LIMIT 2 EX 86400 LIMIT 5 EX 5",
    "RATELIMIT.ACQUIRE k LIMIT 2 EX 0",
    "RATELIMIT.PEEK k LIMIT 2 EX 86400",
    "RATELIMIT.PEEK k LIMIT 3 EX 86400",
    "RATELIMIT.PEEK k LIMIT 2 EX 86400 FORCE",
    "RATELIMIT.RETURN k LIMIT 2 EX 86400 COST 0",
    "RATELIMIT.RETURN k LIMIT 1 EX 86400 COST 0 LIMIT 5 EX 5",
    "RATELIMIT.INFO k",
    "RATELIMIT.HOLD k OFF",
    "RATELIMIT.HOLD k EX 0",
    "RATELIMIT.TURN k 5",
];

/// What changes it.
const CHANGE: &[&str] = &[
    "RATELIMIT.ACQUIRE k LIMIT 2 EX 86400 FORCE",
    "RATELIMIT.ACQUIRE k LIMIT 2 EX 86400 COST 0 LIMIT 5 EX 5",
    // Refused, and yet: the limit joins.
    "RATELIMIT.ACQUIRE k LIMIT 3 EX 86400 COST 2",
    "RATELIMIT.HOLD k PX 1",
    "RATELIMIT.RETURN k LIMIT 2 EX 86400",
    // All is given back, and the key is gone.
    "RATELIMIT.RETURN k LIMIT 2 EX 86400 COST 2",
];

fn take_both(client: &mut Client) {
    client.ask("DEL k");
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 86400 COST 2").ints()[0], 1);
}

fn a_watch_is_broken_by_a_change_only(kind: Kind) {
    let server = Server::start(kind);
    let (mut watcher, mut other) = (server.connect(), server.connect());
    let mut transaction_survives = |line: &str| {
        take_both(&mut other);
        watcher.ask("WATCH k").assert_ok();
        other.ask(line);
        !watcher.pipeline(&["MULTI", "PING", "EXEC"])[2].is_null()
    };
    for line in NO_CHANGE {
        assert!(transaction_survives(line), "{line}");
    }
    for line in CHANGE {
        assert!(!transaction_survives(line), "{line}");
    }
    // A key that was not there when it was watched.
    other.ask("DEL k");
    for (line, exists) in
        [(NO_CHANGE[6], false), ("RATELIMIT.RETURN k LIMIT 2 EX 86400", false), (NO_CHANGE[0], true)]
    {
        watcher.ask("WATCH k").assert_ok();
        other.ask(line);
        assert_eq!(watcher.pipeline(&["MULTI", "PING", "EXEC"])[2].is_null(), exists, "{line}");
    }
    watcher.assert_in_step();
}

fn a_client_side_cache_is_told_of_changes_only(kind: Kind) {
    let server = Server::start(kind);
    let (mut cache, mut other) = (server.connect_resp3(), server.connect());
    cache.ask("CLIENT TRACKING ON").assert_ok();
    let told = Reply::Push(vec![
        Reply::Bulk(b"invalidate".to_vec()),
        Reply::Array(vec![Reply::Bulk(b"k".to_vec())]),
    ]);
    for read in ["GET k", "RATELIMIT.INFO k", "RATELIMIT.PEEK k LIMIT 2 EX 86400"] {
        for line in NO_CHANGE {
            take_both(&mut other);
            cache.ask(read);
            other.ask(line);
            // A message would stand before the reply to whatever is asked next.
            assert_eq!(cache.ask("PING"), Reply::Simple("PONG".to_owned()), "{read}; {line}");
            other.ask("DEL k");
            assert_eq!(cache.read(), told, "{read}; DEL k");
        }
        for line in CHANGE {
            take_both(&mut other);
            cache.ask(read);
            other.ask(line);
            assert_eq!(cache.read(), told, "{read}; {line}");
        }
    }
    cache.assert_in_step();
}

fn nothing_is_published(kind: Kind) {
    let server = Server::start(kind);
    let (mut listener, mut other) = (server.connect_resp3(), server.connect());
    other.ask("CONFIG SET notify-keyspace-events KEA").assert_ok();
    listener.ask("PSUBSCRIBE __key*__:*");
    for line in NO_CHANGE.iter().chain(CHANGE) {
        other.ask(line);
    }
    // An event would stand before the reply: one a call would be noise.
    assert_eq!(listener.ask("PING"), Reply::Simple("PONG".to_owned()));
    other.ask("SET k v").assert_ok();
    assert!(matches!(listener.read(), Reply::Push(_)));
}
