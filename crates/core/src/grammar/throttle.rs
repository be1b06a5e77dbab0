//! The words of `CL.THROTTLE`: `key max_burst count period [quantity]`.

use super::error::CommandError;
use crate::throttle::Call;

/// Parses what follows the key. Integers may have a `+` and zeros in front, as redis-cell takes them.
///
/// # Errors
/// [`CommandError::CellUsage`] for fewer or more words, [`CommandError::CellInteger`] for what is no 64-bit integer.
pub fn parse<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Call, CommandError> {
    let mut given = [b"".as_slice(), b"", b"", b"1"];
    let mut count = 0;
    for place in &mut given {
        let Some(word) = words.next() else { break };
        *place = word;
        count += 1;
    }
    if count < 3 || words.next().is_some() {
        return Err(CommandError::CellUsage);
    }
    let [max_burst, tokens, period, quantity] = given;
    Ok(Call {
        max_burst: integer(max_burst)?,
        count: integer(tokens)?,
        period_s: integer(period)?,
        quantity: integer(quantity)?,
    })
}

fn integer(word: &[u8]) -> Result<i64, CommandError> {
    let text = std::str::from_utf8(word).map_err(|_| CommandError::CellInteger)?;
    text.parse().map_err(|_| CommandError::CellInteger)
}

/// Calls `word` with each word that [`parse`] reads back as `call`.
pub fn encode(call: &Call, mut word: impl FnMut(&[u8])) {
    for number in [call.max_burst, call.count, call.period_s, call.quantity] {
        word(itoa::Buffer::new().format(number).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Call, CommandError> {
        parse(text.split(' ').filter(|word| !word.is_empty()).map(str::as_bytes))
    }

    #[test]
    fn integers_are_read_as_redis_cell_reads_them() {
        let call = Call { max_burst: 15, count: -30, period_s: 60, quantity: 1 };
        assert_eq!(read("15 -30 60"), Ok(call));
        assert_eq!(read("+15 -030 0060 1"), Ok(call));
        assert_eq!(read("0 -0 9223372036854775807 -9223372036854775808").map(|call| call.count), Ok(0));
        for text in
            ["a 1 1", "1 1.5 1", "1 1 9223372036854775808", "1 1 1 +", "1 1 1 1e3", "\u{661} 1 1", "1 -- 1"]
        {
            assert_eq!(read(text), Err(CommandError::CellInteger), "{text}");
        }
        assert_eq!(parse([b"1".as_slice(), b"1", b"\xff"].into_iter()), Err(CommandError::CellInteger));
        for text in ["", "1", "1 1", "1 1 1 1 1", "a b c d e"] {
            assert_eq!(read(text), Err(CommandError::CellUsage), "{text}");
        }
    }
}
