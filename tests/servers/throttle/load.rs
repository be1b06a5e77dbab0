//! The command is there where it is asked for, and nowhere else; a name that is taken stops nobody.

use sluice_testing::{Kind, Server, Setup, on_every_server};

use crate::module::load::module_path;
use crate::policies::{rewritten, with_lines};

on_every_server![
    it_is_not_there_unless_it_is_asked_for,
    an_argument_or_the_configuration_asks_for_it,
    anything_but_yes_and_no_stops_the_start_and_says_why,
    it_cannot_come_or_go_while_the_server_runs,
    a_rewritten_configuration_keeps_it,
    it_can_be_loaded_while_the_server_runs,
    a_name_that_is_taken_is_logged_and_the_load_goes_on,
];

const CALL: &str = "CL.THROTTLE k 4 1 1";

#[track_caller]
fn assert_there(server: &Server, there: bool) {
    let reply = server.ask(CALL);
    if there {
        assert_eq!(reply.ints(), [0, 5, 4, -1, 1]);
    } else {
        assert!(reply.error().starts_with("ERR unknown command"), "{reply:?}");
    }
    let setting = server.ask("CONFIG GET sluice.throttle");
    assert_eq!(setting.pairs()[0].1.text(), if there { "yes" } else { "no" });
}

fn it_is_not_there_unless_it_is_asked_for(kind: Kind) {
    assert_there(&Server::start(kind), false);
    assert_there(&Server::setup(kind).module_args("throttle no").start(), false);
    assert_there(&Server::setup(kind).module_args("throttle yes throttle no").start(), false);
}

fn an_argument_or_the_configuration_asks_for_it(kind: Kind) {
    for args in ["throttle yes", "sluice.throttle YES", "max-wait-ms 5 THROTTLE yes"] {
        assert_there(&Server::setup(kind).module_args(args).start(), true);
    }
    assert_there(&Server::setup(kind).config("sluice.throttle yes").start(), true);
    // It goes before what the module was told on the way.
    assert_there(
        &Server::setup(kind).config("sluice.throttle no").module_args("throttle yes").start(),
        false,
    );
}

fn anything_but_yes_and_no_stops_the_start_and_says_why(kind: Kind) {
    for args in ["throttle", "throttle 1", "throttle ja", "throttle yes throttle"] {
        let Err(log) = Server::setup(kind).module_args(args).try_start() else {
            panic!("{args}: it has started")
        };
        assert!(log.contains("sluice does not load: throttle needs yes or no"), "{args}: {log}");
    }
    assert!(Server::setup(kind).config("sluice.throttle maybe").try_start().is_err());
}

fn it_cannot_come_or_go_while_the_server_runs(kind: Kind) {
    for (args, there, other) in [("", false, "yes"), ("throttle yes", true, "no")] {
        let server = Server::setup(kind).module_args(args).start();
        server.ask(&format!("CONFIG SET sluice.throttle {other}")).error();
        assert_there(&server, there);
    }
}

fn a_rewritten_configuration_keeps_it(kind: Kind) {
    let asked: [fn(Setup) -> Setup; 2] =
        [|setup| setup.module_args("throttle yes"), |setup| setup.config("sluice.throttle yes")];
    for asked in asked {
        let server = asked(Server::setup(kind)).start();
        server.ask("CONFIG REWRITE").assert_ok();
        assert_there(&with_lines(Server::setup(kind), &rewritten(&server)).start(), true);
    }
}

fn it_can_be_loaded_while_the_server_runs(kind: Kind) {
    let module = module_path(kind);
    for load in [
        format!("MODULE LOAD {module} throttle yes"),
        format!("MODULE LOADEX {module} ARGS throttle yes"),
        format!("MODULE LOADEX {module} CONFIG sluice.throttle yes"),
    ] {
        let server = Server::setup(kind).without_module().start();
        server.ask(&load).assert_ok();
        assert_there(&server, true);
    }
}

fn a_name_that_is_taken_is_logged_and_the_load_goes_on(kind: Kind) {
    // To the server it is all the same whose command it is.
    let setup = Server::setup(kind).config("rename-command SUBSTR CL.THROTTLE").module_args("throttle yes");
    let server = setup.start();
    let mut client = server.connect();
    client.ask("SET k abc").assert_ok();
    assert_eq!(client.ask("CL.THROTTLE k 1 1").text(), "b", "it is still the other's");
    assert_eq!(client.ask("RATELIMIT.ACQUIRE l LIMIT 1 EX 1").ints(), [1, 0, 0, 1, 1000, 0]);
    assert_eq!(client.ask("LOCK.TRY m owner PX 1000").ints()[0], 1);
    let log = server.log();
    let told =
        log.lines().filter(|line| line.contains("has a command CL.THROTTLE already: going on without ours"));
    assert_eq!(told.count(), 1, "{log}");
}
