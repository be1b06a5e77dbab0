//! A lock may be carried to another server by DUMP and RESTORE; and whatever RESTORE is given, the outcome is an error
//! or a lock, and the fences of the server are unharmed.

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server};

use crate::lock::payload::{HEADER, Payload};
use crate::lock::shown::{F, shown};
use crate::shared::{NOON_MS, at_noon};

on_every_server![
    a_restored_lock_is_the_same_lock,
    a_migrated_lock_is_the_same_lock_and_in_one_place,
    a_lock_restored_without_an_expiry_still_ends,
    a_payload_is_taken_if_every_field_is_in_range,
    a_payload_with_a_field_out_of_range_is_refused,
    a_refused_payload_leaves_the_fences,
    the_highest_fence_that_is_believed_leaves_room,
    a_damaged_payload_is_refused,
    a_payload_cut_anywhere_is_an_error_or_a_lock_though_its_checksum_is_right,
    a_payload_changed_anywhere_is_an_error_or_a_lock_though_its_checksum_is_right,
];

/// A hundred years.
const MAX_MS: u64 = 3_155_760_000_000;
const NOON: u64 = NOON_MS as u64;
const FENCE: u64 = F as u64;
const MINUTE: u64 = NOON + 60_000;
/// The highest fence that is believed of a client at noon.
const TOP_FENCE: u64 = FENCE + (1 << 50) - 1;

/// A lock of two holders, as this server dumps it.
fn payload(client: &mut Client) -> Payload {
    client.ask("LOCK.TRY dumped Anna PX 60000 HOLDERS 2");
    client.ask("LOCK.TRY dumped Bert PX 90000 HOLDERS 2");
    Payload::parse(client.ask("DUMP dumped").bytes())
}

fn restore(client: &mut Client, key: &str, payload: &[u8]) -> Reply {
    client.call(&args!["RESTORE", key, 0, payload, "REPLACE"])
}

fn a_restored_lock_is_the_same_lock(kind: Kind) {
    let (_there, mut there) = at_noon(kind);
    let (here, mut client) = at_noon(kind);
    here.set_clock_ms(NOON_MS + 1000);
    there.ask("LOCK.TRY k A PX 60000 HOLDERS 2");
    there.ask("LOCK.TRY k B PX 90000 HOLDERS 2");
    let dump = there.ask("DUMP k");
    client.call(&args!["RESTORE", "k", MINUTE + 30_000, dump.bytes(), "ABSTTL"]).assert_ok();
    assert_eq!(shown(&mut client, "k"), "A F+0 ttl 59000 held 1000, B F+1 ttl 89000 held 1000; 0 wait");
    assert_eq!(client.ask("PEXPIRETIME k"), there.ask("PEXPIRETIME k"));
    assert_eq!(client.ask("DUMP k"), dump);
    // It is not only shown.
    assert_eq!(client.ask("LOCK.TRY k C PX 1 HOLDERS 2").ints(), [0, F + 1, 59_000]);
    assert_eq!(client.ask("LOCK.EXTEND k B PX 500").ints(), [1, F + 1, 500]);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    assert!(client.call(&args!["RESTORE", "k", 0, dump.bytes()]) == Reply::Simple("OK".into()));
    assert!(client.call(&args!["RESTORE", "k", 0, dump.bytes()]).error().starts_with("BUSYKEY "));
}

fn a_migrated_lock_is_the_same_lock_and_in_one_place(kind: Kind) {
    let (_here, mut here) = at_noon(kind);
    let target = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let mut there = target.connect();
    here.ask("LOCK.TRY k A PX 60000");
    here.ask(&format!("MIGRATE 127.0.0.1 {} k 0 5000", target.port())).assert_ok();
    assert_eq!(shown(&mut here, "k"), "free");
    assert_eq!(shown(&mut there, "k"), "A F+0 ttl 60000 held 0; 0 wait");
    // In µs the clock here is the same: what came has raised the fence.
    assert_eq!(there.ask("LOCK.TRY l A PX 60000").ints(), [1, F + 1, 60_000]);
}

fn a_lock_restored_without_an_expiry_still_ends(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let dump = payload(&mut client);
    restore(&mut client, "k", &dump.sealed(&dump.body)).assert_ok();
    assert_eq!(client.ask("PTTL k").int(), -1);
    assert_eq!(shown(&mut client, "k"), "Anna F+0 ttl 60000 held 0, Bert F+1 ttl 90000 held 0; 0 wait");
    server.set_clock_ms(NOON_MS + 90_000);
    assert_eq!(shown(&mut client, "k"), "free");
    assert_eq!(client.ask("LOCK.TRY k C PX 1000").ints()[0], 1);
    assert_eq!(client.ask("PTTL k").int(), 1000);
}

fn a_payload_is_taken_if_every_field_is_in_range(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    let real = payload(&mut client);
    // The hand that writes payloads writes what the server reads.
    let copy = real.lock(2, &[(b"Anna", FENCE, MINUTE, NOON), (b"Bert", FENCE + 1, MINUTE + 30_000, NOON)]);
    restore(&mut client, "copy", &copy).assert_ok();
    assert_eq!(client.ask("DUMP copy"), client.ask("DUMP dumped"));

    let longest = [b'o'; 512];
    let last = (1 << 53) - 1;
    for holder in [
        (&b"A"[..], 1, MINUTE, NOON),
        (b"\0", FENCE, MINUTE, NOON),
        (&longest, FENCE, MINUTE, NOON),
        (b"A", TOP_FENCE, MINUTE, NOON),
        (b"A", FENCE, last, NOON),
        (b"A", FENCE, MINUTE, 0),
        (b"A", FENCE, MINUTE, last),
    ] {
        restore(&mut client, "k", &real.lock(1, &[holder])).assert_ok();
        let info = client.ask("LOCK.INFO k").pairs();
        let fields = info[0].1.array()[0].pairs();
        assert_eq!(fields[0].1.bytes(), holder.0);
        assert_eq!(fields[1].1.int().unsigned_abs(), holder.1);
        // No lease lasts longer than any can be asked for.
        let longest = (holder.2 - holder.3.min(holder.2)).min(MAX_MS);
        let left = holder.2 - NOON;
        assert_eq!(fields[2].1.int().unsigned_abs(), if left > MAX_MS { longest } else { left });
        assert_eq!(fields[3].1.int().unsigned_abs(), NOON.saturating_sub(holder.3));
        assert_eq!(client.call(&args!["LOCK.RELEASE", "k", holder.0]).int(), 1);
    }
    // A lease that has ended is a lease, for nobody.
    restore(&mut client, "k", &real.lock(1, &[(b"A", FENCE, 0, 0)])).assert_ok();
    assert_eq!(shown(&mut client, "k"), "free");

    let names: Vec<_> = (0..1024).map(|n| n.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_bytes(), FENCE, MINUTE, NOON)).collect();
    restore(&mut client, "k", &real.lock(1024, &many)).assert_ok();
    assert_eq!(client.ask("LOCK.TRY k A PX 1 HOLDERS 1024").ints()[0], 0);
    client.ask("DEBUG RELOAD").assert_ok();
    assert_eq!(client.ask("LOCK.INFO k").pairs()[0].1.array().len(), 1024);
}

fn a_payload_with_a_field_out_of_range_is_refused(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let real = payload(&mut client);
    let good = (&b"A"[..], FENCE, MINUTE, NOON);
    let other = (&b"B"[..], FENCE, MINUTE, NOON);
    let (too_long, huge) = ([b'o'; 513], vec![b'o'; 1 << 20]);
    let names: Vec<_> = (0..1025).map(|n| n.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_bytes(), FENCE, MINUTE, NOON)).collect();
    for (what, count, holders) in [
        ("nobody", 0, &[][..]),
        ("a holder too few", 2, &[good]),
        ("a holder too many", 1, &[good, other]),
        ("as many holders as there are numbers", u64::MAX, &[good]),
        ("1025 holders", 1025, &many),
        ("an owner twice", 2, &[good, good]),
        ("an owner of no bytes", 1, &[(b"", FENCE, MINUTE, NOON)]),
        ("an owner of 513 bytes", 1, &[(&too_long, FENCE, MINUTE, NOON)]),
        ("an owner of a mebibyte", 1, &[(&huge, FENCE, MINUTE, NOON)]),
        ("fence 0", 1, &[(b"A", 0, MINUTE, NOON)]),
        ("a fence that leaves too little room", 1, &[(b"A", TOP_FENCE + 1, MINUTE, NOON)]),
        ("the last fence of all", 1, &[(b"A", (1 << 53) - 1, MINUTE, NOON)]),
        ("a fence of 2^53", 1, &[(b"A", 1 << 53, MINUTE, NOON)]),
        ("a fence of 64 bits", 1, &[(b"A", u64::MAX, MINUTE, NOON)]),
        ("a deadline of 2^53", 1, &[(b"A", FENCE, 1 << 53, NOON)]),
        ("a deadline of 64 bits", 1, &[(b"A", FENCE, u64::MAX, NOON)]),
        ("taken in 2^53", 1, &[(b"A", FENCE, MINUTE, 1 << 53)]),
        ("a second holder out of range", 2, &[good, (b"B", 0, MINUTE, NOON)]),
    ] {
        assert!(restore(&mut client, "k", &real.lock(count, holders)).error().starts_with("ERR "), "{what}");
        assert_eq!(client.ask("EXISTS k").int(), 0, "{what}");
    }
    client.assert_in_step();
    assert_well(&server);
}

fn a_refused_payload_leaves_the_fences(kind: Kind) {
    let (_server, mut client) = at_noon(kind);
    let real = payload(&mut client);
    let believed = (&b"A"[..], FENCE + 1_000_000, MINUTE, NOON);
    // The first holder is in range each time.
    for second in
        [(&b"A"[..], FENCE, MINUTE, NOON), (b"B", 1 << 53, MINUTE, NOON), (b"B", FENCE, u64::MAX, NOON)]
    {
        restore(&mut client, "k", &real.lock(2, &[believed, second])).error();
    }
    assert_eq!(client.ask("LOCK.TRY k A PX 1000").ints(), [1, F + 2, 1000]);
}

fn the_highest_fence_that_is_believed_leaves_room(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let real = payload(&mut client);
    let top = TOP_FENCE;
    restore(&mut client, "k", &real.lock(1, &[(b"A", top, MINUTE, NOON)])).assert_ok();
    let calls: Vec<_> = (0..1000).map(|n| format!("LOCK.TRY k{n} A PX 60000")).collect();
    for (n, reply) in (1..).zip(client.pipeline(&calls)) {
        assert_eq!(reply.ints()[1].unsigned_abs(), top + n);
    }
    assert!(top + 1000 < 1 << 53);
    // Doing it again does not lift it further; what this server has granted it takes back.
    restore(&mut client, "k", &real.lock(1, &[(b"A", top + 1001, MINUTE, NOON)])).error();
    restore(&mut client, "k", &real.lock(1, &[(b"A", top + 1000, MINUTE, NOON)])).assert_ok();
    assert_eq!(client.ask("LOCK.TRY more A PX 60000").ints()[1].unsigned_abs(), top + 1001);
    assert_well(&server);
}

fn a_damaged_payload_is_refused(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let real = payload(&mut client);
    let whole = real.sealed(&real.body);
    let mut damaged: Vec<_> = (0..whole.len()).map(|len| whole[..len].to_vec()).collect();
    for place in 0..whole.len() {
        for mask in 1..=255 {
            let mut bytes = whole.clone();
            bytes[place] ^= mask;
            damaged.push(bytes);
        }
    }
    for outcome in restore_all(&mut client, &damaged) {
        outcome.error();
    }
    assert_eq!(client.ask("DBSIZE").int(), 1);
    assert_eq!(client.ask("LOCK.TRY k A PX 1000").ints(), [1, F + 2, 1000]);
    assert_well(&server);
}

fn a_payload_cut_anywhere_is_an_error_or_a_lock_though_its_checksum_is_right(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let real = payload(&mut client);
    let cut: Vec<_> = (0..real.body.len()).map(|len| real.sealed(&real.body[..len])).collect();
    for (len, outcome) in restore_all(&mut client, &cut).iter().enumerate() {
        if !matches!(outcome, Reply::Error(_)) {
            // The server reads on in the footer: cut within the last field, its bytes may pass for the rest of it.
            assert!(len > cut.len() - 11, "cut at {len}: {outcome:?}");
            assert_sound(&mut client, &format!("k{len}"));
        }
    }
    assert_eq!(client.ask("LOCK.TRY new A PX 1000").ints(), [1, F + 2, 1000]);
    assert_well(&server);
}

fn a_payload_changed_anywhere_is_an_error_or_a_lock_though_its_checksum_is_right(kind: Kind) {
    let (server, mut client) = at_noon(kind);
    let real = payload(&mut client);
    let mut changed = Vec::new();
    // The first byte is the server's: it says that a type of a module follows.
    for place in 1..real.body.len() {
        for mask in 1..=255 {
            let mut body = real.body.clone();
            body[place] ^= mask;
            changed.push(real.sealed(&body));
        }
    }
    let outcomes = restore_all(&mut client, &changed);
    let taken: Vec<_> = (0..outcomes.len()).filter(|n| !matches!(outcomes[*n], Reply::Error(_))).collect();
    // Of the header no other will do; of the names, any.
    assert!(taken.iter().all(|n| n / 255 + 1 >= HEADER));
    assert!(taken.len() > 8 * 200, "{} of {} were taken", taken.len(), outcomes.len());
    for n in taken {
        assert_sound(&mut client, &format!("k{n}"));
    }
    // What was taken can be kept, and read again.
    client.ask("DEBUG RELOAD").assert_ok();
    let fences: Vec<_> =
        (0..2).map(|n| client.ask(&format!("LOCK.TRY new{n} A PX 1000")).ints()[1]).collect();
    assert!(F + 2 <= fences[0] && fences[0] < fences[1] && fences[1] < 1 << 53, "{fences:?}");
    assert_well(&server);
}

/// RESTOREs each under the name `k<n>`, many at a time.
fn restore_all(client: &mut Client, payloads: &[Vec<u8>]) -> Vec<Reply> {
    let mut outcomes = Vec::new();
    for (first, some) in payloads.chunks(1000).enumerate() {
        for (n, payload) in some.iter().enumerate() {
            client.send(&args!["RESTORE", format!("k{}", first * 1000 + n), 0, payload]);
        }
        outcomes.extend(some.iter().map(|_| client.read()));
    }
    client.assert_in_step();
    outcomes
}

/// A lock with one or two holders, whatever their names, that behaves as one.
#[track_caller]
fn assert_sound(client: &mut Client, key: &str) {
    assert_eq!(client.call(&["TYPE", key]).text(), "sluice-lk");
    let info = client.call(&["LOCK.INFO", key]);
    if info.is_null() {
        return; // both leases have ended
    }
    let info = info.pairs();
    let holders = info[0].1.array();
    assert!((1..=2).contains(&holders.len()), "{info:?}");
    for holder in holders {
        let fields = holder.pairs();
        assert!((1..=512).contains(&fields[0].1.bytes().len()), "{info:?}");
        assert!((1..1 << 53).contains(&fields[1].1.int()), "{info:?}");
        assert!((1..1 << 53).contains(&fields[2].1.int()), "{info:?}");
        assert!((0..1 << 53).contains(&fields[3].1.int()), "{info:?}");
        let fence = fields[1].1.int();
        let extended = client.call(&args!["LOCK.EXTEND", key, fields[0].1.bytes(), "PX", 9000]);
        assert_eq!(extended.ints(), [1, fence, 9000]);
    }
}

/// Nothing in the log of what a server writes when something has gone wrong inside.
#[track_caller]
fn assert_well(server: &Server) {
    assert_eq!(server.connect().ask("PING").text(), "PONG");
    let log = server.log();
    for sign in ["BUG REPORT", "STACK TRACE", "panicked", "ASSERTION", "internal error"] {
        assert!(!log.contains(sign), "the log says {sign}");
    }
}
