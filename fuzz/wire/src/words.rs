//! The words of a command: those that are right, and those that have broken other programs.

use sluice_core::grammar::keyword::Keyword;

use crate::chance::Chance;

/// A command, word by word.
pub(crate) type Words = Vec<Vec<u8>>;

/// Few, so that all that is done is done to the same ones. In a cluster they share a slot.
pub(crate) const KEYS: &[&str] = &["{k}1", "{k}2", "{k}3", "{k}4"];

const ODD_KEYS: &[&[u8]] = &[b"", b"\0", b"\xff\xff", b"%n%s", b"\r\n"];

const OWNERS: &[&[u8]] = &[b"a", b"b", b"c", b"d", b"e", b"PX", b"\0", b"\r\n"];

const HOSTILE: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff\xfe",
    b"%s%s%n",
    b"%1000000d",
    b"+OK\r\n",
    b"$-1\r\n",
    b"*1\r\n",
    b"P\xc4\xb0X",
    b"PX\0",
    b"\0EX",
    b" 1",
    b"1 ",
    b"1\0",
    b"\xd9\xa1",
    b"LIMITS",
    b"KEEPTTL",
    b"@policy",
    b"@",
];

const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "-0",
    "+1",
    "01",
    "1.5",
    "1e9",
    "0x10",
    "nan",
    "-inf",
    "8",
    "9",
    "1024",
    "1025",
    "2147483647",
    "2147483648",
    "4294967296",
    "3155760000",
    "3155760001",
    "3155760000000",
    "3155760000001",
    "9007199254740991",
    "9007199254740993",
    "9223372036854775",
    "9223372036854776",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211457",
];

/// The words of a line.
pub(crate) fn line(text: &str) -> Words {
    text.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()
}

/// One of the few keys; now and then one that has broken other programs.
pub(crate) fn key(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(40) { chance.pick(ODD_KEYS).to_vec() } else { chance.pick(KEYS).into() }
}

pub(crate) fn owner(chance: &mut Chance) -> Vec<u8> {
    match chance.below(60) {
        0 => vec![b'o'; chance.pick(&[39, 40, 41, 511, 512, 513])],
        1 => hostile(chance),
        _ => chance.pick(OWNERS).to_vec(),
    }
}

/// A word that nobody expects, wherever it stands.
pub(crate) fn hostile(chance: &mut Chance) -> Vec<u8> {
    match chance.below(2000) {
        0 => vec![chance.pick(b"09Pk%\0\xff"); 1 << 20],
        1..900 => chance.pick(NUMBERS).into(),
        900..1400 => chance.pick(HOSTILE).to_vec(),
        1400..1800 => chance.pick(Keyword::ALL).as_str().into(),
        1800..1900 => (0..chance.below(12)).map(|_| chance.number() as u8).collect(),
        _ => (chance.number() >> chance.below(64)).to_string().into(),
    }
}

/// Makes one command of four wrong, or wrong in another way, behind their names.
pub(crate) fn spoil(words: &mut Words, chance: &mut Chance) {
    while chance.one_in(4) && words.len() > 1 {
        let place = 1 + chance.below(words.len() - 1);
        match chance.below(6) {
            0 | 1 => words[place] = hostile(chance),
            2 => words.insert(place, hostile(chance)),
            3 => drop(words.remove(place)),
            4 => words.insert(place, words[place].clone()),
            _ => {
                let other = 1 + chance.below(words.len() - 1);
                words.swap(place, other);
            }
        }
    }
}

/// Lets no command wait longer than a few ms: whoever sent it stands in the way of what comes behind.
pub(crate) fn hurry(words: &mut Words) {
    for place in 1..words.len() {
        let behind_block = words[place - 1].eq_ignore_ascii_case(b"BLOCK");
        let text = std::str::from_utf8(&words[place]).unwrap_or_default();
        if behind_block && text.parse::<i64>().is_ok_and(|ms| !(1..=4).contains(&ms)) {
            words[place] = b"1".to_vec();
        }
    }
}
