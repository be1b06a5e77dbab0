//! Any bytes make a key, and the commands go wherever commands go: RESP2, RESP3, pipelines, transactions,
//! scripts.

use sluice_testing::{Client, Kind, Reply, Server, args, on_every_server};

use crate::limiter::expect;
use crate::shared::NOON_MS;

on_every_server![
    any_bytes_make_a_key,
    each_database_has_its_own_keys,
    both_protocols_tell_the_same,
    keywords_have_no_case_and_options_no_order,
    a_pipeline_is_answered_in_order,
    it_may_be_typed_and_it_may_go_unanswered,
    a_transaction_is_one_instant,
    a_script_sees_integers_and_can_catch_errors,
    a_read_only_script_may_look_and_not_take,
    a_function_may_call_it,
];

fn any_bytes_make_a_key(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let mebibyte = vec![b'k'; 1 << 20];
    let mut another = mebibyte.clone();
    *another.last_mut().unwrap() = b'K';
    let all_bytes: Vec<u8> = (0..=255).collect();
    let keys: [&[u8]; 14] = [
        b"",
        b"\0",
        b"\0\0",
        b"a\0b",
        b"a\0c",
        b"\xff",
        b"\xff\xfe\xc3\x28",
        b"\r\n",
        b"k\r\n*1\r\n$8\r\nFLUSHALL\r\n",
        b" blank ",
        b"%s%n%d",
        &all_bytes,
        &mebibyte,
        &another,
    ];
    for (cost, key) in (1..).zip(keys) {
        let acquire = args!["RATELIMIT.ACQUIRE", key, "LIMIT", 100, "EX", 100, "COST", cost];
        assert_eq!(client.call(&acquire).ints(), [1, 0, 100 - cost, 100, cost * 1000, 0]);
    }
    // Each has kept what was taken from it: no two are the same key.
    for (cost, key) in (1..).zip(keys) {
        let peek = client.call(&args!["RATELIMIT.PEEK", key, "LIMIT", 100, "EX", 100, "COST", 0]);
        assert_eq!(peek.ints(), [1, 0, 100 - cost, 100, cost * 1000, 0]);
        assert_eq!(client.call(&args!["RATELIMIT.INFO", key]).array().len(), 1);
        assert_eq!(client.call(&args!["PTTL", key]).int(), cost * 1000 + (cost * 250).max(1000));
        let all_back = args!["RATELIMIT.RETURN", key, "LIMIT", 100, "EX", 100, "COST", cost];
        assert_eq!(client.call(&all_back).ints(), [1, 0, 100, 100, 0, 0]);
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);
    client.assert_in_step();
}

fn each_database_has_its_own_keys(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    for (cost, db) in [(1, 0), (2, 9), (3, 15)] {
        client.ask(&format!("SELECT {db}")).assert_ok();
        let reply = client.ask(&format!("RATELIMIT.ACQUIRE k LIMIT 9 EX 9 COST {cost}"));
        assert_eq!(reply.ints(), [1, 0, 9 - cost, 9, cost * 1000, 0]);
    }
    client.ask("SWAPDB 0 15").assert_ok();
    for (cost, db) in [(3, 0), (2, 9), (1, 15)] {
        client.ask(&format!("SELECT {db}")).assert_ok();
        assert_eq!(client.ask("RATELIMIT.PEEK k LIMIT 9 EX 9 COST 0").ints()[2], 9 - cost);
    }
}

fn both_protocols_tell_the_same(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    for (mut client, key) in [(server.connect(), "resp2"), (server.connect_resp3(), "resp3")] {
        let resp3 = key == "resp3";
        let mut wire = |words: &str, bytes: &[u8]| {
            client.ask(&words.replace("key", key));
            assert_eq!(client.last_bytes().escape_ascii().to_string(), bytes.escape_ascii().to_string());
        };
        wire("RATELIMIT.INFO key", if resp3 { b"_\r\n" } else { b"$-1\r\n" });
        wire("RATELIMIT.RETURN key LIMIT 3 EX 3", b"*6\r\n:0\r\n:0\r\n:3\r\n:3\r\n:0\r\n:0\r\n");
        wire("RATELIMIT.PEEK key LIMIT 3 EX 3", b"*6\r\n:1\r\n:0\r\n:2\r\n:3\r\n:1000\r\n:0\r\n");
        wire("RATELIMIT.ACQUIRE key LIMIT 3 EX 3", b"*6\r\n:1\r\n:0\r\n:2\r\n:3\r\n:1000\r\n:0\r\n");
        wire("RATELIMIT.ACQUIRE key LIMIT 3 EX 3 COST 4", b"*6\r\n:0\r\n:-1\r\n:2\r\n:3\r\n:1000\r\n:0\r\n");
        wire(
            "RATELIMIT.ACQUIRE key LIMIT 3 EX 3 COST 3",
            b"*6\r\n:0\r\n:1000\r\n:2\r\n:3\r\n:1000\r\n:0\r\n",
        );
        wire("RATELIMIT.ACQUIRE key", b"-ERR wrong number of arguments for 'ratelimit.acquire' command\r\n");
        wire("RATELIMIT.ACQUIRE key LIMIT 3 EX", b"-ERR EX needs a number\r\n");
        let fields = "$5\r\ncount\r\n:3\r\n$9\r\nperiod-ms\r\n:3000\r\n$5\r\nburst\r\n:3\r\n\
                      $9\r\nremaining\r\n:2\r\n$7\r\nnext-ms\r\n:1000\r\n$8\r\nreset-ms\r\n:1000\r\n";
        let map = if resp3 { "*1\r\n%6\r\n" } else { "*1\r\n*12\r\n" };
        wire("RATELIMIT.INFO key", format!("{map}{fields}").as_bytes());
        wire(
            "RATELIMIT.ACQUIRE key LIMIT 3 EX 3 COST 3 MAXWAIT 1000",
            b"*7\r\n:1\r\n:1000\r\n:0\r\n:3\r\n:4000\r\n:0\r\n:1800000001000000\r\n",
        );
        wire(
            "RATELIMIT.ACQUIRE key LIMIT 3 EX 3 MAXWAIT 1000",
            b"*7\r\n:0\r\n:2000\r\n:0\r\n:3\r\n:4000\r\n:0\r\n:0\r\n",
        );
        wire("RATELIMIT.TURN key 0", b":0\r\n");
        wire("DEL key", b":1\r\n");
        // Windows have two or three fields more, places one, and a hold has a map of its own.
        wire("RATELIMIT.ACQUIRE key LIMIT 3 EX 3 STRICT", b"*6\r\n:1\r\n:0\r\n:2\r\n:3\r\n:3000\r\n:0\r\n");
        wire(
            "RATELIMIT.ACQUIRE key LIMIT 3 EX 86400 ALIGN 54000",
            b"*6\r\n:1\r\n:0\r\n:1\r\n:3\r\n:25200000\r\n:0\r\n",
        );
        wire("RATELIMIT.HOLD key EX 2", b":2000\r\n");
        wire("RATELIMIT.TURN key 5", b":2000\r\n");
        let field = |name: &str, value: &str| format!("${}\r\n{name}\r\n{value}\r\n", name.len());
        let number = |name: &str, value: i64| field(name, &format!(":{value}"));
        let map =
            |fields: usize| if resp3 { format!("%{fields}\r\n") } else { format!("*{}\r\n", 2 * fields) };
        let limit = |period_ms, next_ms, reset_ms| {
            let numbers = [number("count", 3), number("period-ms", period_ms), number("burst", 3)];
            let times = [number("remaining", 0), number("next-ms", next_ms), number("reset-ms", reset_ms)];
            numbers.concat() + &times.concat()
        };
        let strict = map(8) + &limit(3000, 2000, 5000) + &field("kind", "$6\r\nstrict") + &number("place", 0);
        let calendar = map(9) + &limit(86_400_000, 2000, 25_200_000) + &field("kind", "$5\r\nalign");
        let calendar = calendar + &number("align-ms", 54_000_000) + &number("place", 0);
        let held = map(1) + &number("held-ms", 2000);
        wire("RATELIMIT.INFO key", format!("*3\r\n{strict}{calendar}{held}").as_bytes());
        client.assert_in_step();
    }
}

fn keywords_have_no_case_and_options_no_order(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let same = [
        "RATELIMIT.ACQUIRE LIMIT 10 EX 1 BURST 5 COST 2 MAXWAIT 500",
        "ratelimit.acquire limit 10 ex 1 burst 5 cost 2 maxwait 500",
        "RateLimit.Acquire Limit 10 Ex 1 bURST 5 cOsT 2 MaxWait 500",
        "RATELIMIT.ACQUIRE LIMIT 10 PX 1000 COST 2 BURST 5 MAXWAIT 500",
        "RATELIMIT.ACQUIRE LIMIT 10 BURST 5 COST 2 EX 1 MAXWAIT 500",
        "RATELIMIT.ACQUIRE LIMIT 10 COST 2 PX 1000 BURST 5 MAXWAIT 500",
    ];
    for (number, line) in same.iter().enumerate() {
        let (name, words) = line.split_once(' ').unwrap();
        let line = format!("{name} k{number} {words}");
        expect(&mut client, &line, [1, 0, 3, 5, 200, 0]);
        expect(&mut client, &line, [1, 0, 1, 5, 400, 0]);
        expect(&mut client, &line, [1, 100, 0, 5, 600, 0]);
        let info = client.ask(&format!("ratelimit.Info k{number}"));
        assert_eq!(info, client.ask("RATELIMIT.INFO k0"));
    }
    for (left, words) in
        [(2, "LIMIT 3 EX 3 STRICT"), (1, "limit 3 strict ex 3"), (0, "limit 3 cost 1 sTricT eX 3")]
    {
        expect(&mut client, &format!("RATELIMIT.ACQUIRE w {words}"), [1, 0, left, 3, 3000, 0]);
    }
    assert_eq!(client.ask("ratelimit.Hold h pX 5").int(), 5);
    assert_eq!(client.ask("RateLimit.Hold h oFf").int(), 0);
    assert_eq!(client.ask("ratelimit.peek p limit 3 ex 3 cost 9 partial").ints(), [3, 0, 0, 3, 3000, 0]);
    assert_eq!(client.ask("ratelimit.acquire p limit 3 ex 3 cost 4 force").ints(), [1, 1000, 0, 3, 4000, 0]);
    assert_eq!(client.ask("ratelimit.return p limit 3 ex 3 cost 4 due 1000").ints(), [1, 0, 3, 3, 0, 0]);
    client.assert_in_step();
}

fn a_pipeline_is_answered_in_order(kind: Kind) {
    const CALLS: i64 = 5000;
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let lines: Vec<String> = (0..CALLS)
        .map(|n| match n % 5 {
            0 => "RATELIMIT.PEEK k LIMIT 1000 EX 1000 COST 0".to_owned(),
            1 => format!("ECHO {n}"),
            2 => "RATELIMIT.ACQUIRE k".to_owned(),
            _ => "RATELIMIT.ACQUIRE k LIMIT 1000 EX 1000".to_owned(),
        })
        .collect();
    let mut taken = 0;
    for (n, reply) in (0..).zip(client.pipeline(&lines)) {
        let refused = n % 5 != 0 && taken == 1000;
        match n % 5 {
            1 => assert_eq!(reply.text(), n.to_string()),
            2 => assert!(reply.error().starts_with("ERR wrong number")),
            _ => {
                taken += i64::from(n % 5 > 2 && !refused);
                let expected =
                    [i64::from(!refused), i64::from(refused) * 1000, 1000 - taken, 1000, taken * 1000, 0];
                assert_eq!(reply.ints(), expected, "command {n}");
            }
        }
    }
    assert_eq!(taken, 1000);
    client.assert_in_step();
}

fn it_may_be_typed_and_it_may_go_unanswered(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    client.send_bytes(b"RATELIMIT.ACQUIRE k LIMIT 9 EX 9\r\nratelimit.peek \"k\" limit 9 ex 9\n");
    assert_eq!(client.read().ints(), [1, 0, 8, 9, 1000, 0]);
    assert_eq!(client.read().ints(), [1, 0, 7, 9, 2000, 0]);
    for line in ["RATELIMIT.ACQUIRE k LIMIT 9 EX 9", "RATELIMIT.INFO k", "RATELIMIT.ACQUIRE k LIMIT 0 EX 0"] {
        client.send(&["CLIENT", "REPLY", "SKIP"]);
        client.send(&line.split(' ').collect::<Vec<_>>());
        client.assert_in_step();
    }
    assert_eq!(client.ask("RATELIMIT.PEEK k LIMIT 9 EX 9").ints(), [1, 0, 6, 9, 3000, 0]);
}

fn a_transaction_is_one_instant(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let (take, look) = ("RATELIMIT.ACQUIRE k LIMIT 1 EX 1000", "RATELIMIT.PEEK k LIMIT 1 EX 1000");
    let put_back = "RATELIMIT.RETURN k LIMIT 1 EX 1000";
    let replies = client.pipeline(&["MULTI", take, "DEBUG SLEEP 0.003", look, put_back, "EXEC"]);
    assert!(replies[1..5].iter().all(|reply| *reply == Reply::Simple("QUEUED".to_owned())));
    let exec = replies[5].array();
    assert_eq!(exec[0].ints(), [1, 0, 0, 1, 1_000_000, 0]);
    // Before Redis 7.2 a module cannot ask for the time of the command, and time goes on in between.
    let waits = if kind == Kind::Redis70 { 900_000..=999_997 } else { 1_000_000..=1_000_000 };
    assert!(waits.contains(&exec[2].ints()[1]), "{exec:?}");
    assert_eq!(exec[3].ints(), [1, 0, 1, 1, 0, 0]);
    assert_eq!(client.ask("EXISTS k").int(), 0);
    // Queued and then discarded: nothing was taken.
    client.pipeline(&["MULTI", take, "DISCARD"]);
    assert_eq!(client.ask("EXISTS k").int(), 0);
    // A command with too few words spoils the whole transaction, as everywhere.
    let replies = client.pipeline(&["MULTI", take, "RATELIMIT.ACQUIRE k", "EXEC"]);
    assert!(replies[3].error().starts_with("EXECABORT "));
    assert_eq!(client.ask("EXISTS k").int(), 0);
    client.assert_in_step();
}

fn eval(client: &mut Client, script: &str) -> Reply {
    client.call(&["EVAL", script, "1", "k"])
}

fn a_script_sees_integers_and_can_catch_errors(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let acquire = "redis.call('RATELIMIT.ACQUIRE', KEYS[1], 'LIMIT', 3, 'EX', 3";
    assert_eq!(eval(&mut client, &format!("return {acquire})")).ints(), [1, 0, 2, 3, 1000, 0]);
    let sum = format!("local r = {acquire}, 'COST', 3) return {{type(r[2]), #r, r[2] + r[3]}}");
    assert_eq!(
        eval(&mut client, &sum),
        Reply::Array(vec![Reply::Bulk(b"number".to_vec()), Reply::Int(6), Reply::Int(1002)])
    );
    let info = "return redis.call('RATELIMIT.INFO', KEYS[1])[1]";
    assert_eq!(eval(&mut client, info).pairs()[3].1.int(), 2);
    let map = "redis.setresp(3) return redis.call('RATELIMIT.INFO', KEYS[1])[1].map['reset-ms']";
    assert_eq!(eval(&mut client, map).int(), 1000);
    let none = "return redis.call('RATELIMIT.INFO', 'none') == false";
    assert_eq!(eval(&mut client, none).int(), 1);
    let caught =
        "local r = redis.pcall('RATELIMIT.ACQUIRE', KEYS[1], 'LIMIT', 0, 'EX', 1) return 'caught: ' .. r.err";
    assert_eq!(eval(&mut client, caught).text(), "caught: ERR LIMIT must be at least 1");
    let uncaught = "return redis.call('RATELIMIT.ACQUIRE', KEYS[1], 'LIMIT', 0, 'EX', 1)";
    assert!(eval(&mut client, uncaught).error().starts_with("ERR LIMIT must be at least 1"));
    let wrong = "redis.call('SET', KEYS[1], 'x') return redis.pcall('RATELIMIT.INFO', KEYS[1]).err";
    assert!(eval(&mut client, wrong).text().starts_with("WRONGTYPE "));
    // A whole queue in one script, each caller behind the one before.
    let queue = "redis.call('DEL', KEYS[1]) local waits = {}
        local words = {'RATELIMIT.ACQUIRE', KEYS[1], 'LIMIT', 10, 'EX', 1, 'BURST', 1, 'MAXWAIT', 60000}
        for i = 1, 100 do waits[i] = redis.call(unpack(words))[2] end
        return waits";
    assert_eq!(eval(&mut client, queue).ints(), (0..100).map(|turn| turn * 100).collect::<Vec<i64>>());
    client.assert_in_step();
}

fn a_read_only_script_may_look_and_not_take(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let mut eval_ro = |words: &str| {
        let script = format!("return redis.call({words})");
        client.call(&["EVAL_RO", &script, "1", "k"])
    };
    assert_eq!(eval_ro("'RATELIMIT.PEEK', KEYS[1], 'LIMIT', 3, 'EX', 3").ints(), [1, 0, 2, 3, 1000, 0]);
    assert!(eval_ro("'RATELIMIT.INFO', KEYS[1]").is_null());
    for write in ["ACQUIRE", "RETURN"] {
        let refused = eval_ro(&format!("'RATELIMIT.{write}', KEYS[1], 'LIMIT', 3, 'EX', 3"));
        assert!(refused.error().starts_with("ERR Write commands are not allowed from read-only scripts"));
    }
}

fn a_function_may_call_it(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let library = "#!lua name=limits
        redis.register_function('take', function(keys, args)
            return redis.call('RATELIMIT.ACQUIRE', keys[1], 'LIMIT', args[1], 'EX', args[2])
        end)";
    assert_eq!(client.call(&["FUNCTION", "LOAD", library]).text(), "limits");
    assert_eq!(client.ask("FCALL take 1 k 3 3").ints(), [1, 0, 2, 3, 1000, 0]);
    assert!(client.ask("FCALL take 1 k 3 0").error().starts_with("ERR invalid expire time"));
    client.assert_in_step();
}
