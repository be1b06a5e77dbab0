//! The setting `sluice.policies` is the table: in the configuration file, by CONFIG, and over a restart.

use sluice_testing::{Kind, Server, encode, on_every_server};

use crate::policies::{int, rewritten, table, with_lines};

on_every_server![
    nothing_is_set_unless_somebody_sets_it,
    the_configuration_file_sets_them,
    a_wrong_configuration_stops_the_start_and_says_why,
    an_argument_of_the_module_is_refused_and_the_log_says_where_it_belongs,
    config_set_sets_all_or_nothing,
    a_rewritten_configuration_keeps_what_was_set_by_command,
    what_was_not_rewritten_is_gone,
    a_module_that_is_loaded_later_takes_them_too,
    no_file_of_data_has_them,
    a_file_of_data_sets_none,
];

const SETTING: &str = "sluice.policies";

fn nothing_is_set_unless_somebody_sets_it(kind: Kind) {
    let server = Server::start(kind);
    assert_eq!(table(&server), "");
    assert_eq!(server.connect().info("sluice_policies", "sluice_policies"), "0");
}

fn the_configuration_file_sets_them(kind: Kind) {
    for line in [
        "sluice.policies \"b limit 5 px 60000; a LIMIT 1 EX 1 SHADOW\"",
        "sluice.policies 'b LIMIT 5 EX 60;a LIMIT 1 EX 1 SHADOW'",
        "sluice.policies \"b LIMIT 5 EX 60\\na LIMIT 1 EX 1 SHADOW\\n\"",
    ] {
        let server = Server::setup(kind).config(line).start();
        assert_eq!(table(&server), "a LIMIT 1 EX 1 SHADOW; b LIMIT 5 EX 60", "{line}");
        assert_eq!(server.ask("RATELIMIT.ACQUIRE k @b").ints()[3], 5);
    }
}

fn a_wrong_configuration_stops_the_start_and_says_why(kind: Kind) {
    let started =
        Server::setup(kind).config("sluice.policies \"a LIMIT 1 EX 1; b LIMIT 0 EX 1\"").try_start();
    let log = started.err().expect("a wrong configuration");
    assert!(log.contains("ERR policy 2: LIMIT must be at least 1"), "{log}");
    assert!(log.contains("sluice does not load"), "{log}");
}

fn an_argument_of_the_module_is_refused_and_the_log_says_where_it_belongs(kind: Kind) {
    for args in ["policies \"a LIMIT 1 EX 1\"", "sluice.POLICIES ''", "max-wait-ms 5 policies x"] {
        let log =
            Server::setup(kind).module_args(args).try_start().err().expect("an argument that there is not");
        let reason = "sluice does not load: policies cannot be an argument; it belongs into the server's configuration \
                      file, in quotes: sluice.policies \"name LIMIT ...; name LIMIT ...\"";
        assert!(log.contains(reason), "{args}: {log}");
    }
}

fn config_set_sets_all_or_nothing(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    client.call(&["CONFIG", "SET", SETTING, "b LIMIT 5 EX 60\na LIMIT 1 EX 1"]).assert_ok();
    assert_eq!(table(&server), "a LIMIT 1 EX 1; b LIMIT 5 EX 60");
    // Several settings at once, one of them wrong: none is set.
    for (policies, wait) in [("c LIMIT 1 EX 1", "soon"), ("c LIMIT 0 EX 1", "7")] {
        let set = client.call(&["CONFIG", "SET", SETTING, policies, "sluice.max-wait-ms", wait]);
        assert!(set.error().starts_with("ERR CONFIG SET failed "), "{set:?}");
        assert_eq!(table(&server), "a LIMIT 1 EX 1; b LIMIT 5 EX 60");
        assert_eq!(client.ask("CONFIG GET sluice.max-wait-ms").pairs()[0].1.text(), "60000");
    }
    client.call(&["CONFIG", "SET", SETTING, ""]).assert_ok();
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k @a").error(), "NOPOLICY no such policy");
    client.assert_in_step();
}

fn a_rewritten_configuration_keeps_what_was_set_by_command(kind: Kind) {
    let server = Server::setup(kind).config("sluice.policies \"old LIMIT 1 EX 1\"").start();
    let mut client = server.connect();
    int(
        &mut client,
        "RATELIMIT.POLICY REPLACE 'api LIMIT 10 EX 1 LIMIT 7 PX 1500 COST 0; login LIMIT 5 EX 60 STRICT SHADOW'",
    );
    let before = table(&server);
    client.ask("CONFIG REWRITE").assert_ok();
    let lines = rewritten(&server);
    let again = with_lines(Server::setup(kind), &lines).start();
    assert_eq!(table(&again), before);
    assert_eq!(again.ask("RATELIMIT.ACQUIRE k @api").ints()[3], 10);
    // And once more, without a change.
    again.ask("CONFIG REWRITE").assert_ok();
    assert_eq!(rewritten(&again), lines);
    // To nothing, which is the default.
    int(&mut again.connect(), "RATELIMIT.POLICY DEL api login");
    again.ask("CONFIG REWRITE").assert_ok();
    let lines = rewritten(&again);
    let none = with_lines(Server::setup(kind), &lines).start();
    assert_eq!(table(&none), "");
}

fn what_was_not_rewritten_is_gone(kind: Kind) {
    let mut server = Server::setup(kind).aof().config("sluice.policies \"old LIMIT 1 EX 1\"").start();
    int(&mut server.connect(), "RATELIMIT.POLICY REPLACE 'new LIMIT 2 EX 1'");
    int(&mut server.connect(), "RATELIMIT.POLICY SET other LIMIT 2 EX 1");
    server.connect().ask("RATELIMIT.ACQUIRE k @new").ints();
    server.ask("DEBUG LOADAOF").assert_ok();
    assert_eq!(table(&server), "new LIMIT 2 EX 1; other LIMIT 2 EX 1");
    server.restart();
    assert_eq!(table(&server), "old LIMIT 1 EX 1");
    assert_eq!(server.ask("EXISTS k").int(), 1);
}

fn a_module_that_is_loaded_later_takes_them_too(kind: Kind) {
    let module = crate::module::load::module_path(kind);
    let server = Server::setup(kind).without_module().start();
    let mut client = server.connect();
    let load = ["MODULE", "LOADEX", &module, "CONFIG", SETTING, "a LIMIT 3 EX 1; b LIMIT 2 EX 2"];
    let wrong = load.map(|word| if word.starts_with("a LIMIT") { "a LIMIT 3" } else { word });
    assert!(client.call(&wrong).error().starts_with("ERR Error loading the extension."));
    client.call(&load).assert_ok();
    assert_eq!(client.ask("RATELIMIT.ACQUIRE k @b").ints()[3], 2);
    assert_eq!(table(&server), load[5]);
}

/// Neither RDB nor AOF has them, so both load where there is no module.
fn no_file_of_data_has_them(kind: Kind) {
    let mut server = Server::setup(kind).aof().start();
    let mut client = server.connect();
    int(&mut client, "RATELIMIT.POLICY SET p LIMIT 9 EX 900");
    client.call(&["CONFIG", "SET", SETTING, "p LIMIT 9 EX 900; q LIMIT 8 EX 900"]).assert_ok();
    client.ask("RATELIMIT.ACQUIRE k @p").ints();
    let stored = client.ask("GET k");
    for step in ["kill", "rewrite", "save"] {
        match step {
            "kill" => server.kill9(),
            "rewrite" => {
                server.ask("BGREWRITEAOF");
                crate::shared::until_rewritten(&mut server.connect());
                server.kill9();
            }
            _ => {
                server.change(|setup| setup.config("appendonly no"));
                server.shutdown("SAVE");
            }
        }
        server.change(sluice_testing::Setup::without_module);
        server.start_again();
        assert_eq!(server.ask("GET k"), stored, "{step}");
        server.shutdown("NOSAVE");
        server.change(sluice_testing::Setup::with_module);
        server.start_again();
        assert_eq!(table(&server), "", "{step}");
        int(&mut server.connect(), "RATELIMIT.POLICY SET p LIMIT 9 EX 900");
    }
}

/// Whoever puts the command into an append-only file: the configuration speaks.
fn a_file_of_data_sets_none(kind: Kind) {
    let text = [&encode(&["SET", "k", "1"])[..], &encode(&["RATELIMIT.POLICY", "REPLACE", "b LIMIT 1 EX 1"])];
    let server = Server::setup(kind)
        .config("appendonly yes")
        .config("sluice.policies \"a LIMIT 1 EX 1\"")
        .file("appendonly.aof", &text.concat())
        .start();
    assert_eq!(server.ask("GET k").text(), "1");
    assert_eq!(table(&server), "a LIMIT 1 EX 1");
}
