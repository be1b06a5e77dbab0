//! What the server in this process answers is what a server answers.

use redis::{Cmd, Value};
use sluice_client::InProcess;
use sluice_testing::{Kind, Server, on_both_servers};

on_both_servers![every_command_is_answered_alike];

/// One after the other: what is right, and each kind of mistake. Times are in seconds and hours, so that what a machine
/// takes makes no difference to what is compared.
const LINES: &str = "
RATELIMIT.INFO k
RATELIMIT.ACQUIRE k LIMIT 5 EX 3600
RATELIMIT.ACQUIRE k LIMIT 5 EX 3600 COST 3 LIMIT 9 EX 7200 STRICT COST 2
RATELIMIT.ACQUIRE k LIMIT 5 EX 3600 COST 3
RATELIMIT.ACQUIRE k LIMIT 5 EX 3600 COST 6
RATELIMIT.ACQUIRE k LIMIT 5 EX 3600 COST 3 PARTIAL
RATELIMIT.PEEK k LIMIT 5 EX 3600 COST 0
RATELIMIT.PEEK k LIMIT 5 EX 3600 MAXWAIT 10
ratelimit.acquire k LIMIT 5 EX 3600 FORCE
RATELIMIT.INFO k
RATELIMIT.RETURN k LIMIT 5 EX 3600 COST 2
RATELIMIT.RETURN k LIMIT 5 EX 3600 DUE 5
RATELIMIT.RETURN k LIMIT 5 EX 3600 AT 5
RATELIMIT.ACQUIRE turns LIMIT 1 EX 10 MAXWAIT 60000
RATELIMIT.ACQUIRE turns LIMIT 1 EX 10 MAXWAIT 60000
RATELIMIT.ACQUIRE turns LIMIT 1 EX 10 MAXWAIT 5
RATELIMIT.ACQUIRE turns LIMIT 1 EX 10 MAXWAIT 60001
RATELIMIT.HOLD k EX 3600
RATELIMIT.HOLD k PX 1
RATELIMIT.INFO k
RATELIMIT.TURN k 5
RATELIMIT.ACQUIRE k LIMIT 5 EX 3600
RATELIMIT.HOLD k OFF
RATELIMIT.ACQUIRE k LIMIT 1000 EX 86400 ALIGN 0
RATELIMIT.INFO k
RATELIMIT.ACQUIRE
RATELIMIT.ACQUIRE k
RATELIMIT.ACQUIRE k LIMIT 5 EX
RATELIMIT.ACQUIRE k LIMIT 5 EX 0
RATELIMIT.ACQUIRE k LIMIT 5 EX 1 COST 0
RATELIMIT.ACQUIRE k LIMIT 5 EX 1 BURST 2 STRICT
RATELIMIT.ACQUIRE k LIMIT 5 EX 1 HOLDERS 2
RATELIMIT.PEEK k LIMIT x EX 1
RATELIMIT.RETURN k LIMIT 5 EX 1 FORCE
RATELIMIT.INFO
RATELIMIT.INFO k k
RATELIMIT.HOLD k
RATELIMIT.HOLD k PX 5 5
RATELIMIT.HOLD k PX 0
RATELIMIT.TURN k -1
RATELIMIT.TURN k 1 2
LOCK.INFO l
LOCK.RELEASE l a
LOCK.EXTEND l a EX 3600
LOCK.TRY l a EX 3600
LOCK.TRY l a EX 3600
LOCK.TRY l b EX 3600
LOCK.ACQUIRE l a EX 3600 BLOCK 5
LOCK.ACQUIRE l b EX 3600 BLOCK 5
LOCK.TRY l b EX 3600 HOLDERS 2
LOCK.TRY l c EX 3600 HOLDERS 2
LOCK.EXTEND l a EX 7200
LOCK.EXTEND l c EX 7200
LOCK.INFO l
LOCK.RELEASE l a
LOCK.RELEASE l a
LOCK.ACQUIRE l a EX 3600 HOLDERS 2 BLOCK 0
LOCK.INFO l
LOCK.TRY l
LOCK.TRY l a
LOCK.TRY l a EX 0
LOCK.TRY l a EX 1 BLOCK 5
LOCK.TRY l a EX 1 HOLDERS 0
LOCK.ACQUIRE l a EX 1
LOCK.ACQUIRE l a EX 1 HOLDERS 2
LOCK.ACQUIRE l a EX 1 BLOCK x
LOCK.EXTEND l a EX 1 HOLDERS 2
LOCK.RELEASE l
LOCK.RELEASE l a b
LOCK.INFO l l
LOCK.LOAD l 1 a 5 5 5
LOCK.TRY k a EX 1
LOCK.INFO k
RATELIMIT.ACQUIRE l LIMIT 5 EX 1
RATELIMIT.INFO l
RATELIMIT.HOLD l EX 5
DEL l k nothing
DEL l
DEL
LOCK.INFO l
RATELIMIT.INFO k
PING
";

/// A reply without what depends on the time of day: large numbers are times, instants and fences.
fn shape(reply: redis::RedisResult<Value>) -> String {
    fn of(value: Value) -> String {
        match value {
            Value::Int(n) if n.abs() > 10_000 => "time".to_owned(),
            Value::Int(n) => n.to_string(),
            Value::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
            Value::Array(items) => {
                format!("[{}]", items.into_iter().map(of).collect::<Vec<_>>().join(" "))
            }
            other => format!("{other:?}"),
        }
    }
    match reply {
        Ok(value) => of(value),
        Err(error) => format!("{} {}", error.code().unwrap(), error.detail().unwrap()),
    }
}

/// What a lock has been held for so far, in ms: a moment.
fn without_moments(shape: &str) -> String {
    let mut words: Vec<&str> = shape.split(' ').collect();
    for n in 1..words.len() {
        if words[n - 1].ends_with("held-ms") && words[0].starts_with("[holders") {
            words[n] = if words[n].ends_with(']') { "moment]" } else { "moment" };
        }
    }
    words.join(" ")
}

async fn every_command_is_answered_alike(kind: Kind) {
    let server = Server::start_tcp(kind);
    let mut there = crate::connect(&server.client()).await;
    let mut here = InProcess::new();
    let mut lines = 0;
    for line in LINES.lines().filter(|line| !line.is_empty()) {
        let mut command = Cmd::new();
        line.split(' ').for_each(|word| _ = command.arg(word));
        let [there, here] =
            [shape(command.query_async(&mut there).await), shape(command.query_async(&mut here).await)]
                .map(|shape| without_moments(&shape));
        assert_eq!(here, there, "{line}");
        lines += 1;
    }
    assert!(lines > 75, "{lines}");
}
