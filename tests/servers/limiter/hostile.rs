//! No input whatever stops the server or puts its replies out of step.

use sluice_testing::{Kind, Reply, Server, args, on_every_server};

use crate::shared::hostile::{Family, KEYS};
use crate::shared::random::Random;
use crate::shared::{NOON_MS, WRONG_TYPE};

on_every_server![
    nonsense_in_a_pipeline_gets_one_reply_each,
    nonsense_in_transactions_and_scripts_gets_one_reply_each,
    words_of_a_mebibyte_are_words,
    a_command_of_a_hundred_thousand_words_is_a_command,
    a_connection_that_ends_in_the_middle_harms_nobody,
    a_spoilt_state_is_a_state_or_the_wrong_type,
];

/// Of the calls most are ACQUIREs and RETURNs.
const COMMANDS: [&str; 9] = [
    "RATELIMIT.ACQUIRE",
    "RATELIMIT.ACQUIRE",
    "RATELIMIT.ACQUIRE",
    "RATELIMIT.PEEK",
    "RATELIMIT.RETURN",
    "RATELIMIT.RETURN",
    "RATELIMIT.INFO",
    "RATELIMIT.HOLD",
    "RATELIMIT.TURN",
];

/// One call of each, with as many words as it takes.
const CALLS: [&str; 8] = [
    "RATELIMIT.ACQUIRE k LIMIT 5 EX 100 BURST 3 COST 1 MAXWAIT 5",
    "RATELIMIT.ACQUIRE k LIMIT 5 EX 100 ALIGN 7 COST 1 LIMIT 5 EX 100 STRICT",
    "RATELIMIT.ACQUIRE k @p COST 1 2 MAXWAIT 5",
    "RATELIMIT.PEEK k LIMIT 5 EX 100 BURST 3 COST 1 MAXWAIT 5",
    "RATELIMIT.RETURN k LIMIT 5 EX 100 BURST 3 COST 1 AT 5",
    "RATELIMIT.INFO k",
    "RATELIMIT.HOLD k PX 5",
    "RATELIMIT.TURN k 5",
];

const OPTIONS: &[&[u8]] = &[
    b"LIMIT", b"EX", b"px", b"BURST", b"Cost", b"PARTIAL", b"FORCE", b"MAXWAIT", b"DUE", b"strict", b"ALIGN",
    b"AT", b"OFF", b"@p", b"@", b"SHADOW",
];
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
    let number = |random: &mut Random| {
        if random.below(32) == 0 { oddity(random) } else { random.pick(NUMBERS).to_vec() }
    };
    match name {
        "RATELIMIT.INFO" => return words,
        "RATELIMIT.TURN" => {
            words.push(number(random));
            return words;
        }
        "RATELIMIT.HOLD" => {
            match random.below(4) {
                0 => words.push(b"OFF".to_vec()),
                1 => words.extend([b"EX".to_vec(), random.pick(&[&b"1"[..], b"2", b"3"]).to_vec()]),
                _ => words.extend([b"PX".to_vec(), number(random)]),
            }
            return words;
        }
        _ => {}
    }
    for _ in 0..=random.pick(&[0, 0, 0, 1, 1, 2, 7, 8]) {
        let form = random.pick(&["BURST", "ALIGN"]);
        for (option, one_in) in [("LIMIT", 1), (random.pick(&["EX", "PX"]), 1), (form, 3), ("COST", 2)] {
            if random.below(one_in) == 0 {
                words.extend([option.as_bytes().to_vec(), number(random)]);
            } else if option == form && random.below(3) == 0 {
                words.push(b"STRICT".to_vec());
            }
        }
    }
    match random.below(8) {
        0 => words.push(b"PARTIAL".to_vec()),
        1 => words.push(b"FORCE".to_vec()),
        2 => words.extend([b"MAXWAIT".to_vec(), random.pick(NUMBERS).to_vec()]),
        3 => words.extend([random.pick(&[&b"DUE"[..], b"AT"]).to_vec(), random.pick(NUMBERS).to_vec()]),
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

const LIMITERS: Family =
    Family { command, can_be, info: "RATELIMIT.INFO", lua_types: &["table", "boolean", "nil", "number"] };

/// Six integers or seven, what INFO answers, or the ms of HOLD and TURN.
fn can_be(reply: &Reply) -> bool {
    match reply {
        Reply::Null => true,
        Reply::Int(ms) => *ms >= 0,
        Reply::Array(items) => match &items[..] {
            [Reply::Int(_), ..] => sound(&reply.ints()),
            maps => !maps.is_empty() && maps.iter().all(|map| [1, 6, 7, 8, 9].contains(&map.pairs().len())),
        },
        _ => false,
    }
}

/// Whatever was asked for, a reply keeps to what the fields mean.
fn sound(reply: &[i64]) -> bool {
    let [granted, wait_ms, remaining, burst, reset_ms, index, act_us @ ..] = reply else { return false };
    let acts = match act_us {
        [] => true,
        [act_us] => (*act_us > 0) == (*granted > 0),
        _ => false,
    };
    acts && *granted >= 0
        && *wait_ms >= -1
        && (0..=*burst).contains(remaining)
        && *reset_ms >= 0
        && (remaining < burst || *reset_ms == 0)
        && (0..8).contains(index)
}

fn nonsense_in_a_pipeline_gets_one_reply_each(kind: Kind) {
    LIMITERS.in_a_pipeline(kind, 0x51, 500, 2000);
}

fn nonsense_in_transactions_and_scripts_gets_one_reply_each(kind: Kind) {
    LIMITERS.in_transactions_and_scripts(kind, 0x52);
}

fn words_of_a_mebibyte_are_words(kind: Kind) {
    LIMITERS.huge_words(kind, &CALLS.map(str::to_owned), b"9%\0");
}

fn a_command_of_a_hundred_thousand_words_is_a_command(kind: Kind) {
    let beginnings = CALLS.map(|call| call.replace(" MAXWAIT 5", ""));
    let words = [
        "LIMIT 5 EX 1",
        "FORCE FORCE FORCE FORCE",
        "COST 1 COST 1",
        "STRICT STRICT STRICT STRICT",
        "AT 5 DUE 5",
        "\0 \0 \0 \0",
    ];
    LIMITERS.many_words(kind, &beginnings, &words);
}

fn a_connection_that_ends_in_the_middle_harms_nobody(kind: Kind) {
    LIMITERS.cut_off(kind, "RATELIMIT.ACQUIRE half LIMIT 5 EX 1000");
}

/// States of every form, at noon.
const STATES: &[&str] = &[
    "1800000000600001000:100/60000:20",
    "1800000000333334333+1:3/1000:3;1800000000200001000:10/2000:10",
    "1800000009000000000~1800000008000:10/10000:10|1800000004500000000~1800000004500:20/10000:20",
    "-1800000110000000000:10/10000:10",
    "1800000030000000000~1800000010000:60/60000:60",
    "1@1800000001000,2+300,3+1:30/1000:S",
    "2@1800000010000,1+1000~1800000010000:5/10000:S|1800000007000000000~1800000007000:5/10000:5",
    "3@1800025200000:3/86400000:A54000000;0@0:2/1000:S;1800000001800001000:5/9000:5",
    "!1800000001500,1800000000000+1500",
    "1800000002500000000:10/1000:1!1800000002050,1799999990050+1000,1800000000050+2000",
];

/// What a byte of a state may turn into.
const BYTES: &[u8] = b"0123456789+-~:/;|!@,SAsa \0\xff";

fn spoilt(random: &mut Random) -> Vec<u8> {
    let mut state = random.pick(STATES).as_bytes().to_vec();
    for _ in 0..=random.below(2) {
        let (at, other) = (random.below(state.len().max(1)), random.pick(STATES).as_bytes());
        match random.below(6) {
            _ if state.is_empty() => state.extend(other),
            0 if state[at].is_ascii_digit() => state[at] = random.pick(b"0123456789"),
            0 => state[at] = random.pick(BYTES),
            1 => drop(state.remove(at)),
            2 => state.insert(at, random.pick(BYTES)),
            3 => state.truncate(at),
            // The end of another state, or a limit more.
            4 => state.splice(at.., other[random.below(other.len())..].iter().copied()).for_each(drop),
            _ => state.extend([&[random.pick(b";|!,")][..], other].concat()),
        }
    }
    state
}

fn a_spoilt_state_is_a_state_or_the_wrong_type(kind: Kind) {
    let server = Server::setup(kind).clock_ms(NOON_MS).start();
    let mut client = server.connect();
    let mut random = Random(0x57a7e);
    let looks = [
        "RATELIMIT.INFO k",
        "RATELIMIT.TURN k 5000",
        "RATELIMIT.PEEK k LIMIT 10 EX 10 COST 0",
        "RATELIMIT.PEEK k LIMIT 5 EX 10 STRICT MAXWAIT 60000",
        "RATELIMIT.PEEK k LIMIT 3 EX 86400 ALIGN 54000 FORCE",
    ];
    let writes = [
        "RATELIMIT.ACQUIRE k LIMIT 10 EX 10",
        "RATELIMIT.ACQUIRE k LIMIT 30 EX 1 STRICT COST 3 MAXWAIT 60000",
        "RATELIMIT.ACQUIRE k LIMIT 10 EX 1 BURST 1 COST 50 FORCE",
        "RATELIMIT.ACQUIRE k LIMIT 3 EX 86400 ALIGN 54000 COST 3 PARTIAL LIMIT 60 EX 60 COST 3",
        "RATELIMIT.RETURN k LIMIT 10 EX 10 COST 3",
        "RATELIMIT.RETURN k LIMIT 30 EX 1 STRICT AT 1800000000000000",
        "RATELIMIT.HOLD k PX 77",
        "RATELIMIT.HOLD k OFF",
    ];
    let (mut ours, mut foreign) = (0, 0);
    for _ in 0..1500 {
        let state = spoilt(&mut random);
        client.call(&args!["SET", "k", state, "PXAT", NOON_MS + 90_000_000]).assert_ok();
        let dump = client.ask("DUMP k");
        let spelled = state.escape_ascii();
        let known = !matches!(client.ask("RATELIMIT.INFO k"), Reply::Error(_));
        for line in looks {
            match client.ask(line) {
                Reply::Error(error) => assert!(!known && error == WRONG_TYPE, "{line} on {spelled}: {error}"),
                reply => assert!(known && can_be(&reply), "{line} on {spelled}: {reply:?}"),
            }
        }
        assert_eq!(client.ask("DUMP k"), dump, "{spelled}");
        for _ in 0..3 {
            let line = random.pick(&writes);
            let reply = client.ask(line);
            if known {
                assert!(can_be(&reply), "{line} on {spelled}: {reply:?}");
                // What is written can be read, and will expire.
                assert!(!matches!(client.ask("RATELIMIT.INFO k"), Reply::Error(_)), "{line} on {spelled}");
                assert_ne!(client.ask("PTTL k").int(), -1, "{line} on {spelled}");
            } else {
                assert_eq!(reply, Reply::Error(WRONG_TYPE.to_owned()), "{line} on {spelled}");
                assert_eq!(client.ask("DUMP k"), dump, "{line} on {spelled}");
            }
        }
        *(if known { &mut ours } else { &mut foreign }) += 1;
    }
    assert!(ours > 100 && foreign > 500, "{ours} states and {foreign} others");
    client.assert_in_step();
}
