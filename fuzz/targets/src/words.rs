//! Words made of bytes: keywords and numbers far more often than chance would spell them.

use arbitrary::{Result, Unstructured};
use sluice_core::grammar::keyword::Keyword;

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "7",
    "100",
    "1000",
    "1024",
    "1025",
    "60000",
    "-",
    "+",
    "-1",
    "01",
    "+1",
    "1.5",
    "3155760000",
    "3155760001",
    "3155760000000",
    "3155760000001",
    "7881299347898368",
    "9007199254740991",
    "9007199254740992",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
];

/// As many words as the bytes make, at most so many.
pub(crate) fn words(bytes: &mut Unstructured<'_>, most: usize) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    while words.len() < most && !bytes.is_empty() {
        words.push(word(bytes).unwrap_or_default());
    }
    words
}

fn word(bytes: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let kind = usize::from(bytes.arbitrary::<u8>()?);
    let keywords = Keyword::ALL.len();
    Ok(match kind {
        // In capitals, and with the case of some letters changed.
        kind if kind < keywords => Keyword::ALL[kind].as_str().into(),
        kind if kind < 2 * keywords => {
            let flips = bytes.arbitrary::<u8>()?;
            let mut word = Keyword::ALL[kind - keywords].as_str().as_bytes().to_vec();
            for (n, byte) in word.iter_mut().enumerate() {
                *byte ^= (flips >> (n % 8) & 1) << 5;
            }
            word
        }
        kind if kind < 64 => NUMBERS[(kind - 2 * keywords) % NUMBERS.len()].into(),
        kind if kind < 128 => bytes.arbitrary::<i64>()?.to_string().into(),
        kind if kind < 160 => u64::from(bytes.arbitrary::<u8>()?).to_string().into(),
        kind if kind < 176 => [&b"@a"[..], b"@b", b"@c", b"@none", b"a", b"b", b";", b"\n"][kind % 8].into(),
        kind if kind < 250 => bytes.bytes(kind.min(bytes.len()) % 8)?.to_vec(),
        kind if kind < 254 => vec![b'o'; 510 + kind - 250],
        _ => {
            let length = usize::from(bytes.arbitrary::<u8>()?).min(bytes.len());
            bytes.bytes(length)?.to_vec()
        }
    })
}

/// As the parsers take them.
pub(crate) fn slices(words: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    words.iter().map(Vec::as_slice)
}
