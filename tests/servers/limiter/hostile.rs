//! No input whatever stops the server or puts its replies out of step.

use sluice_testing::{Kind, Reply, on_every_server};

use crate::shared::hostile::{Family, KEYS};
use crate::shared::random::Random;

on_every_server![
    nonsense_in_a_pipeline_gets_one_reply_each,
    nonsense_in_transactions_and_scripts_gets_one_reply_each,
    words_of_a_mebibyte_are_words,
    a_command_of_a_hundred_thousand_words_is_a_command,
    a_connection_that_ends_in_the_middle_harms_nobody,
];

const COMMANDS: [&str; 4] = ["RATELIMIT.ACQUIRE", "RATELIMIT.PEEK", "RATELIMIT.RETURN", "RATELIMIT.INFO"];

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

const LIMITERS: Family =
    Family { command, can_be, info: "RATELIMIT.INFO", lua_types: &["table", "boolean", "nil"] };

/// Six integers, or what INFO answers.
fn can_be(reply: &Reply) -> bool {
    match reply {
        Reply::Null => true,
        Reply::Array(items) => match &items[..] {
            [Reply::Int(_), ..] => items.len() == 6 && sound(&reply.ints()),
            maps => !maps.is_empty() && maps.iter().all(|map| map.pairs().len() == 6),
        },
        _ => false,
    }
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

fn nonsense_in_a_pipeline_gets_one_reply_each(kind: Kind) {
    LIMITERS.in_a_pipeline(kind, 0x51, 500, 2000);
}

fn nonsense_in_transactions_and_scripts_gets_one_reply_each(kind: Kind) {
    LIMITERS.in_transactions_and_scripts(kind, 0x52);
}

fn words_of_a_mebibyte_are_words(kind: Kind) {
    let calls = COMMANDS.map(|name| format!("{name} k LIMIT 5 EX 100 BURST 3 COST 1 MAXWAIT 5"));
    LIMITERS.huge_words(kind, &calls, b"9%\0");
}

fn a_command_of_a_hundred_thousand_words_is_a_command(kind: Kind) {
    let beginnings = COMMANDS.map(|name| format!("{name} k LIMIT 5 EX 1"));
    let words = ["LIMIT 5 EX 1", "FORCE FORCE FORCE FORCE", "COST 1 COST 1", "\0 \0 \0 \0"];
    LIMITERS.many_words(kind, &beginnings, &words);
}

fn a_connection_that_ends_in_the_middle_harms_nobody(kind: Kind) {
    LIMITERS.cut_off(kind, "RATELIMIT.ACQUIRE half LIMIT 5 EX 1000");
}
