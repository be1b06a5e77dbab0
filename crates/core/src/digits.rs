//! Decimal integers, as the wire and the stored state spell them: canonical digits only. No sign
//! `+`, no blanks, no leading zeros, so that a number has exactly one spelling.

/// Why some bytes are not the integer that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnInteger;

/// Parses a signed 64-bit integer the way the servers do: `-` or nothing, then canonical digits.
/// `-0`, `+1`, `01`, blanks and anything beyond 64 bits are refused.
pub fn parse_i64(bytes: &[u8]) -> Result<i64, NotAnInteger> {
    match bytes.split_first() {
        Some((b'-', rest)) => match parse_u64(rest) {
            Some(magnitude @ 1..=0x8000_0000_0000_0000) => Ok((magnitude as i64).wrapping_neg()),
            _ => Err(NotAnInteger),
        },
        _ => match parse_u64(bytes) {
            Some(n) => i64::try_from(n).map_err(|_| NotAnInteger),
            None => Err(NotAnInteger),
        },
    }
}

/// Parses canonical digits into a `u64`; `None` for anything else.
pub fn parse_u64(bytes: &[u8]) -> Option<u64> {
    match parse_leading(bytes)? {
        (n, []) => Some(n),
        _ => None,
    }
}

/// Parses the canonical digits that `bytes` start with, and returns what follows them; `None` if
/// there are none, if there is a needless zero in front, or beyond 64 bits.
pub fn parse_leading(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = bytes;
    let mut n: u64 = 0;
    while let [byte @ b'0'..=b'9', after @ ..] = rest {
        n = n.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        rest = after;
    }
    match bytes {
        [b'0', b'0'..=b'9', ..] => None,
        _ if rest.len() == bytes.len() => None,
        _ => Some((n, rest)),
    }
}

/// Parses digits that may start with zeros (a fixed-width field); `None` if empty, if any byte is
/// no digit, or beyond 64 bits.
pub fn parse_padded(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let mut n: u64 = 0;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(n)
}

/// How many digits `n` has; 1 for 0.
pub fn width(n: u64) -> usize {
    n.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Writes `n` right-aligned over the whole of `out`, with zeros in front. Digits that do not fit
/// are cut off at the left: callers size `out` by [`width`] or more.
pub fn write_padded(mut n: u64, out: &mut [u8]) {
    for byte in out.iter_mut().rev() {
        *byte = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_takes_canonical_integers_only() {
        for (text, value) in [
            ("0", 0),
            ("7", 7),
            ("-1", -1),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Ok(value), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "-01",
            " 1",
            "1 ",
            "1.5",
            "1e3",
            "0x1",
            "abc",
            "\0",
            "1\0",
            "--1",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999999",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), Err(NotAnInteger), "{text:?}");
        }
    }

    #[test]
    fn padded_fields_keep_their_width() {
        let mut out = [0; 5];
        write_padded(42, &mut out);
        assert_eq!(&out, b"00042");
        assert_eq!(parse_padded(&out), Some(42));
        assert_eq!(parse_padded(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_padded(b"18446744073709551616"), None);
        assert_eq!(parse_padded(b""), None);
        for (n, digits) in [(0, 1), (9, 1), (10, 2), (u64::MAX, 20)] {
            assert_eq!(width(n), digits);
        }
    }
}
