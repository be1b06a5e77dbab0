//! Fences grow over the end of the server: over a crash, a restart with and without its files, and the promotion of a
//! replica.

use sluice_testing::{Client, Kind, Reply, Server, on_every_server, until};

use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    without_files_the_clock_alone_makes_fences_grow,
    the_aof_keeps_fences_growing_though_the_clock_is_behind,
    a_snapshot_with_the_lock_keeps_fences_growing_though_the_clock_is_behind,
    a_snapshot_keeps_the_last_fence_though_the_lock_is_gone,
    a_rewritten_aof_keeps_the_last_fence_though_the_lock_is_gone,
    a_snapshot_of_a_sound_clock_holds_no_more_than_the_keys,
    what_was_saved_under_a_wrong_clock_loads_under_the_right_one,
    no_clock_makes_a_fence_that_cannot_be_kept,
    a_snapshot_with_a_fence_ahead_of_the_clock_says_what_it_needs,
    a_server_whose_clock_starts_in_1970_loads_what_it_had,
    a_promoted_replica_goes_on_above_its_primary,
    a_replica_that_came_later_goes_on_above_its_primary,
];

const HOUR_MS: i64 = 3_600_000;
const YEAR_MS: i64 = 31_557_600_000;

/// Redis 7.0 has no place in a snapshot that a server without the module would pass over. There the last fence
/// outlives a restart in the AOF, in a lock that is held, and by the clock.
fn has_room_for_the_last_fence(kind: Kind) -> bool {
    kind != Kind::Redis70
}

/// Takes and releases a lock twice: the second fence is one ahead of the clock.
fn two_rounds(client: &mut Client) {
    for n in 0..2 {
        assert_eq!(client.ask("LOCK.TRY k A PX 60000").ints(), [1, F + n, 60_000]);
        assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    }
}

#[track_caller]
fn next_fence(server: &Server) -> i64 {
    let reply = server.connect().ask("LOCK.TRY next A PX 60000");
    assert_eq!(reply.ints()[0], 1);
    reply.ints()[1]
}

fn without_files_the_clock_alone_makes_fences_grow(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    two_rounds(&mut server.connect());
    server.set_clock_ms(NOON_MS + 1);
    server.restart();
    assert_eq!(next_fence(&server), F + 1000);
    server.kill9();
    server.set_clock_ms(NOON_MS + 2);
    server.start_again();
    assert_eq!(next_fence(&server), F + 2000);
}

fn the_aof_keeps_fences_growing_though_the_clock_is_behind(kind: Kind) {
    let mut server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    two_rounds(&mut server.connect());
    server.kill9();
    server.set_clock_ms(NOON_MS - HOUR_MS);
    server.start_again();
    assert_eq!(next_fence(&server), F + 2);
    server.restart();
    assert_eq!(server.connect().ask("LOCK.TRY more A PX 60000").ints(), [1, F + 3, 60_000]);
}

fn a_snapshot_with_the_lock_keeps_fences_growing_though_the_clock_is_behind(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    server.connect().ask("LOCK.TRY k A PX 60000");
    server.shutdown("SAVE");
    server.set_clock_ms(NOON_MS - HOUR_MS);
    server.start_again();
    assert_eq!(shown(&mut server.connect(), "k"), "A F+0 ttl 3660000 held 0; 0 wait");
    assert_eq!(next_fence(&server), F + 1);
}

fn a_snapshot_keeps_the_last_fence_though_the_lock_is_gone(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    two_rounds(&mut server.connect());
    server.set_clock_ms(NOON_MS - HOUR_MS);
    server.shutdown("SAVE");
    server.start_again();
    if has_room_for_the_last_fence(kind) {
        assert_eq!(next_fence(&server), F + 2);
    } else {
        assert_eq!(next_fence(&server), F - HOUR_MS * 1000);
    }
}

fn a_rewritten_aof_keeps_the_last_fence_though_the_lock_is_gone(kind: Kind) {
    let mut server = Server::setup(kind).aof().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    two_rounds(&mut client);
    server.set_clock_ms(NOON_MS - HOUR_MS);
    client.ask("BGREWRITEAOF").text();
    until("the file is rewritten", || client.info("persistence", "aof_rewrite_in_progress") == "0");
    assert_eq!(client.info("persistence", "aof_last_bgrewrite_status"), "ok");
    server.kill9();
    server.start_again();
    if has_room_for_the_last_fence(kind) {
        assert_eq!(next_fence(&server), F + 2);
    } else {
        assert_eq!(next_fence(&server), F - HOUR_MS * 1000);
    }
}

/// Nothing of the module is in the file, so that a server without it loads the file.
fn a_snapshot_of_a_sound_clock_holds_no_more_than_the_keys(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    two_rounds(&mut server.connect());
    server.connect().ask("SET s 1").assert_ok();
    server.set_clock_ms(NOON_MS + 1);
    server.shutdown("SAVE");
    server.change(|setup| setup.without_module());
    server.start_again();
    assert_eq!(server.connect().ask("GET s").text(), "1");
}

/// A clock that was an age ahead, as after a fault of the time service, and was then put right.
fn what_was_saved_under_a_wrong_clock_loads_under_the_right_one(kind: Kind) {
    for ahead_ms in [HOUR_MS, 99 * YEAR_MS, 136 * YEAR_MS] {
        let mut server = Server::setup(kind).clock_ms(NOON_MS + ahead_ms).start();
        let mut client = server.connect();
        client.ask("SET s 1").assert_ok();
        let fence = client.ask("LOCK.TRY k A PX 60000").ints()[1];
        server.set_clock_ms(NOON_MS);
        // Once with the lock in the file, once without.
        for release in [false, true] {
            if release {
                client.ask("LOCK.RELEASE k A");
            }
            server.shutdown("SAVE");
            server.start_again();
            client = server.connect();
            assert_eq!(client.ask("GET s").text(), "1", "{} years ahead", ahead_ms / YEAR_MS);
        }
        let next = next_fence(&server);
        assert!(next > fence || !has_room_for_the_last_fence(kind), "{next} comes after {fence}");
        assert!(next < 1 << 53);
    }
}

/// In the year 2255 the clock has reached 2^53 us. Whatever is answered then, no fence is given that clients read
/// wrong, replicas refuse, and the server's own files do not give back.
fn no_clock_makes_a_fence_that_cannot_be_kept(kind: Kind) {
    let mut server = Server::setup(kind).aof().clock_us((1 << 53) - 2).start();
    let mut client = server.connect();
    let replies: Vec<_> = (0..4).map(|n| client.ask(&format!("LOCK.TRY k{n} A PX 60000"))).collect();
    for reply in replies.iter().filter(|reply| !matches!(reply, Reply::Error(_))) {
        assert!(reply.ints()[1] < 1 << 53, "{replies:?}");
    }
    let before: Vec<_> = (0..4).map(|n| shown(&mut client, &format!("k{n}"))).collect();
    client.ask("DEBUG RELOAD").assert_ok();
    server.kill9();
    server.start_again();
    let mut client = server.connect();
    assert_eq!((0..4).map(|n| shown(&mut client, &format!("k{n}"))).collect::<Vec<_>>(), before);
}

/// A file that keeps the last fence needs the module, as one with a lock in it does. The clock was put back by a second.
fn a_snapshot_with_a_fence_ahead_of_the_clock_says_what_it_needs(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    two_rounds(&mut server.connect());
    server.set_clock_ms(NOON_MS - 1000);
    server.shutdown("SAVE");
    let setup = Server::setup(kind).without_module().file("dump.rdb", &server.rdb_bytes());
    match setup.clock_ms(NOON_MS).try_start() {
        Ok(_) => assert!(!has_room_for_the_last_fence(kind)),
        Err(log) => assert!(has_room_for_the_last_fence(kind) && log.contains("'sluice-lk'"), "{log}"),
    }
}

fn a_server_whose_clock_starts_in_1970_loads_what_it_had(kind: Kind) {
    let mut server = Server::setup(kind).clock_ms(NOON_MS).start();
    server.connect().ask("LOCK.TRY k A PX 60000");
    server.shutdown("SAVE");
    server.set_clock_ms(86_400_000);
    server.start_again();
    assert_eq!(server.connect().ask("LOCK.EXTEND k A PX 60000").ints(), [1, F, 60_000]);
    assert_eq!(next_fence(&server), F + 1);
}

fn a_promoted_replica_goes_on_above_its_primary(kind: Kind) {
    let mut primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    let replica = Server::setup(kind).clock_ms(NOON_MS - HOUR_MS).replica_of(&primary).start();
    two_rounds(&mut primary.connect());
    replica.wait_for(&primary);
    primary.kill9();
    replica.connect().ask("REPLICAOF NO ONE").assert_ok();
    assert_eq!(next_fence(&replica), F + 2);
}

/// It has seen none of the grants: what it knows is in the snapshot with which it began.
fn a_replica_that_came_later_goes_on_above_its_primary(kind: Kind) {
    let mut primary = Server::setup(kind).tcp().clock_ms(NOON_MS).start();
    two_rounds(&mut primary.connect());
    // The primary's own clock is behind its last fence, or the lock is still held.
    if has_room_for_the_last_fence(kind) {
        primary.set_clock_ms(NOON_MS - HOUR_MS);
    } else {
        assert_eq!(primary.connect().ask("LOCK.TRY held A PX 60000").ints()[1], F + 2);
    }
    let replica = Server::setup(kind).clock_ms(NOON_MS - HOUR_MS).replica_of(&primary).start();
    primary.kill9();
    replica.connect().ask("REPLICAOF NO ONE").assert_ok();
    assert_eq!(next_fence(&replica), if has_room_for_the_last_fence(kind) { F + 2 } else { F + 3 });
}
