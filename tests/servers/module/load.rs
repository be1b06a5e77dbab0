//! The module is loaded, configured and unloaded as servers do it, and says what is wrong when something is.

use std::collections::BTreeSet;

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server};

use crate::shared::NOON_MS;

const SETTING: &str = "sluice.max-wait-ms";

on_every_server![
    the_module_list_names_it,
    the_log_holds_nothing_that_an_operator_would_wonder_about,
    the_longest_wait_is_a_minute_unless_set,
    an_argument_sets_it,
    a_wrong_argument_stops_the_start_and_says_why,
    the_configuration_file_sets_it,
    a_wrong_configuration_stops_the_start_and_says_why,
    a_command_sets_it_within_its_bounds,
    each_setting_has_its_default_and_its_bounds,
    the_longest_debt_follows_its_setting,
    a_rewritten_configuration_keeps_it,
    it_can_be_loaded_while_the_server_runs,
    a_failed_load_leaves_the_server_as_it_was,
    it_cannot_be_unloaded,
    it_is_not_loaded_twice,
];

fn the_module_list_names_it(kind: Kind) {
    let server = Server::setup(kind).module_args("max-wait-ms 5").start();
    let list = server.connect().ask("MODULE LIST");
    let ours: Vec<_> = list.array().iter().filter(|module| has(module, "name", "\"sluice\"")).collect();
    assert_eq!(ours.len(), 1, "{list:?}");
    assert!(has(ours[0], "ver", "200"), "{list:?}");
    assert!(has(ours[0], "args", "[\"max-wait-ms\", \"5\"]"), "{list:?}");
}

fn the_log_holds_nothing_that_an_operator_would_wonder_about(kind: Kind) {
    let server = Server::start(kind);
    server.connect().ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1").ints();
    let log = server.log();
    let ours = |line: &&str| line.contains("'sluice'") || line.contains("<sluice>");
    let ours: Vec<_> = log.lines().filter(ours).collect();
    assert_eq!(ours.len(), 1, "{log}");
    assert!(ours[0].contains(" * Module 'sluice' loaded from "), "{log}");
    let log = log.to_lowercase();
    for word in ["legacy", "deprecated", "missing", "symbol", "onload", "acl categor"] {
        assert!(!log.contains(word), "{word}: {log}");
    }
}

fn the_longest_wait_is_a_minute_unless_set(kind: Kind) {
    assert_longest_wait(&Server::start(kind), 60_000);
}

fn an_argument_sets_it(kind: Kind) {
    for args in [
        "max-wait-ms 30000",
        "sluice.max-wait-ms 30000",
        "MAX-WAIT-MS 30000",
        "max-wait-ms 1 max-wait-ms 30000",
    ] {
        assert_longest_wait(&Server::setup(kind).module_args(args).start(), 30_000);
    }
    assert_longest_wait(&Server::setup(kind).module_args("max-wait-ms 0").start(), 0);
}

fn a_wrong_argument_stops_the_start_and_says_why(kind: Kind) {
    let bounds = "sluice does not load: max-wait-ms needs a number from 0 to 3155760000000";
    for (args, reason) in [
        ("max-wait 5", "sluice does not load: unknown argument; the settings are: max-wait-ms"),
        ("sluice. 5", "sluice does not load: unknown argument; the settings are: max-wait-ms"),
        ("max-wait-ms 5 %s%n", "sluice does not load: unknown argument; the settings are: max-wait-ms"),
        ("max-wait-ms", bounds),
        ("max-wait-ms soon", bounds),
        ("max-wait-ms -1", bounds),
        ("max-wait-ms 3155760000001", bounds),
        ("max-wait-ms 99999999999999999999", bounds),
    ] {
        let log = log_of_failed_start(Server::setup(kind).module_args(args).try_start());
        assert!(log.contains(reason), "{args}: {log}");
    }
}

fn the_configuration_file_sets_it(kind: Kind) {
    let line = "sluice.max-wait-ms 30000";
    assert_longest_wait(&Server::setup(kind).config(line).start(), 30_000);
    // It goes before what the module was told on the way.
    assert_longest_wait(&Server::setup(kind).config(line).module_args("max-wait-ms 7").start(), 30_000);
}

fn a_wrong_configuration_stops_the_start_and_says_why(kind: Kind) {
    for value in ["-1", "3155760000001", "soon"] {
        let log = log_of_failed_start(Server::setup(kind).config(&format!("{SETTING} {value}")).try_start());
        assert!(log.contains("configuration sluice.max-wait-ms : argument "), "{value}: {log}");
        assert!(log.contains("sluice does not load"), "{value}: {log}");
    }
}

fn a_command_sets_it_within_its_bounds(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for value in [0, 30_000, 3_155_760_000_000] {
        client.call(&args!["CONFIG", "SET", SETTING, value]).assert_ok();
        assert_longest_wait(&server, value);
    }
    for value in ["-1", "3155760000001", "soon", ""] {
        let error = client.call(&["CONFIG", "SET", SETTING, value]);
        assert!(
            error.error().contains("(possibly related to argument 'sluice.max-wait-ms')"),
            "{value}: {error:?}"
        );
    }
    assert_longest_wait(&server, 3_155_760_000_000);
    let settings = client.ask("CONFIG GET sluice.*");
    let names: BTreeSet<_> = settings.pairs().iter().map(|(name, _)| name.text().to_owned()).collect();
    assert_eq!(
        names,
        BTreeSet::from(
            [
                SETTING,
                "sluice.max-debt-ms",
                "sluice.max-waiters",
                "sluice.max-waiters-total",
                "sluice.policies",
                "sluice.throttle",
                "sluice.top"
            ]
            .map(str::to_owned)
        )
    );
}

fn each_setting_has_its_default_and_its_bounds(kind: Kind) {
    let mut server = Server::start(kind);
    for (name, default, max) in [
        ("max-wait-ms", 60_000_i64, 3_155_760_000_000_i64),
        ("max-debt-ms", 3_600_000, 3_155_760_000_000),
        ("max-waiters", 1_000, 1_000_000),
        ("max-waiters-total", 4_000, 1_000_000),
    ] {
        let now = |server: &Server| {
            let setting = server.ask(&format!("CONFIG GET sluice.{name}"));
            setting.pairs()[0].1.text().parse::<i64>().unwrap()
        };
        assert_eq!(now(&server), default, "{name}");
        for value in [0, 1, max] {
            server.ask(&format!("CONFIG SET sluice.{name} {value}")).assert_ok();
            assert_eq!(now(&server), value, "{name}");
        }
        for beyond in [-1, max + 1] {
            server.ask(&format!("CONFIG SET sluice.{name} {beyond}")).error();
            assert_eq!(now(&server), max, "{name}");
        }
        server = Server::setup(kind).module_args(&format!("{name} 7")).start();
        assert_eq!(now(&server), 7, "{name}");
        let log = log_of_failed_start(Server::setup(kind).module_args(&format!("{name} -1")).try_start());
        assert!(
            log.contains(&format!("sluice does not load: {name} needs a number from 0 to {max}")),
            "{log}"
        );
    }
}

fn the_longest_debt_follows_its_setting(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).module_args("max-debt-ms 300000").start();
    let mut client = server.connect();
    let force = "RATELIMIT.ACQUIRE k LIMIT 1 EX 1 COST 9999 FORCE";
    assert_eq!(client.ask(force).ints(), [1, 300_000, 0, 1, 301_000, 0]);
    // Never less than the longest queue.
    client.ask("CONFIG SET sluice.max-debt-ms 0").assert_ok();
    assert_eq!(client.ask(force).ints(), [1, 60_000, 0, 1, 61_000, 0]);
    client.ask("CONFIG SET sluice.max-debt-ms 9000000").assert_ok();
    assert_eq!(client.ask(force).ints(), [1, 9_000_000, 0, 1, 9_001_000, 0]);
}

fn a_rewritten_configuration_keeps_it(kind: Kind) {
    // As told on the way; changed; changed to what is the default without being told; changed to and fro.
    for (changes, expected) in [(&[][..], 7), (&[30_000], 30_000), (&[60_000], 60_000), (&[30_000, 7], 7)] {
        let server = Server::setup(kind).module_args("max-wait-ms 7").start();
        let mut client = server.connect();
        for value in changes {
            client.call(&args!["CONFIG", "SET", SETTING, *value]).assert_ok();
            client.ask("CONFIG REWRITE").assert_ok();
        }
        client.ask("CONFIG REWRITE").assert_ok();
        let rewritten = std::fs::read_to_string(server.dir().join("server.conf")).unwrap();
        let ours =
            rewritten.lines().filter(|line| line.starts_with("loadmodule ") || line.starts_with("sluice."));
        let setup = ours.fold(Server::setup(kind).without_module(), |setup, line| setup.config(line));
        assert_longest_wait(&setup.start(), expected);
    }
}

fn it_can_be_loaded_while_the_server_runs(kind: Kind) {
    let module = module_path(kind);
    for (load, longest_wait) in [
        (format!("MODULE LOAD {module}"), 60_000),
        (format!("MODULE LOAD {module} max-wait-ms 30000"), 30_000),
        (format!("MODULE LOADEX {module}"), 60_000),
        (format!("MODULE LOADEX {module} CONFIG sluice.max-wait-ms 30000"), 30_000),
        (format!("MODULE LOADEX {module} ARGS max-wait-ms 7"), 7),
        (format!("MODULE LOADEX {module} CONFIG sluice.max-wait-ms 8 ARGS max-wait-ms 7"), 8),
    ] {
        let server = Server::setup(kind).clock_ms(NOON_MS).without_module().start();
        let mut client = server.connect();
        // Its state may be there before it is.
        client.ask("SET k 1800000001000000000:2/1000:2 PXAT 1800000001000").assert_ok();
        client.ask(&load).assert_ok();
        assert_longest_wait(&server, longest_wait);
        assert_eq!(client.ask("RATELIMIT.PEEK k LIMIT 2 EX 1").ints(), [0, 500, 0, 2, 1000, 0], "{load}");
    }
}

fn a_failed_load_leaves_the_server_as_it_was(kind: Kind) {
    let server = Server::setup(kind).without_module().start();
    let mut client = server.connect();
    let module = module_path(kind);
    let mut loads = vec![
        format!("MODULE LOAD {module} max-wait 5"),
        format!("MODULE LOAD {module} max-wait-ms 5 max-wait-ms"),
        format!("MODULE LOADEX {module} CONFIG sluice.max-wait-ms -1"),
    ];
    if kind == Kind::Redis82 {
        // A setting that no module has. The others then unload the module in a way that crashes them if it has a
        // data type, whatever module it is; they leave it no chance to prevent that.
        loads.push(format!(
            "MODULE LOADEX {module} CONFIG sluice.max-wait-ms 5 CONFIG sluice.no-such-setting 5"
        ));
    }
    for load in loads {
        assert!(client.ask(&load).error().starts_with("ERR Error loading the extension."), "{load}");
        assert_gone(&mut client);
    }
    client.ask(&format!("MODULE LOAD {module}")).assert_ok();
    assert_longest_wait(&server, 60_000);
}

fn it_cannot_be_unloaded(kind: Kind) {
    let server = Server::setup(kind).module_args("max-wait-ms 30000").start();
    let mut client = server.connect();
    let error = client.ask("MODULE UNLOAD sluice");
    assert!(error.error().contains("data types, can't unload"), "{error:?}");
    assert_longest_wait(&server, 30_000);
}

fn it_is_not_loaded_twice(kind: Kind) {
    let server = Server::setup(kind).module_args("max-wait-ms 30000").start();
    let mut client = server.connect();
    let again = client.ask(&format!("MODULE LOAD {}", module_path(kind)));
    assert!(again.error().starts_with("ERR Error loading the extension."), "{again:?}");
    assert_longest_wait(&server, 30_000);
}

/// CONFIG says so, and MAXWAIT behaves so.
#[track_caller]
fn assert_longest_wait(server: &Server, ms: i64) {
    let mut client = server.connect();
    let setting = client.call(&["CONFIG", "GET", SETTING]);
    assert_eq!(setting.pairs()[0].1.text(), ms.to_string());
    let mut peek = |wait: i64| client.ask(&format!("RATELIMIT.PEEK idle LIMIT 1 EX 1 MAXWAIT {wait}"));
    assert_eq!(peek(ms).ints()[0], 1);
    // Above a hundred years it is the argument that is wrong.
    let error = match ms {
        3_155_760_000_000 => "ERR MAXWAIT must be from 0 to 3155760000000 ms (100 years)",
        _ => "ERR MAXWAIT is above the setting sluice.max-wait-ms",
    };
    assert_eq!(peek(ms + 1).error(), error);
}

/// Nothing of the module is left but its data.
#[track_caller]
fn assert_gone(client: &mut Client) {
    let unknown = client.ask("RATELIMIT.ACQUIRE k LIMIT 2 EX 1");
    assert!(unknown.error().starts_with("ERR unknown command"), "{unknown:?}");
    assert!(client.ask("CONFIG GET sluice.*").array().is_empty());
    assert!(!client.ask("INFO modules").text().contains("sluice"));
    assert!(client.ask("COMMAND INFO ratelimit.peek").array()[0].is_null());
}

/// The module's file, as a server that has loaded it names it.
pub(crate) fn module_path(kind: Kind) -> String {
    let list = Server::start(kind).connect().ask("MODULE LIST");
    let ours = list.array().iter().find(|module| has(module, "name", "\"sluice\"")).unwrap();
    ours.pairs().iter().find(|(name, _)| name.text() == "path").unwrap().1.text().to_owned()
}

fn has(module: &Reply, name: &str, value: &str) -> bool {
    module.pairs().iter().any(|(key, found)| key.text() == name && format!("{found:?}") == value)
}

#[track_caller]
fn log_of_failed_start(started: Result<Server, String>) -> String {
    match started {
        Ok(_) => panic!("it has started"),
        Err(log) => log,
    }
}
