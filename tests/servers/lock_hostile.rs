//! No input whatever stops the server, puts its replies out of step, or leaves a lock that does not end.

use crate::harness::{Client, Kind, Reply, Server};
use crate::random::Random;

on_every_server![
    nonsense_in_a_pipeline_gets_one_reply_each,
    nonsense_in_transactions_and_scripts_gets_one_reply_each,
    words_of_a_mebibyte_are_words,
    a_command_of_a_hundred_thousand_words_is_a_command,
    a_connection_that_ends_in_the_middle_harms_nobody,
];

const COMMANDS: [&str; 6] =
    ["LOCK.TRY", "LOCK.ACQUIRE", "LOCK.EXTEND", "LOCK.RELEASE", "LOCK.INFO", "LOCK.LOAD"];

const KEYS: &[&[u8]] = &[b"k", b"k2", b"", b"\0", b"\xff\xff", b"%n%s", b"\r\n"];
const OWNERS: &[&[u8]] = &[b"A", b"B", b"C", b"PX", b"\0", b"\r\n"];
const OPTIONS: &[&[u8]] = &[b"PX", b"ex", b"HOLDERS", b"Block"];
const NUMBERS: &[&[u8]] = &[b"1", b"2", b"3", b"10", b"1000", b"1024"];

/// What has broken other programs, and what is nearly a word of ours or a number.
const ODD: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff\xfe",
    b"%s%s%n",
    b"+OK\r\n",
    b"$-1\r\n",
    b"*1\r\n",
    b"P\xc4\xb0X",
    b"PX\0",
    b" 1",
    b"1 ",
    b"\xd9\xa1",
    b"PXAT",
    b"NX",
    b"HOLDER",
    b"0",
    b"-1",
    b"-0",
    b"+1",
    b"01",
    b"1.5",
    b"1e9",
    b"0x10",
    b"nan",
    b"1025",
    b"2147483648",
    b"4294967297",
    b"3155760000000",
    b"3155760000001",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"18446744073709551616",
];

fn any_word(random: &mut Random) -> Vec<u8> {
    let from = random.pick(&[KEYS, OWNERS, OPTIONS, NUMBERS, ODD]);
    random.pick(from).to_vec()
}

/// A command: one in four is any words at all, the others are nearly right, or right. None waits for long.
fn command(random: &mut Random) -> Vec<Vec<u8>> {
    let name = random.pick(&COMMANDS);
    let mut words = vec![name.as_bytes().to_vec()];
    if random.below(4) == 0 {
        words.extend((0..random.below(20)).map(|_| any_word(random)).collect::<Vec<_>>());
    } else {
        words.push(random.pick(KEYS).to_vec());
        if name != "LOCK.INFO" {
            words.push(random.pick(OWNERS).to_vec());
        }
        if !["LOCK.INFO", "LOCK.RELEASE"].contains(&name) {
            words.extend([random.pick(&[&b"PX"[..], b"EX", b"pX"]).to_vec(), random.pick(NUMBERS).to_vec()]);
        }
        if ["LOCK.TRY", "LOCK.ACQUIRE"].contains(&name) && random.below(2) == 0 {
            words.extend([b"HOLDERS".to_vec(), random.pick(NUMBERS).to_vec()]);
        }
        if name == "LOCK.ACQUIRE" {
            words.extend([b"BLOCK".to_vec(), random.pick(&[b"1", b"2"]).to_vec()]);
        }
        let place = 1 + random.below(words.len() - 1);
        match random.below(10) {
            0 => words[place] = any_word(random),
            1 => words.insert(place, any_word(random)),
            2 => drop(words.remove(place)),
            _ => {}
        }
    }
    let is_block = |word: &[u8]| word.eq_ignore_ascii_case(b"BLOCK");
    for place in 1..words.len() {
        if is_block(&words[place - 1]) && !is_block(&words[place]) && words[place] != b"2" {
            words[place] = b"1".to_vec();
        }
    }
    words
}

/// Three integers that can be, 0 or 1, what INFO answers, or an error of ours: with a code, one line, nothing that the
/// caller sent.
fn assert_well_formed(reply: &Reply, words: &[Vec<u8>]) {
    let well_formed = match reply {
        Reply::Null => true,
        Reply::Int(count) => (0..=1).contains(count),
        Reply::Array(items) if items.len() == 3 => match reply.ints()[..] {
            [1, fence, ms] => fence > 0 && ms > 0,
            [0, 0, ms] => ms == -2,
            [0, fence, ms] => fence > 0 && ms > 0,
            _ => false,
        },
        Reply::Array(_) | Reply::Map(_) => reply.pairs().len() == 2,
        Reply::Error(text) => {
            let known = ["ERR ", "WRONGTYPE "].iter().any(|code| text.starts_with(code));
            known && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.contains('%')
        }
        _ => false,
    };
    let sent: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
    assert!(well_formed, "{sent:?} was answered {reply:?}");
}

/// The server is well, nobody waits, and all that it has stored are locks that will end.
fn assert_unharmed(server: &Server, client: &mut Client) {
    client.assert_in_step();
    assert_eq!(client.info("clients", "blocked_clients"), "0");
    assert_eq!(client.info("sluice", "sluice_lock_waiting"), "0");
    for key in client.ask("KEYS *").array() {
        // It may be gone by now (-2), but none is for ever (-1).
        assert_ne!(client.call(&args!["PTTL", key.bytes()]).int(), -1, "{key:?}");
        assert!(!matches!(client.call(&args!["LOCK.INFO", key.bytes()]), Reply::Error(_)), "{key:?}");
    }
    assert_eq!(server.connect().ask("PING").text(), "PONG");
    let log = server.log();
    for sign in ["BUG REPORT", "STACK TRACE", "panicked", "ASSERTION", "internal error"] {
        assert!(!log.contains(sign), "the log says {sign}");
    }
}

fn nonsense_in_a_pipeline_gets_one_reply_each(kind: Kind) {
    let server = Server::start(kind);
    let mut random = Random(0x10c1);
    for mut client in [server.connect(), server.connect_resp3()] {
        let mut sensible = 0;
        for _ in 0..20 {
            let commands: Vec<_> = (0..200).map(|_| command(&mut random)).collect();
            commands.iter().for_each(|words| client.send(words));
            for words in &commands {
                let reply = client.read();
                assert_well_formed(&reply, words);
                sensible += usize::from(!matches!(reply, Reply::Error(_)));
            }
            client.assert_in_step();
        }
        // The nonsense is near enough to sense that some of it is carried out.
        assert!(sensible > 1000, "only {sensible} of 4000 commands had nothing wrong");
        assert_unharmed(&server, &mut client);
    }
}

fn nonsense_in_transactions_and_scripts_gets_one_reply_each(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let mut random = Random(0x10c2);
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
        assert!(["table", "boolean", "number"].contains(&client.call(&words).text()));
    }
    assert_unharmed(&server, &mut client);
}

fn words_of_a_mebibyte_are_words(kind: Kind) {
    let server = Server::start(kind);
    let mut client = server.connect();
    let right = ["k", "A", "PX", "1", "HOLDERS", "2", "BLOCK", "1"];
    for byte in [b'0', b'9', b'P', b'%', 0, 0xff] {
        let huge = vec![byte; 1 << 20];
        for (name, len) in [("TRY", 6), ("ACQUIRE", 8), ("EXTEND", 4), ("RELEASE", 2), ("INFO", 1)] {
            for place in 0..len {
                let mut words: Vec<Vec<u8>> =
                    right[..len].iter().map(|word| word.as_bytes().to_vec()).collect();
                words[place].clone_from(&huge);
                words.insert(0, format!("LOCK.{name}").into_bytes());
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
        for words in ["PX 5 PX 5", "HOLDERS 2 HOLDERS 2", "A 1 2 3", "\0 \0 \0 \0"] {
            let line = format!("{name} k A PX 5 {}", format!("{words} ").repeat(25_000));
            assert!(client.ask(&line).error().starts_with("ERR "));
        }
    }
    assert_eq!(client.ask("DBSIZE").int(), 0);
    assert_unharmed(&server, &mut client);
}

fn a_connection_that_ends_in_the_middle_harms_nobody(kind: Kind) {
    let server = Server::start(kind);
    let whole = b"*5\r\n$8\r\nLOCK.TRY\r\n$4\r\nhalf\r\n$1\r\nA\r\n$2\r\nPX\r\n$6\r\n600000\r\n";
    for end in 0..whole.len() {
        server.connect().send_bytes(&whole[..end]);
    }
    let mut client = server.connect();
    assert_eq!(client.ask("EXISTS half").int(), 0);
    // Gone before the reply could be read.
    server.connect().send_bytes(&whole.repeat(1000));
    assert_unharmed(&server, &mut client);
}
