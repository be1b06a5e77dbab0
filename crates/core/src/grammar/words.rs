//! How single words are read and written: keywords by one comparison, numbers within their bounds.

use super::error::CommandError;
use super::keyword::Keyword;
use crate::digits;
use crate::time::Millis;

#[inline(always)]
pub(super) fn integer<'a>(
    keyword: Keyword,
    words: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<i64, CommandError> {
    let word = words.next().ok_or(CommandError::ValueMissing(keyword))?;
    digits::parse_i64(word).map_err(|_| CommandError::NotAnInteger(keyword))
}

#[inline(always)]
pub(super) fn at_least(least: i64, value: i64, error: CommandError) -> Result<u64, CommandError> {
    if value < least {
        return Err(error);
    }
    u64::try_from(value).map_err(|_| error)
}

/// A time behind `EX` or `PX`, at least 1.
#[inline(always)]
pub(super) fn time<'a>(
    keyword: Keyword,
    words: &mut impl Iterator<Item = &'a [u8]>,
) -> Result<Millis, CommandError> {
    let time = at_least(1, integer(keyword, words)?, CommandError::Time)?;
    let ms = if keyword == Keyword::Ex { time.checked_mul(1_000) } else { Some(time) };
    millis(ms, CommandError::Time)
}

#[inline(always)]
pub(super) fn millis(ms: Option<u64>, error: CommandError) -> Result<Millis, CommandError> {
    ms.and_then(Millis::new).ok_or(error)
}

pub(super) fn encode_option(name: Keyword, value: u64, word: &mut impl FnMut(&[u8])) {
    encode_keyword(name, word);
    encode_number(value, word);
}

pub(super) fn encode_keyword(name: Keyword, word: &mut impl FnMut(&[u8])) {
    word(name.as_str().as_bytes());
}

pub(super) fn encode_number(value: u64, word: &mut impl FnMut(&[u8])) {
    word(itoa::Buffer::new().format(value).as_bytes());
}
