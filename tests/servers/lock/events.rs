//! Who listens hears of each grant, extension and release, and of nothing else; who watches is disturbed by a change
//! and by no refusal.

use sluice_testing::{Client, Kind, Reply, Server, on_every_server};

use crate::shared::{NOON_MS, at_noon};

on_every_server![
    each_change_is_told_once_and_no_refusal,
    events_are_of_the_module_class,
    events_of_a_transaction_and_a_script_are_told,
    what_ends_without_a_command_is_told_by_the_server,
    a_change_breaks_watch_and_a_refusal_does_not,
    a_change_is_told_to_client_side_caches_and_a_refusal_is_not,
    a_change_counts_as_one_to_save_and_a_refusal_as_none,
];

/// A call that changes nothing when A holds `k` for some minutes, and `s` is a string.
const CHANGES_NOTHING: [&str; 13] = [
    "LOCK.TRY k A PX 60000",
    "LOCK.TRY k B PX 60000",
    "LOCK.TRY k A PX 60000 HOLDERS 9",
    "LOCK.ACQUIRE k A PX 60000 BLOCK 0",
    "LOCK.EXTEND k B PX 60000",
    "LOCK.EXTEND none A PX 60000",
    "LOCK.RELEASE k B",
    "LOCK.RELEASE none A",
    "LOCK.INFO k",
    "LOCK.INFO none",
    "LOCK.TRY k B PX 0",
    "LOCK.TRY s B PX 60000",
    "LOCK.LOAD k 1 B 1800000000000000 1800000100000 1800000000000",
];

/// Calls that each change `k`, one after the other, and the event of each.
const CHANGES: [(&str, &str); 6] = [
    ("LOCK.TRY k A PX 60000", "lock.acquired"),
    ("LOCK.EXTEND k A PX 70000", "lock.extended"),
    ("LOCK.TRY k B PX 60000 HOLDERS 2", "lock.acquired"),
    ("LOCK.RELEASE k A", "lock.released"),
    ("LOCK.RELEASE k B", "lock.released"),
    ("LOCK.ACQUIRE k C PX 60000 BLOCK 0", "lock.acquired"),
];

struct Listener(Client);

impl Listener {
    /// Listens to the events of the classes.
    fn to(server: &Server, classes: &str) -> Self {
        let mut client = server.connect();
        client.ask(&format!("CONFIG SET notify-keyspace-events {classes}")).assert_ok();
        client.ask("PSUBSCRIBE __key*__:*");
        Self(client)
    }

    /// `event key`
    #[track_caller]
    fn next(&mut self) -> String {
        let message = self.0.read();
        let channel = message.array()[2].text();
        let event = channel.strip_prefix("__keyevent@0__:").unwrap_or(channel);
        format!("{event} {}", message.array()[3].text())
    }
}

fn each_change_is_told_once_and_no_refusal(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    client.ask("SET s 1").assert_ok();
    let mut listener = Listener::to(&server, "KEA");
    for (line, event) in CHANGES {
        client.ask(line);
        // First the one that shows the key's name in the channel.
        assert_eq!(listener.next(), format!("__keyspace@0__:k {event}"), "{line}");
        assert_eq!(listener.next(), format!("{event} k"), "{line}");
    }
    client.ask("DEL k");
    client.ask("LOCK.TRY k A PX 60000");
    while listener.next() != "lock.acquired k" {}
    for line in CHANGES_NOTHING {
        client.ask(line);
    }
    client.ask("SET end 1").assert_ok();
    assert_eq!(listener.next(), "__keyspace@0__:end set");
}

fn events_are_of_the_module_class(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let mut listener = Listener::to(&server, "Ed");
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("SET other 1").assert_ok();
    client.ask("LOCK.RELEASE k A");
    assert_eq!([listener.next(), listener.next()], ["lock.acquired k", "lock.released k"]);
    // All classes but that one.
    client.ask("CONFIG SET notify-keyspace-events Eg$lshzxetKn").assert_ok();
    client.ask("LOCK.TRY k A PX 60000");
    client.ask("LOCK.RELEASE k A");
    client.ask("SET end 1").assert_ok();
    let told = std::iter::repeat_with(|| listener.next()).take_while(|told| told != "set end");
    let told: Vec<_> = told.filter(|told| told.contains("lock.")).collect();
    assert!(told.is_empty(), "{told:?}");
}

fn events_of_a_transaction_and_a_script_are_told(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let mut listener = Listener::to(&server, "Ed");
    client.pipeline(&["MULTI", "LOCK.TRY k A PX 60000", "LOCK.TRY k B PX 60000", "LOCK.RELEASE k A", "EXEC"]);
    let script = "redis.call('LOCK.TRY', 'k', 'A', 'PX', '60000') \
        redis.call('LOCK.EXTEND', 'k', 'A', 'PX', '1000') \
        redis.call('LOCK.EXTEND', 'k', 'B', 'PX', '1000')";
    client.call(&["EVAL", script, "1", "k"]);
    for event in ["lock.acquired", "lock.released", "lock.acquired", "lock.extended"] {
        assert_eq!(listener.next(), format!("{event} k"));
    }
}

fn what_ends_without_a_command_is_told_by_the_server(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let mut listener = Listener::to(&server, "EA");
    client.ask("LOCK.TRY k A PX 1000");
    server.set_clock_ms(NOON_MS + 1001);
    client.ask("LOCK.INFO k");
    client.ask("LOCK.TRY k A PX 1000");
    client.ask("DEL k");
    for event in ["lock.acquired", "expired", "lock.acquired", "del"] {
        assert_eq!(listener.next(), format!("{event} k"));
    }
    // A lease that ends in a key that lives on is nobody's event.
    client.ask("LOCK.TRY k A PX 100 HOLDERS 3");
    client.ask("LOCK.TRY k B PX 200 HOLDERS 3");
    server.set_clock_ms(NOON_MS + 1101);
    client.ask("LOCK.TRY k C PX 200 HOLDERS 3");
    client.ask("SET end 1").assert_ok();
    for event in ["lock.acquired k", "lock.acquired k", "lock.acquired k", "set end"] {
        assert_eq!(listener.next(), event);
    }
}

fn a_change_breaks_watch_and_a_refusal_does_not(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let mut watcher = server.connect();
    let mut breaks = |client: &mut Client, line: &str| {
        watcher.ask("WATCH k none s").assert_ok();
        client.ask(line);
        watcher.pipeline(&["MULTI", "PING"]);
        watcher.ask("EXEC").is_null()
    };
    client.ask("SET s 1").assert_ok();
    for (line, _) in CHANGES {
        assert!(breaks(&mut client, line), "{line}");
    }
    client.ask("DEL k");
    client.ask("LOCK.TRY k A PX 600000");
    for line in CHANGES_NOTHING {
        assert!(!breaks(&mut client, line), "{line}");
    }
}

fn a_change_is_told_to_client_side_caches_and_a_refusal_is_not(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let mut cache = server.connect_resp3();
    cache.ask("CLIENT TRACKING ON BCAST").assert_ok();
    client.ask("SET s 1").assert_ok();
    assert!(matches!(cache.read(), Reply::Push(_)));
    for (line, _) in CHANGES {
        client.ask(line);
        assert_eq!(format!("{:?}", cache.read()), r#"push(["invalidate", ["k"]])"#, "{line}");
    }
    client.ask("DEL k");
    cache.read();
    client.ask("LOCK.TRY k A PX 600000");
    cache.read();
    for line in CHANGES_NOTHING {
        client.ask(line);
        // The server tells before it serves the next command: what comes first is the echo.
        cache.assert_in_step();
    }
    // Without a broadcast it is told to those who have read the key, which LOCK.INFO does.
    let mut reader = server.connect_resp3();
    reader.ask("CLIENT TRACKING ON").assert_ok();
    reader.ask("LOCK.INFO k");
    client.ask("LOCK.RELEASE k A");
    assert_eq!(format!("{:?}", reader.read()), r#"push(["invalidate", ["k"]])"#);
}

fn a_change_counts_as_one_to_save_and_a_refusal_as_none(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    client.ask("SET s 1").assert_ok();
    let changes = |client: &mut Client| -> i64 {
        client.info("persistence", "rdb_changes_since_last_save").parse().unwrap()
    };
    for (line, _) in CHANGES {
        let before = changes(&mut client);
        client.ask(line);
        assert_eq!(changes(&mut client), before + 1, "{line}");
    }
    client.ask("DEL k");
    client.ask("LOCK.TRY k A PX 600000");
    for line in CHANGES_NOTHING {
        let before = changes(&mut client);
        client.ask(line);
        assert_eq!(changes(&mut client), before, "{line}");
    }
}
