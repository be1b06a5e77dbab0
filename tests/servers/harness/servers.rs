//! Servers, clocks, clients and clusters do what all other tests take for granted.

use sluice_testing::{Kind, Reply, Server, args, on_every_server};

const NOON_US: i64 = 1_800_000_000_000_000;

on_every_server![
    is_the_server_it_says,
    loads_the_module_and_can_do_without,
    aof_data_survives_a_kill,
    saved_data_survives_a_restart_without_the_aof,
    the_clock_is_exact_from_the_first_command_on,
    the_clock_also_moves_expiry_and_survives_a_restart,
    the_module_reads_the_same_clock,
    a_running_clock_goes_on_from_where_it_is_set,
    a_replica_follows,
    one_node_is_a_whole_cluster,
    replies_are_seen_as_they_are,
    a_client_out_of_step_is_noticed,
];

fn is_the_server_it_says(kind: Kind) {
    let server = Server::setup(kind).without_module().start();
    let field = if kind.is_valkey() { "valkey_version" } else { "redis_version" };
    assert_eq!(server.connect().info("server", field), kind.version());
    assert_eq!(server.connect().info("server", "process_id"), server.pid().to_string());
}

fn loads_the_module_and_can_do_without(kind: Kind) {
    let mut server = Server::start(kind);
    let modules = server.connect().ask("MODULE LIST");
    assert!(format!("{modules:?}").contains("\"sluice\""), "{modules:?}");
    server.kill9();
    server.change(|setup| setup.without_module());
    server.start_again();
    let modules = server.connect().ask("MODULE LIST");
    assert!(!format!("{modules:?}").contains("\"sluice\""), "{modules:?}");
}

fn aof_data_survives_a_kill(kind: Kind) {
    let mut server = Server::setup(kind).without_module().aof().start();
    server.connect().ask("SET k v PXAT 32503680000000").assert_ok();
    server.kill9();
    assert_eq!(server.aof_commands(), ["SET k v PXAT 32503680000000"]);
    server.start_again();
    assert_eq!(server.connect().ask("GET k").text(), "v");
}

fn saved_data_survives_a_restart_without_the_aof(kind: Kind) {
    let mut server = Server::setup(kind).without_module().start();
    server.connect().ask("SET k v").assert_ok();
    server.shutdown("SAVE");
    let copy = Server::setup(kind).without_module().file("dump.rdb", &server.rdb_bytes()).start();
    server.start_again();
    for server in [&server, &copy] {
        assert_eq!(server.connect().ask("GET k").text(), "v");
    }
}

fn the_clock_is_exact_from_the_first_command_on(kind: Kind) {
    let server = Server::setup(kind).without_module().clock_us(NOON_US).start();
    let mut client = server.connect();
    // Steps of a microsecond, of some seconds and some hours, both ways, each seen by the very next command.
    for step in 0..2000 {
        let us = NOON_US + [1, 4_242_424, -13_131_313_131][step % 3] * i64::try_from(step).unwrap();
        server.set_clock_us(us);
        let time = client.ask("TIME");
        let seen: Vec<i64> = time.array().iter().map(|part| part.text().parse().unwrap()).collect();
        assert_eq!(seen[0] * 1_000_000 + seen[1], us);
    }
}

fn the_clock_also_moves_expiry_and_survives_a_restart(kind: Kind) {
    let mut server = Server::setup(kind).without_module().aof().clock_ms(NOON_US / 1000).start();
    let mut client = server.connect();
    client.ask("SET k v PX 1000").assert_ok();
    server.set_clock_ms(NOON_US / 1000 + 999);
    assert_eq!(client.ask("PTTL k").int(), 1);
    server.kill9();
    server.start_again();
    let mut client = server.connect();
    assert_eq!(client.ask("PTTL k").int(), 1);
    server.set_clock_ms(NOON_US / 1000 + 1001);
    assert!(client.ask("GET k").is_null());
}

fn a_running_clock_goes_on_from_where_it_is_set(kind: Kind) {
    let server = Server::setup(kind).running_clock().start();
    let mut client = server.connect();
    let mut shown = || {
        let time = client.ask("TIME");
        let part = |index: usize| time.array()[index].text().parse::<i64>().unwrap();
        part(0) * 1_000_000 + part(1)
    };
    let truth = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        i64::try_from(since.as_micros()).unwrap()
    };
    for ahead_us in [0, 3_600_000_000, -3_600_000_000, 1] {
        server.step_clock_us(ahead_us);
        let (before, shown, after) = (truth(), shown(), truth());
        assert!(
            (before + ahead_us..=after + ahead_us).contains(&shown),
            "{ahead_us}: {before} {shown} {after}"
        );
    }
}

/// Also on 7.0, where the module has to ask the system for the time.
fn the_module_reads_the_same_clock(kind: Kind) {
    let server = Server::setup(kind).clock_us(NOON_US).start();
    let mut client = server.connect();
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1").ints(), [1, 0, 0, 1, 1000, 0]);
    server.set_clock_us(NOON_US + 999_999);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1").ints(), [0, 1, 0, 1, 1, 0]);
    server.set_clock_us(NOON_US + 1_000_000);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1").ints(), [1, 0, 0, 1, 1000, 0]);
}

fn a_replica_follows(kind: Kind) {
    let primary = Server::setup(kind).without_module().tcp().start();
    primary.connect_tcp().ask("SET before 1").assert_ok();
    let replica = Server::setup(kind).without_module().replica_of(&primary).start();
    primary.connect().ask("SET after 2").assert_ok();
    replica.wait_for(&primary);
    assert_eq!(replica.connect().ask("MGET before after"), primary.connect().ask("MGET before after"));
    assert!(replica.connect().ask("SET k v").error().starts_with("READONLY "));
}

fn one_node_is_a_whole_cluster(kind: Kind) {
    let server = Server::setup(kind).without_module().cluster().start();
    let mut client = server.connect();
    client.ask("SET k v").assert_ok();
    assert!(client.ask("MGET a b").error().starts_with("CROSSSLOT "));
}

fn replies_are_seen_as_they_are(kind: Kind) {
    let server = Server::setup(kind).without_module().start();
    let (mut resp2, mut resp3) = (server.connect(), server.connect_resp3());
    let key = b"\0\xff\r\n%n";
    resp2.call(&args!["HSET", key, "field", 12]);
    assert_eq!(resp2.call(&args!["HGETALL", key]).pairs(), resp3.call(&args!["HGETALL", key]).pairs());
    assert_eq!(resp3.last_bytes(), b"%1\r\n$5\r\nfield\r\n$2\r\n12\r\n");
    assert!(resp2.ask("GET none").is_null());
    assert_eq!(resp2.last_bytes(), b"$-1\r\n");
    assert!(resp3.ask("GET none").is_null());
    assert_eq!(resp3.last_bytes(), b"_\r\n");
    assert_eq!(resp2.ask("INCR").error(), "ERR wrong number of arguments for 'incr' command");
    assert_eq!(
        resp2.pipeline(&["INCR n", "INCR n", "PING"]),
        [Reply::Int(1), Reply::Int(2), Reply::Simple("PONG".into())]
    );
    assert_eq!(resp3.ask("EVAL return{1,{2},true} 0"), resp2.ask("EVAL return{1,{2},true} 0"));
    resp2.assert_in_step();
    resp3.assert_in_step();
    resp2.send_bytes(b"*1\r\nnonsense\r\n");
    assert!(resp2.read().error().starts_with("ERR Protocol error"));
    resp2.assert_closed();
}

fn a_client_out_of_step_is_noticed(kind: Kind) {
    let server = Server::setup(kind).without_module().start();
    let mut client = server.connect();
    client.send(&["PING"]);
    let noticed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.assert_in_step()));
    assert!(noticed.is_err());
}

#[test]
fn no_port_is_given_twice() {
    let ports: std::collections::BTreeSet<_> = (0..200).map(|_| sluice_testing::free_port()).collect();
    assert_eq!(ports.len(), 200);
}
