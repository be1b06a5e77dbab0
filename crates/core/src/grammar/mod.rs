//! The words behind the key, parsed by the module and encoded by the client, so that the two
//! cannot drift apart.

pub mod lock;
pub mod ratelimit;

use crate::digits;
use crate::quota::QuotaError;
use crate::time::Millis;

/// What is wrong with the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrammarError {
    /// An unknown word, a word twice, a value missing, or no `LIMIT` at all.
    Syntax,
    /// Not a canonical 64-bit integer.
    NotAnInteger,
    /// `EX` or `PX` is 0, negative, or beyond 100 years.
    Time,
    /// The count of a `LIMIT` is not 1 or more.
    Count,
    /// `BURST` is not 1 or more.
    Burst,
    /// `COST` is negative.
    Cost,
    /// `MAXWAIT` is negative or beyond 100 years.
    MaxWait,
    /// `DUE` is negative or beyond 100 years.
    Due,
    /// More than one token a nanosecond.
    TooFast,
    /// A full bucket would take more than 100 years to refill.
    TooSlow,
    /// More than [`MAX_CLAUSES`](crate::gcra::MAX_CLAUSES) clauses.
    TooManyClauses,
    /// No clause has a cost above 0.
    NoCost,
    /// `PARTIAL` with different costs.
    UnequalCosts,
    /// The owner of a lock is empty or longer than [`MAX_OWNER_LEN`](crate::lock::MAX_OWNER_LEN).
    Owner,
    /// `HOLDERS` is not 1 to [`MAX_HOLDERS`](crate::lock::MAX_HOLDERS).
    Holders,
    /// `BLOCK` is negative or beyond 100 years.
    Block,
}

/// A word of up to eight letters in one number, upper and lower case alike: as fast to tell from
/// others as a number is. Longer words are 0, and so is the empty one; no other two are equal that
/// differ in more than case, if one of them is all letters.
const fn folded(word: &[u8]) -> u64 {
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

fn integer<'a>(words: &mut impl Iterator<Item = &'a [u8]>) -> Result<i64, GrammarError> {
    let word = words.next().ok_or(GrammarError::Syntax)?;
    digits::parse_i64(word).map_err(|_| GrammarError::NotAnInteger)
}

fn at_least(least: i64, value: i64, error: GrammarError) -> Result<u64, GrammarError> {
    if value < least {
        return Err(error);
    }
    u64::try_from(value).map_err(|_| error)
}

fn millis(ms: Option<u64>, error: GrammarError) -> Result<Millis, GrammarError> {
    ms.and_then(Millis::new).ok_or(error)
}

fn encode_option(name: &[u8], value: u64, word: &mut impl FnMut(&[u8])) {
    word(name);
    encode_number(value, word);
}

fn encode_number(value: u64, word: &mut impl FnMut(&[u8])) {
    word(itoa::Buffer::new().format(value).as_bytes());
}

impl From<QuotaError> for GrammarError {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::Count => Self::Count,
            QuotaError::Period => Self::Time,
            QuotaError::Burst => Self::Burst,
            QuotaError::TooFast => Self::TooFast,
            QuotaError::TooSlow => Self::TooSlow,
        }
    }
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
