//! A lock is a key: it moves with its slot, and who waits for it is sent after it. The node that gives the slot away
//! grants nothing any more, or the lock would have two holders.

use std::thread;
use std::time::{Duration, Instant};

use sluice_testing::{Client, Kind, Reply, Server, on_every_server, until};

use crate::lock::queue::{PROMPT, granted, holders, wait, waiting};
use crate::shared::nodes::{Nodes, SLOT, id};

on_every_server![
    waiting_works_on_a_node_as_elsewhere,
    who_waits_is_sent_after_a_lock_that_moves,
    nobody_is_granted_a_lock_that_is_deleted_while_its_slot_moves,
    who_waits_is_granted_when_the_move_is_called_off,
    who_waits_for_a_slot_that_never_comes_to_its_end_is_told_to_ask_again,
    an_operator_amid_keys_of_another_slot_ends_a_wait_and_nothing_else,
    who_waits_for_a_slot_that_is_taken_away_is_not_granted,
    who_waits_for_a_slot_that_nobody_has_is_not_granted,
];

fn waiting_works_on_a_node_as_elsewhere(kind: Kind) {
    let server = Server::setup(kind).cluster().start();
    let mut client = server.connect();
    for end in ["LOCK.RELEASE k A", "LOCK.EXTEND k A PX 1", "DEL k", "FLUSHALL", "PEXPIRE k 1"] {
        client.ask("LOCK.TRY k A PX 60000");
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        let began = Instant::now();
        client.ask(end);
        granted(&mut waiter);
        assert!(began.elapsed() < PROMPT, "{end}: {:?}", began.elapsed());
        assert_eq!(client.ask("LOCK.RELEASE k B").int(), 1);
    }
}

fn who_waits_is_sent_after_a_lock_that_moves(kind: Kind) {
    let nodes = Nodes::start(kind);
    let (mut from, mut to) = (nodes.first.connect(), nodes.second.connect());
    let fence = from.ask("LOCK.TRY {k} A PX 3600000").ints()[1];
    let mut queue =
        ["B", "C"].map(|owner| wait(&nodes.first, &format!("LOCK.ACQUIRE {{k}} {owner} EX 60 BLOCK 0")));
    nodes.begin_to_move();
    // Not there any more, but here the slot still is: nobody else may have it here.
    nodes.migrate("{k}");
    assert!(from.ask("LOCK.TRY {k} X PX 1").error().starts_with("ASK 7629 "));
    assert_nobody_is_granted(&mut from, 2);
    nodes.finish_to_move();
    for waiter in &mut queue {
        assert_eq!(waiter.read().error(), nodes.moved());
        waiter.assert_in_step();
    }
    assert_eq!(waiting(&mut from), 0);
    assert_eq!(holders(&mut to, "{k}"), ["A"]);
    let again = to.ask("LOCK.EXTEND {k} A PX 60000").ints();
    assert_eq!(again, [1, fence, 60_000]);
    // There they wait as before.
    let mut waiter = wait(&nodes.second, "LOCK.ACQUIRE {k} B PX 60000 BLOCK 0");
    assert_eq!(to.ask("LOCK.RELEASE {k} A").int(), 1);
    assert!(granted(&mut waiter) > fence);
}

fn nobody_is_granted_a_lock_that_is_deleted_while_its_slot_moves(kind: Kind) {
    let nodes = Nodes::start(kind);
    let (mut from, mut to) = (nodes.first.connect(), nodes.second.connect());
    for key in ["{k}", "{k}held"] {
        assert_eq!(from.ask(&format!("LOCK.TRY {key} A PX 60000")).ints()[0], 1);
    }
    let mut ended = wait(&nodes.first, "LOCK.ACQUIRE {k} B PX 60000 BLOCK 0");
    let mut held = wait(&nodes.first, "LOCK.ACQUIRE {k}held B PX 60000 BLOCK 0");
    nodes.begin_to_move();
    assert_eq!(from.ask("DEL {k}").int(), 1);
    // Whoever asks next is sent to the other node: the lock can be had there only.
    assert!(from.ask("LOCK.TRY {k} C PX 60000").error().starts_with("ASK "));
    to.ask("ASKING").assert_ok();
    assert_eq!(to.ask("LOCK.TRY {k} C PX 60000").ints()[0], 1);
    // What is still here is handed on here.
    assert_eq!(from.ask("LOCK.RELEASE {k}held A").int(), 1);
    let fence = granted(&mut held);
    assert_nobody_is_granted(&mut from, 1);
    nodes.migrate("{k}held");
    nodes.finish_to_move();
    assert_eq!(ended.read().error(), nodes.moved());
    assert_eq!(holders(&mut to, "{k}"), ["C"]);
    assert_eq!(to.ask("LOCK.EXTEND {k}held B PX 60000").ints(), [1, fence, 60_000]);
}

fn who_waits_is_granted_when_the_move_is_called_off(kind: Kind) {
    let nodes = Nodes::start(kind);
    let mut from = nodes.first.connect();
    assert_eq!(from.ask("LOCK.TRY {k} A PX 60000").ints()[0], 1);
    let mut waiter = wait(&nodes.first, "LOCK.ACQUIRE {k} B PX 60000 BLOCK 0");
    nodes.begin_to_move();
    assert_eq!(from.ask("DEL {k}").int(), 1);
    assert_nobody_is_granted(&mut from, 1);
    for mut node in [nodes.second.connect(), nodes.first.connect()] {
        node.ask(&format!("CLUSTER SETSLOT {SLOT} STABLE")).assert_ok();
    }
    let began = Instant::now();
    granted(&mut waiter);
    // Nothing tells of that; the module looks once a second.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(holders(&mut from, "{k}"), ["B"]);
}

/// The other node just takes it, and this one learns of that and drops the keys.
/// The key has gone, and nobody finishes the move. Whoever asks again is sent to the other node.
fn who_waits_for_a_slot_that_never_comes_to_its_end_is_told_to_ask_again(kind: Kind) {
    let nodes = Nodes::start(kind);
    let (mut from, mut to) = (nodes.first.connect(), nodes.second.connect());
    from.ask("LOCK.TRY {k} A PX 60000");
    let mut waiter = wait(&nodes.first, "LOCK.ACQUIRE {k} B PX 60000 BLOCK 0");
    nodes.begin_to_move();
    nodes.migrate("{k}");
    let told = "TRYAGAIN the slot of this lock is moving to another node, ask again";
    assert_eq!(waiter.read().error(), told);
    assert_eq!(waiter.ask("LOCK.ACQUIRE {k} B PX 60000 BLOCK 0").error(), nodes.asked());
    to.ask("ASKING").assert_ok();
    assert_eq!(to.ask("LOCK.RELEASE {k} A").int(), 1);
    // There whoever comes so waits as elsewhere, and a release hands the lock on at once.
    for call in ["ASKING", "LOCK.TRY {k} A PX 60000"] {
        to.ask(call);
    }
    let mut asking = nodes.second.connect();
    asking.ask("ASKING").assert_ok();
    asking.send(&sluice_testing::args!["LOCK.ACQUIRE", "{k}", "C", "PX", 60_000, "BLOCK", 0]);
    until("it waits", || waiting(&mut to) == 1);
    to.ask("ASKING").assert_ok();
    assert_eq!(to.ask("LOCK.RELEASE {k} A").int(), 1);
    granted(&mut asking);
}

/// Inside a transaction servers look for keys in its slot, wherever they are.
fn an_operator_amid_keys_of_another_slot_ends_a_wait_and_nothing_else(kind: Kind) {
    let server = Server::setup(kind).cluster().start();
    let mut client = server.connect();
    let fence = client.ask("LOCK.TRY {b}k A PX 600000").ints()[1];
    let mut waiter = wait(&server, "LOCK.ACQUIRE {b}k B PX 600000 BLOCK 0");
    let list = client.ask("CLIENT LIST");
    let line = list.text().lines().find(|line| line.to_lowercase().contains("cmd=lock.acquire")).unwrap();
    let id = line.split(' ').next().unwrap().strip_prefix("id=").unwrap();
    client.pipeline(&["MULTI", "SET {a}1 x", &format!("CLIENT UNBLOCK {id}"), "EXEC"]);
    assert_eq!(waiter.read().ints()[0], 0);
    assert_eq!(client.ask("LOCK.EXTEND {b}k A PX 600000").ints(), [1, fence, 600_000]);
    assert_eq!(client.ask("KEYS *").array().len(), 2);
    client.ask("DEBUG RELOAD").assert_ok();
    assert_eq!(holders(&mut client, "{b}k"), ["A"]);
}

fn who_waits_for_a_slot_that_is_taken_away_is_not_granted(kind: Kind) {
    let nodes = Nodes::start(kind);
    let (mut from, mut to) = (nodes.first.connect(), nodes.second.connect());
    assert_eq!(from.ask("LOCK.TRY {k} A PX 60000").ints()[0], 1);
    let mut waiter = wait(&nodes.first, "LOCK.ACQUIRE {k} B PX 60000 BLOCK 0");
    to.ask(&format!("CLUSTER SETSLOT {SLOT} IMPORTING {}", id(&mut from))).assert_ok();
    let to_id = id(&mut to);
    to.ask(&format!("CLUSTER SETSLOT {SLOT} NODE {to_id}")).assert_ok();
    assert_eq!(waiter.read().error(), nodes.moved());
    waiter.assert_in_step();
    assert_eq!((from.ask("DBSIZE").int(), waiting(&mut from)), (0, 0));
    assert!(to.ask("LOCK.INFO {k}").is_null());
}

fn who_waits_for_a_slot_that_nobody_has_is_not_granted(kind: Kind) {
    let server = Server::setup(kind).config("cluster-require-full-coverage no").cluster().start();
    let mut client = server.connect();
    assert_eq!(client.ask("LOCK.TRY {k} A PX 60000").ints()[0], 1);
    let mut waiter = wait(&server, "LOCK.ACQUIRE {k} B PX 60000 BLOCK 0");
    let granted_before = client.info("sluice", "sluice_lock_granted");
    let replies = client.pipeline(&["LOCK.EXTEND {k} A PX 20", &format!("CLUSTER DELSLOTS {SLOT}")]);
    replies[1].assert_ok();
    assert_eq!(waiter.read().error(), "CLUSTERDOWN Hash slot not served");
    waiter.assert_in_step();
    assert_eq!(waiting(&mut client), 0);
    assert_eq!(client.info("sluice", "sluice_lock_granted"), granted_before);
}

/// Valkey 9 moves whole slots by itself, unless a module keeps it from doing so.
mod who_waits_is_sent_after_a_slot_that_moves_by_itself {
    use super::*;

    #[test]
    fn valkey_9_1() {
        let nodes = Nodes::start(Kind::Valkey91);
        let (mut from, mut to) = (nodes.first.connect(), nodes.second.connect());
        let fence = from.ask("LOCK.TRY {k} A PX 3600000").ints()[1];
        // One whose lease ends at some time of the move: whichever node it is on then, it has one holder at most.
        assert_eq!(from.ask("LOCK.TRY {k}soon A PX 60000").ints()[0], 1);
        let mut waiter = wait(&nodes.first, "LOCK.ACQUIRE {k} B PX 60000 BLOCK 0");
        let mut soon = wait(&nodes.first, "LOCK.ACQUIRE {k}soon B PX 3600000 BLOCK 0");
        assert_eq!(from.ask("LOCK.EXTEND {k}soon A PX 5").ints()[0], 1);
        let to_id = id(&mut to);
        from.ask(&format!("CLUSTER MIGRATESLOTS SLOTSRANGE {SLOT} {SLOT} NODE {to_id}")).assert_ok();
        assert_eq!(waiter.read().error(), nodes.moved());
        waiter.assert_in_step();
        until("the slot is there", || !matches!(to.ask("LOCK.INFO {k}"), Reply::Error(_)));
        assert_eq!(holders(&mut to, "{k}"), ["A"]);
        assert_eq!(to.ask("LOCK.EXTEND {k} A PX 60000").ints(), [1, fence, 60_000]);
        match soon.read() {
            Reply::Error(error) => {
                assert_eq!(error, nodes.moved());
                assert_eq!(holders(&mut to, "{k}soon"), [""; 0]);
            }
            reply => {
                assert_eq!(reply.ints()[0], 1);
                assert_eq!(holders(&mut to, "{k}soon"), ["B"]);
            }
        }
        assert_eq!(waiting(&mut from), 0);
        assert_eq!(from.ask("DBSIZE").int(), 0);
        let mut waiter = wait(&nodes.second, "LOCK.ACQUIRE {k} B PX 60000 BLOCK 0");
        assert_eq!(to.ask("LOCK.RELEASE {k} A").int(), 1);
        assert!(granted(&mut waiter) > fence);
    }
}

/// Looks again and again while so many wait, long after the module has been told that the key is gone.
#[track_caller]
fn assert_nobody_is_granted(client: &mut Client, wait: i64) {
    let before = client.info("sluice", "sluice_lock_granted");
    let end = Instant::now() + Duration::from_millis(30);
    while Instant::now() < end {
        assert_eq!(waiting(client), wait);
        assert_eq!(client.info("sluice", "sluice_lock_granted"), before);
        thread::sleep(Duration::from_millis(1));
    }
}
