//! No input whatever stops the server, puts its replies out of step, or leaves a lock that does not end.

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

const COMMANDS: [&str; 6] =
    ["LOCK.TRY", "LOCK.ACQUIRE", "LOCK.EXTEND", "LOCK.RELEASE", "LOCK.INFO", "LOCK.LOAD"];

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

const LOCKS: Family =
    Family { command, can_be, info: "LOCK.INFO", lua_types: &["table", "boolean", "number"] };

/// Three integers that can be, 0 or 1, or what INFO answers.
fn can_be(reply: &Reply) -> bool {
    match reply {
        Reply::Null => true,
        Reply::Int(count) => (0..=1).contains(count),
        Reply::Array(items) if items.len() == 3 => match reply.ints()[..] {
            [1, fence, ms] => fence > 0 && ms > 0,
            [0, 0, ms] => ms == -2,
            [0, fence, ms] => fence > 0 && ms > 0,
            _ => false,
        },
        Reply::Array(_) | Reply::Map(_) => reply.pairs().len() == 3,
        _ => false,
    }
}

fn nonsense_in_a_pipeline_gets_one_reply_each(kind: Kind) {
    LOCKS.in_a_pipeline(kind, 0x10c1, 200, 1000);
}

fn nonsense_in_transactions_and_scripts_gets_one_reply_each(kind: Kind) {
    LOCKS.in_transactions_and_scripts(kind, 0x10c2);
}

fn words_of_a_mebibyte_are_words(kind: Kind) {
    let calls = [
        "LOCK.TRY k A PX 1 HOLDERS 2",
        "LOCK.ACQUIRE k A PX 1 HOLDERS 2 BLOCK 1",
        "LOCK.EXTEND k A PX 1",
        "LOCK.RELEASE k A",
        "LOCK.INFO k",
    ];
    LOCKS.huge_words(kind, &calls.map(str::to_owned), b"09P%\0\xff");
}

fn a_command_of_a_hundred_thousand_words_is_a_command(kind: Kind) {
    let beginnings = COMMANDS.map(|name| format!("{name} k A PX 5"));
    let words = ["PX 5 PX 5", "HOLDERS 2 HOLDERS 2", "A 1 2 3", "\0 \0 \0 \0"];
    LOCKS.many_words(kind, &beginnings, &words);
}

fn a_connection_that_ends_in_the_middle_harms_nobody(kind: Kind) {
    LOCKS.cut_off(kind, "LOCK.TRY half A PX 600000");
}
