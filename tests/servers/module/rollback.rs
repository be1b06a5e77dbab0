//! Going back to a server without the module, by the steps of docs/lock.md, and what goes wrong without them.

use sluice_testing::{Client, Kind, Server, Setup, on_every_server, until};

on_every_server![
    the_steps_lead_back_to_a_server_without_the_module,
    an_append_only_file_with_a_lock_in_it_wants_the_module,
    a_failed_load_leaves_no_memory_behind,
    whoever_loads_it_beside_replicas_is_warned,
];

fn rewrite(client: &mut Client) {
    client.ask("BGREWRITEAOF");
    until("the file is rewritten", || {
        client.info("persistence", "aof_rewrite_in_progress") == "0"
            && client.info("persistence", "aof_rewrite_scheduled") == "0"
    });
    assert_eq!(client.info("persistence", "aof_last_bgrewrite_status"), "ok");
}

/// Takes locks and limits, as a server does that has been in use.
fn in_use(client: &mut Client) {
    for n in 0..10 {
        client.ask(&format!("LOCK.TRY k{n} A PX 60000"));
        client.ask(&format!("LOCK.TRY s{n} A PX 60000 HOLDERS 2"));
        client.ask(&format!("LOCK.TRY s{n} B PX 60000 HOLDERS 2"));
        client.ask(&format!("RATELIMIT.ACQUIRE limit{n} LIMIT 5 EX 600"));
    }
    client.ask("SET other value").assert_ok();
}

/// The script of step 1, as the page has it.
fn script() -> String {
    let page = include_str!("../../../docs/lock.md");
    let (_, rest) = page.split_once("redis-cli -n $db EVAL \"").unwrap();
    rest.split_once("\" 0").unwrap().0.to_owned()
}

fn the_steps_lead_back_to_a_server_without_the_module(kind: Kind) {
    for aof in [false, true] {
        let setup = Server::setup(kind).config("sluice.max-waiters 10");
        let mut server = if aof { setup.aof() } else { setup }.start();
        let mut client = server.connect();
        in_use(&mut client);
        // A lock that has ended is a key all the same.
        client.ask("LOCK.TRY ended A PX 1");
        client.ask("PERSIST ended");
        // 1. No lock is left, in any database.
        client.ask("SELECT 3").assert_ok();
        client.ask("LOCK.TRY elsewhere A PX 60000");
        assert_eq!(client.call(&["EVAL", &script(), "0"]).int(), 1);
        client.ask("SELECT 0").assert_ok();
        let deleted = client.call(&["EVAL", &script(), "0"]).int();
        assert!((20..=21).contains(&deleted), "{deleted}");
        // 2. The clock is ahead of the last fence by now.
        // 3. Files without a trace of them.
        if aof {
            rewrite(&mut client);
        }
        client.ask("SAVE").assert_ok();
        let limit = client.ask("GET limit3");
        // 4. Without the module and its settings.
        server.kill9();
        server.change(|_| {
            let bare = Server::setup(kind).without_module();
            if aof { bare.aof() } else { bare }
        });
        server.start_again();
        let mut client = server.connect();
        assert_eq!(client.ask("GET other").text(), "value");
        assert_eq!(client.ask("GET limit3"), limit);
        assert_eq!(client.ask("DBSIZE").int(), 11);
        assert!(client.ask("LOCK.INFO k0").error().starts_with("ERR unknown command"));
    }
}

fn an_append_only_file_with_a_lock_in_it_wants_the_module(kind: Kind) {
    let mut server = Server::setup(kind).aof().start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    server.kill9();
    server.change(Setup::without_module);
    let error = server.try_start_again().unwrap_err();
    assert!(error.to_lowercase().contains("unknown command"), "{error}");
    // It is not lost: with the module it loads, and once it is rewritten without.
    server.change(Setup::with_module);
    server.start_again();
    rewrite(&mut server.connect());
    server.kill9();
    server.change(Setup::without_module);
    server.start_again();
}

fn a_failed_load_leaves_no_memory_behind(kind: Kind) {
    let server = Server::setup(kind).without_module().config("enable-module-command yes").start();
    let mut client = server.connect();
    let module = sluice_testing::module();
    let mut fail = |times: usize| {
        for _ in 0..times {
            client.call(&["MODULE", "LOAD", module.to_str().unwrap(), "no-such-setting", "1"]).error();
        }
        client.info("memory", "used_memory").parse::<i64>().unwrap()
    };
    fail(20);
    let (before, after) = (fail(1), fail(100));
    assert!(after - before < 100 * 1024, "{} bytes for each of 100", (after - before) / 100);
}

/// A replica that lacks the module lacks every lock, and nobody would be told.
fn whoever_loads_it_beside_replicas_is_warned(kind: Kind) {
    let warning = "replicas are connected: each needs this module before the first lock is taken";
    let primary = Server::setup(kind).without_module().config("enable-module-command yes").tcp().start();
    let module = sluice_testing::module();
    let replica = Server::setup(kind).replica_of(&primary).start();
    replica.wait_for(&primary);
    primary.connect().call(&["MODULE", "LOAD", module.to_str().unwrap()]).assert_ok();
    assert!(primary.log().contains(warning), "{}", primary.log());
    assert!(!replica.log().contains(warning));
}
