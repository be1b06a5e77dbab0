//! The words of `RATELIMIT.TOP`: `[n | RESET]`.

use super::error::CommandError;
use super::keyword::Keyword;
use crate::digits;
use crate::top::MAX_SHOWN;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// At most so many keys.
    Show(usize),
    /// To forget all of them.
    Reset,
}

/// How many keys are shown to whoever says no number.
pub const USUAL: usize = 10;

/// Parses what follows the name.
///
/// # Errors
/// [`CommandError::NoInteger`], [`CommandError::Shown`] for a number that is not 1 to [`MAX_SHOWN`],
/// [`CommandError::Syntax`] for more words.
pub fn parse<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Ask, CommandError> {
    let Some(word) = words.next() else { return Ok(Ask::Show(USUAL)) };
    if words.next().is_some() {
        return Err(CommandError::Syntax);
    }
    if Keyword::of(word) == Some(Keyword::Reset) {
        return Ok(Ask::Reset);
    }
    let number = digits::parse_i64(word).map_err(|_| CommandError::NoInteger)?;
    match usize::try_from(number) {
        Ok(number @ 1..=MAX_SHOWN) => Ok(Ask::Show(number)),
        _ => Err(CommandError::Shown),
    }
}

/// Calls `word` with each word that [`parse`] reads back as `ask`.
pub fn encode(ask: Ask, mut word: impl FnMut(&[u8])) {
    match ask {
        Ask::Show(number) => word(itoa::Buffer::new().format(number).as_bytes()),
        Ask::Reset => word(Keyword::Reset.as_str().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_a_word_or_nothing() {
        let read = |text: &str| parse(text.split_whitespace().map(str::as_bytes));
        assert_eq!(read(""), Ok(Ask::Show(10)));
        assert_eq!(read("1"), Ok(Ask::Show(1)));
        assert_eq!(read("512"), Ok(Ask::Show(512)));
        assert_eq!(read("reset"), Ok(Ask::Reset));
        for (text, error) in [
            ("0", CommandError::Shown),
            ("-1", CommandError::Shown),
            ("513", CommandError::Shown),
            ("9223372036854775807", CommandError::Shown),
            ("9223372036854775808", CommandError::NoInteger),
            ("ten", CommandError::NoInteger),
            ("+1", CommandError::NoInteger),
            ("1 1", CommandError::Syntax),
            ("RESET RESET", CommandError::Syntax),
        ] {
            assert_eq!(read(text), Err(error), "{text}");
        }
    }
}
