//! No input whatever stops the server or puts its replies out of step.

use crate::harness::{Client, Kind, Reply, Server};
use crate::random::Random;

on_every_server![
    nonsense_in_a_pipeline_gets_one_reply_each,
    nonsense_in_transactions_and_scripts_gets_one_reply_each,
    words_of_a_mebibyte_are_words,
    a_command_of_a_hundred_thousand_words_is_a_command,
    a_connection_that_ends_in_the_middle_harms_nobody,
];

const COMMANDS: [&str; 4] = ["RATELIMIT.ACQUIRE", "RATELIMIT.PEEK", "RATELIMIT.RETURN", "RATELIMIT.INFO"];

const KEYS: &[&[u8]] = &[b"k", b"k2", b"", b"\0", b"\xff\xff", b"%n%s", b"\r\n"];
const OPTIONS: &[&[u8]] =
    &[b"LIMIT", b"EX", b"px", b"BURST", b"Cost", b"PARTIAL", b"FORCE", b"MAXWAIT", b"DUE"];
const NUMBERS: &[&[u8]] = &[b"1", b"2", b"3", b"7", b"10", b"1000", b"60000", b"999983"];

/// What has broken other programs, one after each comma.
const ODD_BYTES: &[u8] =
    b",\0,\xff,\xff\xfe,\r\n,%n,%s%s%n, 1,1 ,1\0,\xd9\xa1,LIMIT\0,\0EX,L\xc4\xb0MIT,+OK\r\n,$-1\r\n,*1\r\n";

/// What is nearly a word of ours or a number.
const ODD_TEXT: &str = "LIMI LIMITS EXX PXX NX KEEPTTL {tag} %1000000d 0 -1 -0 +1 01 1.5 1e9 0x10 nan -inf \
    2147483648 -2147483649 4294967296 3155760000 3155760001 3155760000000 3155760000001 3155760000000000000 \
    9007199254740993 9223372036854775 9223372036854776 9223372036854775807 9223372036854775808 \
    -9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616 \
    340282366920938463463374607431768211455 340282366920938463463374607431768211457";

fn oddity(random: &mut Random) -> Vec<u8> {
    match random.below(3) {
        0 => random.pick(&ODD_BYTES.split(|byte| *byte == b',').collect::<Vec<_>>()).to_vec(),
        _ => random.pick(&ODD_TEXT.split_whitespace().collect::<Vec<_>>()).into(),
    }
}

fn any_word(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => oddity(random),
        kind => random.pick([KEYS, OPTIONS, NUMBERS][kind - 1]).to_vec(),
    }
}

/// A command: one in four is any words at all, the others are nearly right, or right.
fn command(random: &mut Random) -> Vec<Vec<u8>> {
    let name = random.pick(&COMMANDS);
    let mut words = vec![name.as_bytes().to_vec()];
    if random.below(4) == 0 {
        let len = random.below(40);
        words.extend((0..len).map(|_| any_word(random)));
        return words;
    }
    words.push(random.pick(KEYS).to_vec());
    if name == "RATELIMIT.INFO" {
        return words;
    }
    for _ in 0..=random.pick(&[0, 0, 0, 1, 1, 2, 7, 8]) {
        for (option, one_in) in [("LIMIT", 1), (random.pick(&["EX", "PX"]), 1), ("BURST", 3), ("COST", 2)] {
            if random.below(one_in) == 0 {
                let odd = random.below(32) == 0;
                let number = if odd { oddity(random) } else { random.pick(NUMBERS).to_vec() };
                words.extend([option.as_bytes().to_vec(), number]);
            }
        }
    }
    match random.below(8) {
        0 => words.push(b"PARTIAL".to_vec()),
        1 => words.push(b"FORCE".to_vec()),
        2 => words.extend([b"MAXWAIT".to_vec(), random.pick(NUMBERS).to_vec()]),
        3 => words.extend([b"DUE".to_vec(), random.pick(NUMBERS).to_vec()]),
        4 => drop(words.pop()),
        5 => words.push(any_word(random)),
        6 => {
            let place = random.below(words.len() - 1) + 1;
            words[place] = any_word(random);
        }
        _ => {}
    }
    words
}

/// Six integers, what INFO answers, or an error of ours: with a code, one line, nothing that the caller sent.
fn assert_well_formed(reply: &Reply, words: &[Vec<u8>]) {
    let well_formed = match reply {
        Reply::Null => true,
        Reply::Array(items) => match &items[..] {
            [Reply::Int(_), ..] => items.len() == 6 && sound(&reply.ints()),
            maps => !maps.is_empty() && maps.iter().all(|map| map.pairs().len() == 6),
        },
        Reply::Error(text) => {
            let known = ["ERR ", "WRONGTYPE "].iter().any(|code| text.starts_with(code));
            known && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.contains('%')
        }
        _ => false,
    };
    let sent: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
    assert!(well_formed, "{sent:?} was answered {reply:?}");
}

/// Whatever was asked for, a reply keeps to what the fields mean.
fn sound(reply: &[i64]) -> bool {
    let [granted, wait_ms, remaining, burst, reset_ms, index] = reply[..] else { return false };
    granted >= 0
        && wait_ms >= -1
        && (0..=burst).contains(&remaining)
        && reset_ms >= 0
        && (remaining < burst || reset_ms == 0)
        && (0..8).contains(&index)
}

/// The server is well, and all that it has stored are states that will expire.
fn assert_unharmed(server: &Server, client: &mut Client) {
    client.assert_in_step();
    for key in client.ask("KEYS *").array() {
        // It may be gone by now (-2), but none is for ever (-1).
        assert_ne!(client.call(&args!["PTTL", key.bytes()]).int(), -1, "{key:?}");
        assert!(!matches!(client.call(&args!["RATELIMIT.INFO", key.bytes()]), Reply::Error(_)), "{key:?}");
    }
    assert_eq!(server.connect().ask("PING").text(), "PONG");
    let log = server.log();
    for sign in ["BUG REPORT", "STACK TRACE", "panicked", "ASSERTION", "internal error"] {
        assert!(!log.contains(sign), "the log says {sign}");
    }
}

fn nonsense_in_a_pipeline_gets_one_reply_each(kind: Kind) {
    let server = Server::start(kind);
    let mut random = Random(0x51u64);
    for mut client in [server.connect(), server.connect_resp3()] {
        let mut sensible = 0;
        for _ in 0..20 {
            let commands: Vec<_> = (0..500).map(|_| command(&mut random)).collect();
            client.send_bytes(&commands.iter().map(|words| encode(words)).collect::<Vec<_>>().concat());
            for words in &commands {
                let reply = client.read();
                assert_well_formed(&reply, words);
                sensible += usize::from(matches!(reply, Reply::Array(_)));
            }
            client.assert_in_step();
        }
        // The nonsense is near enough to sense that some of it is carried out.
        assert!(sensible > 2000, "only {sensible} of 10000 commands had nothing wrong");
        assert_unharmed(&server, &mut client);
    }
}

fn nonsense_in_transactions_and_scripts_gets_one_reply_each(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let mut random = Random(0x52u64);
    for _ in 0..200 {
        let commands: Vec<_> = (0..10).map(|_| command(&mut random)).collect();
        client.ask("MULTI").assert_ok();
        let queued = commands.iter().all(|words| client.call(words) == Reply::Simple("QUEUED".to_owned()));
        let exec = client.ask("EXEC");
        if queued {
            assert_eq!(exec.array().len(), commands.len());
            exec.array().iter().zip(&commands).for_each(|(reply, words)| assert_well_formed(reply, words));
        } else {
            assert!(exec.error().starts_with("EXECABORT "));
        }
    }
    let script = "local reply = redis.pcall(unpack(ARGV)) return type(reply)";
    for _ in 0..2000 {
        let mut words: Vec<Vec<u8>> = args!["EVAL", script, 0].to_vec();
        words.extend(command(&mut random));
        assert!(["table", "boolean", "nil"].contains(&client.call(&words).text()));
    }
    assert_unharmed(&server, &mut client);
}

fn words_of_a_mebibyte_are_words(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let right = ["k", "LIMIT", "5", "EX", "100", "BURST", "3", "COST", "1", "MAXWAIT", "5"];
    for byte in [b'9', b'%', 0] {
        let huge = vec![byte; 1 << 20];
        for name in COMMANDS {
            for place in 0..right.len() {
                let mut words: Vec<Vec<u8>> = right.iter().map(|word| word.as_bytes().to_vec()).collect();
                words[place].clone_from(&huge);
                words.insert(0, name.as_bytes().to_vec());
                assert_well_formed(&client.call(&words), &[]);
            }
        }
    }
    assert_unharmed(&server, &mut client);
}

fn a_command_of_a_hundred_thousand_words_is_a_command(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    for name in COMMANDS {
        for words in ["LIMIT 5 EX 1", "FORCE FORCE FORCE FORCE", "COST 1 COST 1", "\0 \0 \0 \0"] {
            let line = format!("{name} k LIMIT 5 EX 1 {}", format!("{words} ").repeat(25_000));
            assert!(client.ask(&line).error().starts_with("ERR "));
        }
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);
    assert_unharmed(&server, &mut client);
}

fn a_connection_that_ends_in_the_middle_harms_nobody(kind: Kind) {
    let server = Server::start(kind);
    let whole = encode(&args!["RATELIMIT.ACQUIRE", "half", "LIMIT", 5, "EX", 1000]);
    for end in 0..whole.len() {
        server.connect().send_bytes(&whole[..end]);
    }
    // Gone before the reply could be read.
    let hasty = encode(&args!["RATELIMIT.ACQUIRE", "hasty", "LIMIT", 5, "EX", 1000]);
    server.connect().send_bytes(&hasty.repeat(1000));
    let mut client = server.connect();
    assert_eq!(client.ask("EXISTS half").int(), 0);
    assert_unharmed(&server, &mut client);
}

/// A command as RESP has it.
fn encode(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
