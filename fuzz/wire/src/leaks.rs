//! What a server does ever so often leaves its memory as it was.

use std::time::Instant;

use sluice_testing::{Kind, Reply, Server, args, encode, module, until};

use crate::chance::Chance;
use crate::crowd;
use crate::memory::Memory;
use crate::options::{Options, number};
use crate::payloads::Payloads;

/// So much may be left after each kind of deed, however often it is done: buffers and tables that grew.
const USED: i64 = 64 << 10;
const RESIDENT: i64 = 20 << 20;

pub(crate) fn run(options: &Options) {
    for kind in &options.servers {
        let began = Instant::now();
        let server = Server::setup(*kind).config("loglevel warning").config("hz 500").start();
        let mut chance = Chance::new(options.seed);
        let times = number("KEYS").unwrap_or(1_000_000);
        measure(*kind, &server, &format!("{times} keys that expired"), USED, |again| {
            expire(&server, if again { times } else { times / 10 });
        });
        measure(*kind, &server, "10000 that waited", USED, |again| {
            (0..if again { 20 } else { 2 }).for_each(|_| crowd::come_and_go(&server, 500));
        });
        let payloads = Payloads::of(&mut server.connect());
        measure(*kind, &server, "20000 payloads restored, most of them broken", USED, |again| {
            let mut client = server.connect();
            (0..if again { 20_000 } else { 2_000 })
                .for_each(|_| drop(client.call(&payloads.restore(&mut chance))));
        });
        drop(server);
        failed_loads(*kind);
        println!("{}: no leak, in {:.0} s", kind.name(), began.elapsed().as_secs_f64());
    }
}

/// Does it once to warm up, and measures what it leaves behind the second time.
fn measure(kind: Kind, server: &Server, what: &str, used: i64, mut deed: impl FnMut(bool)) {
    deed(false);
    let before = Memory::of(server);
    deed(true);
    let left = Memory::of(server).since(before);
    println!("{}: {what}: {left}", kind.name());
    assert!(left.used < used, "more than {} KiB used", used / 1024);
    assert!(left.resident < RESIDENT, "more than {} KiB resident", RESIDENT / 1024);
}

/// Creates so many keys, half of them locks, that end by themselves, and waits until they have.
fn expire(server: &Server, many: u64) {
    let mut client = server.connect();
    client.ask("CONFIG SET active-expire-effort 10").assert_ok();
    for begin in (0..many).step_by(1000) {
        let mut bytes = Vec::new();
        for n in begin..begin + 1000 {
            bytes.extend(if n % 2 == 0 {
                // A name that has no room in the lease itself, too.
                let owner = "o".repeat(if n % 4 == 0 { 8 } else { 100 });
                encode(&args!["LOCK.TRY", format!("l{n}"), owner, "PX", 1 + n % 50, "HOLDERS", 2])
            } else {
                encode(&args![
                    "RATELIMIT.ACQUIRE",
                    format!("r{n}"),
                    "LIMIT",
                    10,
                    "PX",
                    1,
                    "LIMIT",
                    3,
                    "PX",
                    5,
                    "STRICT"
                ])
            });
        }
        client.send_bytes(&bytes);
        (0..1000).for_each(|_| assert!(client.read().ints()[0] == 1));
    }
    until("all have expired", || client.ask("DBSIZE").int() == 0);
}

/// Loads the module with an argument that it does not know.
fn failed_loads(kind: Kind) {
    let server = Server::setup(kind).without_module().config("loglevel warning").start();
    let mut client = server.connect();
    let mut load = |times: usize| {
        for _ in 0..times {
            let reply =
                client.call(&args!["MODULE", "LOAD", module().display().to_string(), "no-such-argument"]);
            assert!(matches!(reply, Reply::Error(_)), "{reply:?}");
        }
    };
    load(50);
    let before = Memory::of(&server);
    const TIMES: usize = 1000;
    load(TIMES);
    let left = Memory::of(&server).since(before);
    println!("{}: {TIMES} loads that failed: {left}", kind.name());
    assert!(left.used < USED, "{} bytes a load", left.used / TIMES as i64);
}
