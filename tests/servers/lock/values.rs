//! The stored value as such: what makes two of them equal, and who can read it.

use sluice_testing::{Client, Kind, Server, args, on_every_server};

use crate::lock::payload::Payload;
use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    the_digest_tells_locks_apart,
    the_oldest_servers_payload_is_read_by_all,
    the_oldest_servers_snapshot_is_read_by_all,
    a_script_is_told_what_a_client_is_told,
];

fn the_digest_tells_locks_apart(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let real = Payload::parse(client.ask("DUMP k").bytes());
    let (fence, end) = (5, 32_503_680_000_000);
    let (a, b) = ((&b"A"[..], fence, end, 1), (&b"B"[..], fence, end, 1));
    let locks = [
        real.lock(1, &[a]),
        real.lock(1, &[b]),
        real.lock(1, &[(b"A", fence + 1, end, 1)]),
        real.lock(1, &[(b"A", fence, end + 1, 1)]),
        real.lock(1, &[(b"A", fence, end, 2)]),
        real.lock(2, &[a, b]),
        real.lock(2, &[a, (b"AB", fence, end, 1)]),
    ];
    let mut digests: Vec<_> = locks
        .iter()
        .map(|lock| {
            client.call(&args!["RESTORE", "k", 0, lock, "REPLACE"]).assert_ok();
            client.ask("DEBUG DIGEST-VALUE k").array()[0].text().to_owned()
        })
        .collect();
    client.call(&args!["RESTORE", "k", 0, locks[0], "REPLACE"]).assert_ok();
    assert_eq!(client.ask("DEBUG DIGEST-VALUE k").array()[0].text(), digests[0], "the same again");
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), locks.len());
}

fn the_oldest_servers_payload_is_read_by_all(kind: Kind) {
    let oldest = Server::setup(Kind::Redis70).clock_ms(NOON_MS).start();
    let newer = Server::setup(kind).clock_ms(NOON_MS).start();
    let (mut there, mut here) = (oldest.connect(), newer.connect());
    there.ask("LOCK.TRY k A PX 60000 HOLDERS 2");
    there.ask("LOCK.TRY k B PX 90000 HOLDERS 2");
    here.call(&args!["RESTORE", "k", 0, there.ask("DUMP k").bytes()]).assert_ok();
    assert_eq!(shown(&mut here, "k"), shown(&mut there, "k"));
}

fn the_oldest_servers_snapshot_is_read_by_all(kind: Kind) {
    let mut oldest = Server::setup(Kind::Redis70).clock_ms(NOON_MS).start();
    let mut there = oldest.connect();
    there.ask("LOCK.TRY k A PX 60000 HOLDERS 2");
    there.ask("LOCK.TRY k B PX 90000 HOLDERS 2");
    let before = shown(&mut there, "k");
    oldest.shutdown("SAVE");
    let newer = Server::setup(kind).clock_ms(NOON_MS).file("dump.rdb", &oldest.rdb_bytes()).start();
    assert_eq!(shown(&mut newer.connect(), "k"), before);
}

fn a_script_is_told_what_a_client_is_told(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let script = |line: &str| {
        let words = ["EVAL", "return redis.call(unpack(ARGV))", "0"].into_iter().chain(line.split(' '));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let both = |client: &mut Client, line: &str, expected: &str| {
        assert_eq!(format!("{:?}", client.ask(line)), expected, "{line}");
        assert_eq!(format!("{:?}", client.call(&script(line))), expected, "{line} in a script");
    };
    both(&mut client, "LOCK.INFO k", "null");
    both(&mut client, "LOCK.EXTEND k A PX 60000", "[0, 0, -2]");
    both(&mut client, "LOCK.RELEASE k A", "0");
    assert_eq!(client.call(&script("LOCK.TRY k A PX 60000 HOLDERS 2")).ints(), [1, F, 60_000]);
    both(&mut client, "LOCK.TRY k A PX 60000", "[0, 1800000000000000, 60000]");
    both(&mut client, "LOCK.TRY k C PX 60000", "[0, 1800000000000000, 60000]");
    both(&mut client, "LOCK.EXTEND k A PX 70000", "[1, 1800000000000000, 70000]");
    let holder = r#"["owner", "A", "fence", 1800000000000000, "ttl-ms", 70000, "held-ms", 0]"#;
    both(&mut client, "LOCK.INFO k", &format!(r#"["holders", [{holder}], "waiting", 0, "waiters", []]"#));
    assert_eq!(client.call(&script("LOCK.RELEASE k A")).int(), 1);
    // One that may only read may look, and not take.
    let read_only = |line: &str| script(line).into_iter().map(|word| word.replace("EVAL", "EVAL_RO"));
    assert!(client.call(&read_only("LOCK.INFO k").collect::<Vec<_>>()).is_null());
    for line in ["LOCK.TRY k A PX 60000", "LOCK.ACQUIRE k A PX 60000 BLOCK 0", "LOCK.RELEASE k A"] {
        let refused = client.call(&read_only(line).collect::<Vec<_>>());
        assert!(
            refused.error().contains("Write commands are not allowed from read-only scripts"),
            "{refused:?}"
        );
    }
    assert_eq!(client.ask("EXISTS k").int(), 0);
}
