//! Full memory: who is limited already stays limited, and nobody new costs memory that is not there.

use sluice_testing::{Client, Kind, Server, args, on_every_server};

use crate::shared::{NOON_MS, OOM, number};

on_every_server![
    a_new_key_is_refused_and_not_made,
    an_existing_key_is_updated,
    a_hold_is_set_where_there_is_a_key,
    a_call_that_needs_no_memory_is_answered,
    a_transaction_and_a_script_are_told_the_same,
    memory_that_is_free_again_is_used_again,
    a_server_that_evicts_makes_room,
    being_above_the_limit_while_evicting_is_not_being_full,
    a_server_that_can_evict_nothing_says_so,
];

/// A server whose memory is full, with `k` half used under `LIMIT 2 EX 1`.
fn full(kind: Kind) -> Server {
    let server = Server::setup(kind).clock_ms(NOON_MS).config("maxmemory-policy noeviction").start();
    let mut client = server.connect();
    client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1");
    client.ask("SET s foreign").assert_ok();
    client.ask("CONFIG SET maxmemory 1000").assert_ok();
    assert_eq!(client.ask("SET other 1").error(), OOM);
    server
}

fn a_new_key_is_refused_and_not_made(kind: Kind) {
    let server = full(kind);
    let mut client = server.connect();
    for mode in ["", "PARTIAL", "FORCE", "MAXWAIT 5"] {
        assert_eq!(client.ask(&format!("RATELIMIT.ACQUIRE new LIMIT 2 EX 1 {mode}")).error(), OOM);
        assert_eq!(client.ask("EXISTS new").int(), 0);
    }
    client.assert_in_step();
    assert_eq!(client.ask("DBSIZE").int(), 2);
    assert_eq!(client.info("persistence", "rdb_changes_since_last_save"), "2");
    // One that has just expired is new again.
    server.set_clock_ms(NOON_MS + 2001);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1").error(), OOM);
    assert_eq!(client.ask("DBSIZE").int(), 1);
}

fn an_existing_key_is_updated(kind: Kind) {
    let server = full(kind);
    let mut client = server.connect();
    for (line, expected, state) in [
        ("ACQUIRE k LIMIT 2 EX 1", [1, 0, 0, 2, 1000, 0], "1800000001000000000:2/1000:2"),
        ("ACQUIRE k LIMIT 2 EX 1", [0, 500, 0, 2, 1000, 0], "1800000001000000000:2/1000:2"),
        ("ACQUIRE k LIMIT 2 EX 1 FORCE", [1, 500, 0, 2, 1500, 0], "1800000001500000000:2/1000:2"),
        ("RETURN k LIMIT 2 EX 1 COST 2", [1, 0, 1, 2, 500, 0], "1800000000500000000:2/1000:2"),
        // A longer state is written too.
        (
            "ACQUIRE k LIMIT 2 EX 1 LIMIT 100 EX 60",
            [1, 0, 0, 2, 1000, 0],
            "1800000001000000000:2/1000:2;1800000000600000000:100/60000:100",
        ),
    ] {
        assert_eq!(client.ask(&format!("RATELIMIT.{line}")).ints(), expected, "{line}");
        assert_eq!(client.ask("GET k").text(), state, "{line}");
    }
}

fn a_hold_is_set_where_there_is_a_key(kind: Kind) {
    let server = full(kind);
    let mut client = server.connect();
    assert_eq!(client.ask("RATELIMIT.HOLD new EX 5").error(), OOM);
    assert_eq!(client.ask("EXISTS new").int(), 0);
    for (line, held_ms, state) in [
        ("HOLD k EX 5", 5000, "1800000005500000000:2/1000:2!1800000005000,1800000000000+5000"),
        ("TURN k 5", 5000, "1800000005500000000:2/1000:2!1800000005000,1800000000000+5000"),
        ("HOLD k OFF", 0, "1800000000500000000:2/1000:2"),
        ("HOLD new OFF", 0, "1800000000500000000:2/1000:2"),
        ("TURN new 5", 0, "1800000000500000000:2/1000:2"),
    ] {
        assert_eq!(client.ask(&format!("RATELIMIT.{line}")).int(), held_ms, "{line}");
        assert_eq!(client.ask("GET k").text(), state, "{line}");
    }
    assert_eq!(client.ask("DBSIZE").int(), 2);
    client.assert_in_step();
}

fn a_call_that_needs_no_memory_is_answered(kind: Kind) {
    let server = full(kind);
    let mut client = server.connect();
    for (line, expected) in [
        ("RATELIMIT.ACQUIRE new LIMIT 2 EX 1 COST 3", "[0, -1, 2, 2, 0, 0]"),
        ("RATELIMIT.PEEK new LIMIT 2 EX 1", "[1, 0, 1, 2, 500, 0]"),
        ("RATELIMIT.PEEK k LIMIT 2 EX 1", "[1, 0, 0, 2, 1000, 0]"),
        ("RATELIMIT.RETURN new LIMIT 2 EX 1", "[0, 0, 2, 2, 0, 0]"),
        ("RATELIMIT.INFO new", "null"),
        (
            "RATELIMIT.ACQUIRE s LIMIT 2 EX 1",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("RATELIMIT.ACQUIRE new", "-ERR wrong number of arguments for 'ratelimit.acquire' command"),
        ("RATELIMIT.ACQUIRE new LIMIT 2 EX 1 HARD", "-ERR syntax error"),
        ("RATELIMIT.RETURN k LIMIT 2 EX 1", "[1, 0, 2, 2, 0, 0]"),
    ] {
        assert_eq!(format!("{:?}", client.ask(line)), expected, "{line}");
    }
    assert_eq!(client.ask("EXISTS k new").int(), 0);
}

fn a_transaction_and_a_script_are_told_the_same(kind: Kind) {
    let server = full(kind);
    let (mut client, mut operator) = (server.connect(), server.connect());
    // Redis 7.0 queues nothing when memory is full, not a GET either: it fills up behind the queue.
    operator.ask("CONFIG SET maxmemory 0").assert_ok();
    client.pipeline(&[
        "MULTI",
        "RATELIMIT.ACQUIRE k LIMIT 2 EX 1",
        "RATELIMIT.ACQUIRE new LIMIT 2 EX 1",
        "RATELIMIT.ACQUIRE k LIMIT 2 EX 1",
    ]);
    operator.ask("CONFIG SET maxmemory 1000").assert_ok();
    let replies = client.ask("EXEC");
    let replies = replies.array();
    assert_eq!(replies[0].ints(), [1, 0, 0, 2, 1000, 0]);
    assert_eq!(replies[1].error(), OOM);
    assert_eq!(replies[2].ints(), [0, 500, 0, 2, 1000, 0]);
    // As with any command that needs memory, this fails in the script, not before it.
    let acquire = "return redis.call('RATELIMIT.ACQUIRE', KEYS[1], 'LIMIT', '2', 'EX', '1')";
    assert_eq!(client.call(&["EVAL", acquire, "1", "k"]).ints(), [0, 500, 0, 2, 1000, 0]);
    assert!(client.call(&["EVAL", acquire, "1", "new"]).error().starts_with(OOM));
    assert_eq!(client.ask("EXISTS new").int(), 0);
}

fn memory_that_is_free_again_is_used_again(kind: Kind) {
    let server = full(kind);
    let mut client = server.connect();
    assert_eq!(client.ask("RATELIMIT.ACQUIRE new LIMIT 2 EX 1").error(), OOM);
    for enough in ["100mb", "0"] {
        client.ask(&format!("CONFIG SET maxmemory {enough}")).assert_ok();
        assert_eq!(client.ask("RATELIMIT.ACQUIRE new LIMIT 2 EX 1").ints(), [1, 0, 1, 2, 500, 0]);
        client.ask("DEL new");
    }
}

fn a_server_that_evicts_makes_room(kind: Kind) {
    for policy in ["allkeys-lru", "allkeys-random", "volatile-ttl", "volatile-lru"] {
        let server = Server::setup(kind).config(&format!("maxmemory-policy {policy}")).start();
        let mut client = server.connect();
        let least = fill_with_cache(&mut client);
        client.call(&args!["CONFIG", "SET", "maxmemory", least + 1_000_000]).assert_ok();
        // More limits than fit: each is granted, and the cache gives way.
        let calls: Vec<_> =
            (0..20_000).map(|n| format!("RATELIMIT.ACQUIRE new:{n} LIMIT 2 EX 86400")).collect();
        for (call, reply) in calls.iter().zip(client.pipeline(&calls)) {
            assert_eq!(reply.ints()[..3], [1, 0, 1], "{policy}: {call}");
        }
        assert!(number(&mut client, "stats", "evicted_keys") > 0, "{policy}");
    }
}

fn being_above_the_limit_while_evicting_is_not_being_full(kind: Kind) {
    let setup = Server::setup(kind).config("maxmemory-policy allkeys-random");
    // It removes a few keys a command at most, so one command does not bring it below the limit.
    let server = setup.config("maxmemory-eviction-tenacity 0").start();
    let mut client = server.connect();
    let least = fill_with_cache(&mut client);
    let replies = client.pipeline(&[
        &format!("CONFIG SET maxmemory {}", least + 500_000),
        "SET other 1",
        "RATELIMIT.ACQUIRE new LIMIT 2 EX 86400",
        "RATELIMIT.ACQUIRE new LIMIT 2 EX 86400",
        "INFO memory",
    ]);
    let used_memory = replies[4].text().lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    assert!(used_memory.parse::<u64>().unwrap() > least + 500_000, "still above the limit: {used_memory}");
    replies[1].assert_ok();
    assert_eq!(replies[2].ints()[..3], [1, 0, 1]);
    assert_eq!(replies[3].ints()[0], 1);
}

fn a_server_that_can_evict_nothing_says_so(kind: Kind) {
    let server = Server::setup(kind).config("maxmemory-policy volatile-ttl").start();
    let mut client = server.connect();
    client.ask("SET s forever").assert_ok();
    client.ask("CONFIG SET maxmemory 1000").assert_ok();
    assert_eq!(client.ask("SET other 1").error(), OOM);
    assert_eq!(client.ask("RATELIMIT.ACQUIRE new LIMIT 2 EX 1").error(), OOM);
    assert_eq!(client.ask("DBSIZE").int(), 1);
}

/// Some MB of keys that may go, also under a volatile policy. Answers how much is used without them.
fn fill_with_cache(client: &mut Client) -> u64 {
    let least = number(client, "memory", "used_memory");
    let fill =
        "for n = 1, 5000 do redis.call('SET', 'cache:' .. n, string.rep('x', 1000), 'PX', 9000 + n) end";
    client.call(&["EVAL", fill, "0"]);
    assert!(number(client, "memory", "used_memory") > least + 5_000_000);
    least
}
