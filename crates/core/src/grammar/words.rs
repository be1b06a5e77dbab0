//! How single words are read and written: keywords by one comparison, numbers within their bounds.

use super::error::CommandError;
use crate::digits;
use crate::time::Millis;

/// A word of up to eight letters in one number, upper and lower case alike: as fast to tell from
/// others as a number is. Longer words are 0, and so is the empty one; no other two are equal that
/// differ in more than case, if one of them is all letters.
pub(super) const fn folded(word: &[u8]) -> u64 {
    let (mut folded, mut rest) = (0, word);
    if word.len() > 8 {
        return 0;
    }
    while let [byte, after @ ..] = rest {
        folded = folded << 8 | (*byte | 0x20) as u64; // the bit in which the cases of a letter differ
        rest = after;
    }
    folded
}

pub(super) fn integer<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Result<i64, CommandError> {
    let word = words.next().ok_or(CommandError::Syntax)?;
    digits::parse_i64(word).map_err(|_| CommandError::NotAnInteger)
}

pub(super) fn at_least(least: i64, value: i64, error: CommandError) -> Result<u64, CommandError> {
    if value < least {
        return Err(error);
    }
    u64::try_from(value).map_err(|_| error)
}

pub(super) fn millis(ms: Option<u64>, error: CommandError) -> Result<Millis, CommandError> {
    ms.and_then(Millis::new).ok_or(error)
}

pub(super) fn encode_option(name: &[u8], value: u64, word: &mut impl FnMut(&[u8])) {
    word(name);
    encode_number(value, word);
}

pub(super) fn encode_number(value: u64, word: &mut impl FnMut(&[u8])) {
    word(itoa::Buffer::new().format(value).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_differ_unless_only_the_case_of_letters_does() {
        let keywords: [&[u8]; 4] = [b"PX", b"LIMIT", b"PARTIAL", b"KEYWORDS"];
        for keyword in keywords {
            assert_eq!(folded(&keyword.to_ascii_lowercase()), folded(keyword));
            for place in 0..keyword.len() {
                for byte in 0..=u8::MAX {
                    let mut word = keyword.to_vec();
                    word[place] = byte;
                    let same = word.eq_ignore_ascii_case(keyword);
                    assert_eq!(folded(&word) == folded(keyword), same, "{}", word.escape_ascii());
                }
            }
            for longer in [[b"\0", keyword].concat(), [keyword, b"\0"].concat(), [keyword, keyword].concat()]
            {
                assert_ne!(folded(&longer), folded(keyword), "{}", longer.escape_ascii());
            }
        }
    }
}
