//! What a limiter promises.

use std::thread;
use std::time::{Duration, Instant};

use sluice_testing::{Kind, Proxy, Server, until};

use crate::client::Client;

/// That of every limiter on the page: `LIMIT 5 EX 1 BURST 1`.
const INTERVAL: Duration = Duration::from_millis(200);

/// Between two clocks, and the timers of the clients: Node.js wakes up to a millisecond early.
const CLOCKS: Duration = Duration::from_millis(5);

pub(crate) fn keeps_its_promises(client: Client, kind: Kind) {
    thread::scope(|scope| {
        scope.spawn(|| two_programs_share_the_pace(client, kind));
        scope.spawn(|| a_silent_connection_ends_it(client, kind));
        if client.is_older {
            return;
        }
        scope.spawn(|| too_long_a_queue_is_refused(client, kind));
        scope.spawn(|| without_the_module_it_says_so(client, kind));
        if client.hears_interrupts {
            scope.spawn(|| who_is_interrupted_gives_the_turn_back(client, kind));
        }
    });
}

fn two_programs_share_the_pace(client: Client, kind: Kind) {
    const AHEAD: u32 = 7;
    let server = Server::start_tcp(kind);
    let start = Instant::now();
    reserve(&server, AHEAD); // so that they wait from their first call on
    let programs = [(); 2].map(|()| client.start("limiter", &server.url()));
    let mut lines = Vec::new();
    for ended in programs.map(|program| program.end()) {
        assert!(ended.ok, "{ended:?}");
        assert_eq!(ended.said("call "), ["1", "2", "3"], "{ended:?}");
        lines.extend(ended.lines);
    }
    lines.sort_by_key(|line| line.at);
    for (turn, line) in (AHEAD..).zip(&lines) {
        assert!(line.at + CLOCKS >= start + turn * INTERVAL, "after {:?}: {lines:#?}", line.at - start);
    }
}

fn reserve(server: &Server, turns: u32) {
    for _ in 0..turns {
        server.ask("RATELIMIT.ACQUIRE partner:api LIMIT 5 EX 1 BURST 1 MAXWAIT 60000").ints();
    }
}

fn too_long_a_queue_is_refused(client: Client, kind: Kind) {
    let server = Server::start_tcp(kind);
    reserve(&server, 250);
    let before = server.ask("GET partner:api");
    let ended = client.start("limiter", &server.url()).end();
    assert!(ended.ok, "{ended:?}");
    let retry = ended.retry_ms("refused, retry in ");
    assert!((1..=50_000).contains(&retry), "{ended:?}");
    assert_eq!(server.ask("GET partner:api"), before, "a refusal takes nothing");
}

fn who_is_interrupted_gives_the_turn_back(client: Client, kind: Kind) {
    // Its clock stands still, so that the state afterwards is that of now.
    let server = Server::setup(kind).clock_ms(1_900_000_000_000).tcp().start();
    reserve(&server, 9);
    let before = server.ask("GET partner:api");
    let program = client.start("limiter", &server.url());
    until("it has a turn", || server.ask("GET partner:api") != before);
    thread::sleep(INTERVAL); // it has read the reply, and waits for 1.6 s more
    program.interrupt();
    let ended = program.end();
    assert!(!ended.ok && ended.said("call ").is_empty(), "{ended:?}");
    assert_eq!(server.ask("GET partner:api"), before, "to the nanosecond");
}

/// As when the server's machine has gone: nothing is closed, and nothing comes any more.
fn a_silent_connection_ends_it(client: Client, kind: Kind) {
    let server = Server::start_tcp(kind);
    let network = Proxy::to(server.port());
    let mut program = client.start("limiter", &network.url());
    program.until("call 1");
    network.silence();
    let ended = program.end();
    // All three, if this process was held up.
    assert!(ended.ok == (ended.said("call ").len() == 3), "{ended:?}");
}

fn without_the_module_it_says_so(client: Client, kind: Kind) {
    let server = Server::setup(kind).without_module().tcp().start();
    let ended = client.start("limiter", &server.url()).end();
    assert!(!ended.ok, "{ended:?}");
    assert!(ended.complaints.contains("the server lacks the module: load libsluice.so"), "{ended:?}");
}
