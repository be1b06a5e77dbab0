//! Who comes from redis-cell carries on where it was, and can go back: docs/migrating.md has the steps.

use sluice_testing::{Kind, Server, on_every_server};

use crate::module::load::module_path;
use crate::shared::{NOON_MS, until_rewritten};
use crate::throttle::{setup, start};

on_every_server![
    what_redis_cell_left_is_carried_on_with,
    a_snapshot_is_carried_on_with_and_leads_back,
    it_can_be_switched_to_while_the_server_runs,
    a_file_of_commands_that_redis_cell_has_logged_loads,
    a_replica_carries_out_what_a_primary_with_redis_cell_sends,
];

/// As redis-cell stores it: the time in ns as a string, which expires then.
const LEFT: [&str; 2] = ["SET k 1800000002500000000 PX 2500", "SET j 1800000060000000001 PX 60000"];

fn what_redis_cell_left_is_carried_on_with(kind: Kind) {
    let (server, mut client) = start(kind);
    LEFT.iter().for_each(|line| client.ask(line).assert_ok());
    assert_eq!(client.ask("CL.THROTTLE k 4 1 1 0").ints(), [0, 5, 2, -1, 3]);
    assert_eq!(client.ask("CL.THROTTLE k 4 1 1 2").ints(), [0, 5, 0, -1, 5]);
    assert_eq!(client.ask("CL.THROTTLE k 4 1 1").ints(), [1, 5, 0, 1, 5]);
    // What is written is of the same form.
    assert_eq!(client.ask("GET k").text(), "1800000004500000000");
    assert_eq!((client.ask("PTTL k").int(), client.ask("TYPE k")), (4500, client.ask("TYPE j")));
    server.set_clock_ms(NOON_MS + 4501);
    assert_eq!(client.ask("EXISTS k").int(), 0);
    assert_eq!(client.ask("CL.THROTTLE j 0 1 60").ints(), [1, 1, 0, 56, 56]);
}

fn a_snapshot_is_carried_on_with_and_leads_back(kind: Kind) {
    let dump = |server: &Server| {
        server.ask("SAVE").assert_ok();
        std::fs::read(server.dir().join("dump.rdb")).unwrap()
    };
    let before = Server::setup(kind).without_module().clock_ms(NOON_MS).start();
    LEFT.iter().for_each(|line| before.ask(line).assert_ok());

    let switched = setup(kind).file("dump.rdb", &dump(&before)).start();
    assert_eq!(switched.ask("CL.THROTTLE k 4 1 1").ints(), [0, 5, 1, -1, 4]);
    assert_eq!(switched.ask("CL.THROTTLE j 0 1 60").ints(), [1, 1, 0, 60, 60]);
    assert_eq!(switched.ask("CL.THROTTLE new 9 10 60").ints(), [0, 10, 9, -1, 6]);

    // It needs no module of ours to load, and holds what redis-cell would have written.
    let back =
        Server::setup(kind).without_module().clock_ms(NOON_MS).file("dump.rdb", &dump(&switched)).start();
    for (key, value, pttl) in [
        ("k", "1800000003500000000", 3500),
        ("j", "1800000060000000001", 60_000),
        ("new", "1800000006000000000", 6000),
    ] {
        assert_eq!(back.ask(&format!("GET {key}")).text(), value);
        assert_eq!(back.ask(&format!("PTTL {key}")).int(), pttl);
    }
}

fn it_can_be_switched_to_while_the_server_runs(kind: Kind) {
    let server = Server::setup(kind).without_module().clock_ms(NOON_MS).start();
    let mut client = server.connect();
    LEFT.iter().for_each(|line| client.ask(line).assert_ok());
    client.ask(&format!("MODULE LOAD {} throttle yes", module_path(kind))).assert_ok();
    assert_eq!(client.ask("CL.THROTTLE k 4 1 1").ints(), [0, 5, 1, -1, 4]);
}

/// redis-cell logs the command, which then counts from the time at which it is loaded.
fn a_file_of_commands_that_redis_cell_has_logged_loads(kind: Kind) {
    let mut server = Server::setup(kind).without_module().aof().clock_ms(NOON_MS).start();
    server.ask("SET s v").assert_ok();
    let folder = server.dir().join("appendonlydir");
    let files = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let log = files.into_iter().find(|file| file.to_string_lossy().ends_with(".incr.aof")).unwrap();
    server.kill9();
    let mut bytes = std::fs::read(&log).unwrap();
    for _ in 0..3 {
        bytes.extend(sluice_testing::encode(&["CL.THROTTLE", "k", "4", "1", "1"]));
    }
    std::fs::write(&log, bytes).unwrap();
    server.change(|setup| setup.module_args("throttle yes").config("maxmemory 1mb"));
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.ask("CL.THROTTLE k 4 1 1 0").ints(), [0, 5, 2, -1, 3]);
    // From then on only effects are logged.
    assert_eq!(client.ask("CL.THROTTLE k 4 1 1").ints(), [0, 5, 1, -1, 4]);
    client.ask("BGREWRITEAOF");
    until_rewritten(&mut client);
    assert_eq!(client.ask("CL.THROTTLE k 4 1 1").ints(), [0, 5, 0, -1, 5]);
    server.kill9();
    server.change(|setup| setup.without_module());
    server.start_again();
    assert_eq!(server.ask("GET k").text(), "1800000005000000000");
}

fn a_replica_carries_out_what_a_primary_with_redis_cell_sends(kind: Kind) {
    let primary = Server::setup(kind).without_module().tcp().start();
    let replica = setup(kind).aof().config("maxmemory 1mb").replica_of(&primary).start();
    let mut client = primary.connect();
    // As redis-cell has it sent, without being there.
    for _ in 0..2 {
        client.ask("DEBUG REPLICATE CL.THROTTLE k 4 1 1").assert_ok();
    }
    replica.wait_for(&primary);
    assert_eq!(replica.ask("GET k").text(), "1800000002000000000");
    assert!(replica.ask("CL.THROTTLE k 4 1 1").error().starts_with("READONLY "));
    replica.ask("REPLICAOF NO ONE").assert_ok();
    assert_eq!(replica.ask("CL.THROTTLE k 4 1 1").ints(), [0, 5, 2, -1, 3]);
}
