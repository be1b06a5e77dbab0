//! Other modules call our commands by RM_Call, and get what a script gets: an answer at once, unless they ask to wait.

use sluice_testing::{Kind, Reply, Server, on_every_server, until};

use crate::lock::queue::{wait, waiters, waiting};
use crate::lock::shown::{F, shown};
use crate::shared::NOON_MS;

on_every_server![
    a_module_is_answered_as_a_script_is,
    what_a_module_releases_is_handed_on,
    what_a_module_does_reaches_the_append_only_file,
    a_module_that_asks_to_wait_gets_the_lock_later,
    a_module_that_asks_to_wait_in_a_transaction_or_a_script_does_not_wait,
];

fn with_caller(kind: Kind) -> Server {
    Server::setup(kind).aof().config(&load_caller()).clock_ms(NOON_MS).start()
}

fn load_caller() -> String {
    format!("loadmodule {}", sluice_testing::c::caller().display())
}

fn a_module_is_answered_as_a_script_is(kind: Kind) {
    let server = with_caller(kind);
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    for format in ["v", "!v", "Ev", "Mv", "0v"] {
        let mut call = |command: &str| client.ask(&format!("CALLER.CALL {format} {command}"));
        assert_eq!(call("LOCK.ACQUIRE k B PX 60000 BLOCK 0").ints(), [0, F, 60_000], "{format}");
        assert_eq!(call("LOCK.TRY k B PX 60000").ints(), [0, F, 60_000], "{format}");
        assert_eq!(call("LOCK.RELEASE k B").int(), 0, "{format}");
        assert_eq!(call("RATELIMIT.ACQUIRE limit LIMIT 1 EX 60").ints().len(), 6, "{format}");
        assert_eq!(call("LOCK.INFO none"), Reply::Null, "{format}");
        // In a transaction and in a script the same.
        let lines = ["MULTI", &format!("CALLER.CALL {format} LOCK.ACQUIRE k B PX 60000 BLOCK 0"), "EXEC"];
        assert_eq!(client.pipeline(&lines)[2].array()[0].ints(), [0, F, 60_000], "{format}");
        client.assert_in_step();
    }
    let acquired = client.ask("CALLER.CALL v LOCK.ACQUIRE free B PX 60000 BLOCK 0").ints();
    assert_eq!(acquired, [1, F + 1, 60_000]);
    assert_eq!(waiting(&mut client), 0);
}

fn what_a_module_releases_is_handed_on(kind: Kind) {
    let server = with_caller(kind);
    let mut client = server.connect();
    for (n, format) in (1..).zip(["v", "!v", "Ev"]) {
        client.ask("LOCK.TRY k A PX 60000");
        let mut waiter = wait(&server, "LOCK.ACQUIRE k B PX 60000 BLOCK 0");
        assert_eq!(client.ask(&format!("CALLER.CALL {format} LOCK.RELEASE k A")).int(), 1);
        assert_eq!(waiter.read().ints(), [1, F + 2 * n - 1, 60_000], "{format}");
        waiter.assert_in_step();
        assert_eq!(client.ask(&format!("CALLER.CALL {format} LOCK.RELEASE k B")).int(), 1);
        assert_eq!(shown(&mut client, "k"), "free");
    }
}

/// Which it asks for with `!`, as for the server's own commands.
fn what_a_module_does_reaches_the_append_only_file(kind: Kind) {
    let server = with_caller(kind);
    let mut client = server.connect();
    for format in ["v", "!v"] {
        for line in [
            "LOCK.ACQUIRE k A PX 60000 BLOCK 0",
            "LOCK.RELEASE k A",
            "RATELIMIT.ACQUIRE limit LIMIT 1 EX 1 FORCE",
        ] {
            let reply = client.ask(&format!("CALLER.CALL {format} {line}"));
            assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        }
    }
    let load = format!("LOCK.LOAD k 1 A {} {} {NOON_MS}", F + 1, NOON_MS + 60_000);
    let limit = format!("SET limit {}000000:1/1000:1 XX KEEPTTL", NOON_MS + 2000);
    assert_eq!(server.aof_commands(), [load, "DEL k".into(), limit]);
}

/// From Redis 7.2 on, a module may ask to wait and is told later: whoever calls, a wait ends in the usual ways.
fn a_module_that_asks_to_wait_gets_the_lock_later(kind: Kind) {
    let server = Server::setup(kind).config(&load_caller()).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let acquire = "CALLER.CALL Kv LOCK.ACQUIRE k B PX 60000 BLOCK";
    if kind == Kind::Redis70 {
        assert_eq!(client.ask(&format!("{acquire} 0")).error(), "ERR the call was refused");
        return;
    }
    for (block, ends, held) in
        [(0, "LOCK.RELEASE k A", 1), (0, "LOCK.RELEASE k B", 0), (0, "DEL k", 1), (50, "PING", 0)]
    {
        assert_eq!(client.ask(&format!("{acquire} {block}")).text(), "waits");
        assert!(client.ask("CALLER.LATER").is_null());
        client.ask(ends);
        let mut later = Reply::Null;
        until("the module is told", || {
            later = client.ask("CALLER.LATER");
            !later.is_null()
        });
        assert_eq!(later.ints()[0], held, "{ends}");
        assert_eq!(waiters(&mut client, "k"), 0);
        client.ask("DEL k");
        client.ask("LOCK.TRY k A PX 60000");
    }
    client.assert_in_step();
}

/// There the server answers an error and would keep the wait, for a lock that nobody then holds.
fn a_module_that_asks_to_wait_in_a_transaction_or_a_script_does_not_wait(kind: Kind) {
    let server = Server::setup(kind).config(&load_caller()).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.ask("LOCK.TRY k A PX 60000");
    let acquire = "CALLER.CALL Kv LOCK.ACQUIRE k B PX 60000 BLOCK 0";
    let in_transaction = client.pipeline(&["MULTI", acquire, "EXEC"])[2].array()[0].clone();
    let mut script = vec!["EVAL", "return redis.call(unpack(ARGV))", "0"];
    script.extend(acquire.split(' '));
    let in_script = client.call(&script);
    for reply in [in_transaction, in_script] {
        match kind {
            Kind::Redis70 => assert!(reply.error().starts_with("ERR the call was refused"), "{reply:?}"),
            _ => assert_eq!(reply.ints(), [0, F, 60_000]),
        }
    }
    assert_eq!(waiting(&mut client), 0);
    assert_eq!(client.ask("LOCK.RELEASE k A").int(), 1);
    assert_eq!(shown(&mut client, "k"), "free");
    client.assert_in_step();
}
