//! Decimal integers, as the wire and the stored state spell them: canonical digits only. No sign
//! `+`, no blanks, no leading zeros, so that a number has exactly one spelling.

/// Why some bytes are not the integer that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnInteger;

/// Parses a signed 64-bit integer the way the servers do: `-` or nothing, then canonical digits.
/// `-0`, `+1`, `01`, blanks and anything beyond 64 bits are refused.
#[inline(always)]
pub fn parse_i64(bytes: &[u8]) -> Result<i64, NotAnInteger> {
    match parse_u64(bytes).map(i64::try_from) {
        Some(Ok(n)) => Ok(n),
        _ => parse_negative(bytes),
    }
}

#[cold]
fn parse_negative(bytes: &[u8]) -> Result<i64, NotAnInteger> {
    match bytes.strip_prefix(b"-").and_then(parse_u64) {
        Some(magnitude @ 1..=0x8000_0000_0000_0000) => Ok((magnitude as i64).wrapping_neg()),
        _ => Err(NotAnInteger),
    }
}

/// Parses canonical digits into a `u64`; `None` for anything else.
#[inline(always)]
pub fn parse_u64(bytes: &[u8]) -> Option<u64> {
    match parse_leading(bytes)? {
        (n, []) => Some(n),
        _ => None,
    }
}

/// Parses the canonical digits that `bytes` start with, and returns what follows them; `None` if
/// there are none, if there is a needless zero in front, or beyond 64 bits.
#[inline(always)]
pub fn parse_leading(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut rest = bytes;
    let mut n: u64 = 0;
    while let [byte, after @ ..] = rest
        && let digit @ 0..=9 = byte.wrapping_sub(b'0')
    {
        n = n.wrapping_mul(10).wrapping_add(u64::from(digit));
        rest = after;
    }
    let (digits, rest) = bytes.split_at_checked(bytes.len() - rest.len())?;
    match digits {
        [] | [b'0', _, ..] => None,
        _ if digits.len() < MAX_WIDTH => Some((n, rest)), // so few cannot have wrapped
        _ => Some((parse_many(digits)?, rest)),
    }
}

#[cold]
fn parse_many(digits: &[u8]) -> Option<u64> {
    parse_padded(digits)
}

/// Parses digits that may start with zeros (a fixed-width field); `None` if empty, if any byte is
/// no digit, or beyond 64 bits.
pub fn parse_padded(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let mut rest = bytes;
    let mut n: u64 = 0;
    while let Some((eight, after)) = rest.split_first_chunk() {
        n = n.checked_mul(100_000_000)?.checked_add(parse_eight(*eight)?)?;
        rest = after;
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(n)
}

/// [`parse_padded`] for a width that is known beforehand and below 20, which cannot overflow.
#[inline(always)]
pub fn parse_fixed<const WIDTH: usize>(bytes: &[u8; WIDTH]) -> Option<u64> {
    const { assert!(WIDTH > 0 && WIDTH < MAX_WIDTH) };
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut n: u64 = 0;
    for eight in eights {
        n = n.wrapping_mul(100_000_000).wrapping_add(parse_eight(*eight)?);
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(n)
}

/// Eight digits at once, as lanes of one register: neighbours are joined to pairs, pairs to fours,
/// fours to the whole.
#[inline(always)]
fn parse_eight(digits: [u8; 8]) -> Option<u64> {
    let ascii = u64::from_le_bytes(digits); // the first digit in the lowest byte
    // The upper half of each byte is a 3, and still is when 6 is added: 0x30 to 0x39.
    let high = |bytes: u64| bytes & 0xF0F0_F0F0_F0F0_F0F0;
    if high(ascii) != 0x3030_3030_3030_3030 || high(ascii.wrapping_add(0x0606_0606_0606_0606)) != high(ascii)
    {
        return None;
    }
    let ones = ascii & 0x0F0F_0F0F_0F0F_0F0F;
    let twos = (ones * 10 + (ones >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_FFFF_0000_FFFF;
    Some((fours * 10_000 + (fours >> 32)) & 0xFFFF_FFFF)
}

/// The most digits that a `u64` has.
const MAX_WIDTH: usize = 20;

/// How many digits `n` has; 1 for 0.
#[inline]
pub fn width(n: u64) -> usize {
    if n < 10 {
        return 1; // most tokens of most entries
    }
    n.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Writes `n` right-aligned over the whole of `out`, with zeros in front. Digits that do not fit
/// are cut off at the left: callers size `out` by [`width`] or more.
#[inline]
pub fn write_padded(mut n: u64, out: &mut [u8]) {
    let mut eights = out.rchunks_exact_mut(8);
    for eight in &mut eights {
        eight.copy_from_slice(&eight_digits(n % 100_000_000));
        n /= 100_000_000;
    }
    for byte in eights.into_remainder().iter_mut().rev() {
        *byte = b'0' + (n % 10) as u8;
        n /= 10;
    }
}

/// [`write_padded`] for a width that is known beforehand.
#[inline(always)]
pub fn write_fixed<const WIDTH: usize>(n: u64, out: &mut [u8; WIDTH]) {
    write_padded(n, out);
}

/// The eight digits of a number below 10^8, the way back of [`parse_eight`]: each lane is split into
/// its upper and its lower half. Multiplied and shifted, as the lanes have no division; exact for
/// what a lane can hold.
#[inline(always)]
fn eight_digits(n: u64) -> [u8; 8] {
    let split = |lanes: u64, upper: u64, unit: u64, bits: u32| upper | ((lanes - upper * unit) << bits);
    let fours = split(n, n / 10_000, 10_000, 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F; // x / 100 below 10^4
    let twos = split(fours, hundreds, 100, 16);
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F; // x / 10 below 100
    let ones = split(twos, tens, 10, 8);
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
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

    #[test]
    fn eight_digits_at_once_are_those_one_by_one() {
        for n in (0..100_000_000u64).step_by(9_973).chain(99_990_000..100_000_000).chain(0..10_000) {
            let digits = eight_digits(n);
            assert_eq!(digits.as_slice(), format!("{n:08}").as_bytes());
            assert_eq!(parse_eight(digits), Some(n));
        }
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                let mut digits = *b"12345678";
                digits[place] = byte;
                assert_eq!(parse_eight(digits).is_some(), byte.is_ascii_digit(), "{byte} at {place}");
            }
        }
    }
}
