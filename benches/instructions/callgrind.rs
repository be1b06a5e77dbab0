//! A server under callgrind, and how many instructions it executed in its life.

use sluice_testing::{Kind, Reply, Server, c};

use crate::contenders::{Contender, Module};

/// So many keys; each is used in turn.
const KEYS: usize = 100;

/// The size of a pipeline.
const BATCH: usize = 50;

/// The lengths of the two runs, in commands a key: start-up, loading and warm-up cancel in the difference.
const SHORT: usize = 10;
const LONG: usize = 60;

/// When a run begins.
const NOON_MS: i64 = 1_800_014_400_000;

/// Instructions for one round of the contender's commands, the server's own included.
pub(crate) fn count(contender: &Contender) -> u64 {
    let [short, long] = [SHORT, LONG].map(|rounds| run(start(contender), contender, rounds));
    (long - short) / ((LONG - SHORT) * KEYS) as u64
}

fn start(contender: &Contender) -> Server {
    let setup = Server::setup(Kind::Redis82);
    let setup = match contender.module {
        Module::Sluice => setup.module_args("throttle yes"),
        Module::Floor => setup.without_module().config(&format!("loadmodule \"{}\"", c::floor().display())),
    };
    // The fewest of the server's own rounds, which come by time and not by work.
    let setup = setup.config("hz 1").config("loglevel warning").preload(c::still()).clock_ms(NOON_MS);
    // What it has counted it says in the server's log.
    setup.under(&["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]).start()
}

/// Runs the commands over all keys so many times, and returns the instructions of the server's whole life.
fn run(mut server: Server, contender: &Contender, rounds: usize) -> u64 {
    let mut client = server.connect();
    let mut now_ms = NOON_MS;
    // The server has answered everything: no command sees one time at its beginning and another at its end.
    let mut step = |server: &Server| {
        now_ms += contender.step_ms;
        server.set_clock_ms(now_ms);
    };
    for command in contender.before {
        client.pipeline(&(0..KEYS).map(|key| line(command, key)).collect::<Vec<_>>());
        step(&server);
    }
    let once = (0..KEYS).flat_map(|key| contender.commands.iter().map(move |command| line(command, key)));
    let once: Vec<_> = once.collect();
    for _ in 0..=rounds {
        for some in once.chunks(BATCH * contender.commands.len()) {
            for (reply, expected) in client.pipeline(some).iter().zip(contender.replies.iter().cycle()) {
                assert!(begins(reply, expected), "{}: {reply:?} instead of {expected:?}...", contender.name);
            }
        }
        step(&server);
    }
    server.shutdown("NOSAVE");
    let log = server.log();
    let total = log.lines().find_map(|line| line.split_once("Collected : "));
    total.unwrap_or_else(|| panic!("no total:\n{log}")).1.trim().parse().unwrap()
}

fn line(command: &str, key: usize) -> String {
    command.replace('*', &format!("{key:03}"))
}

fn begins(reply: &Reply, expected: &[i64]) -> bool {
    match reply {
        Reply::Array(values) => {
            expected.len() <= values.len()
                && expected.iter().zip(values).all(|(int, value)| *value == Reply::Int(*int))
        }
        Reply::Int(value) => *expected == [*value],
        Reply::Simple(_) | Reply::Null => expected.is_empty(),
        _ => false,
    }
}
