//! The stored state, a plain string that reads well in `GET`:
//!
//! ```text
//! <tat>[+<r>]:<count>/<period_ms>:<burst>     joined by ';', one for each clause
//! 1795640112345678900:100/60000:20
//! ```
//!
//! `tat` is 19 digits of unix ns (19 zeros: idle). `r`, in `1/count` ns, has as many digits as
//! `count` and is left out where `count` divides the period in ns. So a limit has one width for
//! all its states, and the string can be overwritten in place. Every state has exactly one
//! spelling; whatever else a key holds is not ours.

use super::bucket::Bucket;
use super::call::{Buckets, MAX_CLAUSES};
use super::quota::Quota;
use crate::digits;
use crate::time::Millis;

const TAT_WIDTH: usize = 19;

/// The shortest state, `0000000000000000000:1/1:1`. Anything shorter need not be looked at.
pub const MIN_LEN: usize = TAT_WIDTH + ":1/1:1".len();

/// The longest state: eight clauses, each with a `tat` and `+r`, count and burst of 19 digits, a
/// period of 13, three marks between them and a `;` behind all but the last.
pub const MAX_LEN: usize = MAX_CLAUSES * (TAT_WIDTH + 1 + 19 + 3 + 19 + 13 + 19 + 1) - 1;

/// Reads a stored state; `None` for anything that [`encode`] cannot have written.
pub fn decode(bytes: &[u8]) -> Option<Buckets> {
    let mut buckets = Buckets::new();
    decode_into(bytes, &mut buckets).then_some(buckets)
}

/// [`decode`] to where the buckets, none so far, are to stay: moving eight of them costs more than
/// reading one. What is there is of no use if this returns false.
pub fn decode_into(bytes: &[u8], buckets: &mut Buckets) -> bool {
    (MIN_LEN..=MAX_LEN).contains(&bytes.len()) && Scanner { rest: bytes }.buckets(buckets).is_some()
}

/// How many bytes [`encode`] writes.
pub fn encoded_len(buckets: &Buckets) -> usize {
    let clauses: usize = buckets.iter().map(clause_len).sum();
    clauses + buckets.len().saturating_sub(1)
}

/// Writes the state over the whole of `out`, which must be [`encoded_len`] bytes long; what it makes
/// of a shorter one is no state.
pub fn encode(buckets: &Buckets, out: &mut [u8]) {
    let mut pen = Pen { rest: out };
    for (index, bucket) in buckets.iter().enumerate() {
        if index > 0 {
            pen.mark(b';');
        }
        let quota = bucket.quota();
        pen.times(bucket);
        pen.mark(b':');
        pen.number(quota.count());
        pen.mark(b'/');
        pen.number(quota.period_ms());
        pen.mark(b':');
        pen.number(quota.burst());
    }
}

/// Writes only what time changes, over a state that [`encode`] has written for the very same limits.
/// What it makes of any other is no state.
pub fn encode_times(buckets: &Buckets, state: &mut [u8]) {
    let mut pen = Pen { rest: state };
    let mut before: Option<&Bucket> = None;
    for bucket in buckets {
        if let Some(before) = before {
            pen.skip(limit_len(before.quota()) + 1);
        }
        pen.times(bucket);
        before = Some(bucket);
    }
}

fn clause_len(bucket: &Bucket) -> usize {
    let quota = bucket.quota();
    let remainder = if quota.has_remainder() { 1 + digits::width(quota.count()) } else { 0 };
    TAT_WIDTH + remainder + limit_len(quota)
}

/// `:<count>/<period_ms>:<burst>`
fn limit_len(quota: &Quota) -> usize {
    3 + digits::width(quota.count()) + digits::width(quota.period_ms()) + digits::width(quota.burst())
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn buckets(&mut self, buckets: &mut Buckets) -> Option<()> {
        loop {
            buckets.try_push(self.bucket()?).ok()?;
            if self.rest.is_empty() {
                return Some(());
            }
            self.mark(b';')?;
        }
    }

    fn bucket(&mut self) -> Option<Bucket> {
        let tat = self.padded(TAT_WIDTH)?;
        // The remainder's width is that of a count not read yet: keep its place, come back to it.
        let mut remainder = None;
        if self.rest.first() == Some(&b'+') {
            self.mark(b'+')?;
            let width = self.rest.iter().position(|byte| *byte == b':')?;
            remainder = Some((self.padded(width)?, width));
        }
        self.mark(b':')?;
        let count = self.number()?;
        self.mark(b'/')?;
        let period = self.number()?;
        self.mark(b':')?;
        let burst = self.number()?;
        let quota = Quota::new(count, Millis::new(period)?, burst).ok()?;
        let remainder = match (remainder, quota.has_remainder()) {
            (Some((r, width)), true) if width == digits::width(count) => r,
            (None, false) => 0,
            _ => return None,
        };
        Bucket::from_parts(quota, tat, remainder)
    }

    /// A field of fixed width.
    fn padded(&mut self, width: usize) -> Option<u64> {
        let (field, rest) = self.rest.split_at_checked(width)?;
        self.rest = rest;
        digits::parse_padded(field)
    }

    /// A number of canonical digits, up to whatever is no digit.
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = digits::parse_leading(self.rest)?;
        self.rest = rest;
        Some(number)
    }

    fn mark(&mut self, mark: u8) -> Option<()> {
        match self.rest.split_first() {
            Some((&found, rest)) if found == mark => {
                self.rest = rest;
                Some(())
            }
            _ => None,
        }
    }
}

struct Pen<'a> {
    rest: &'a mut [u8],
}

impl Pen<'_> {
    /// `<tat>[+<r>]`
    fn times(&mut self, bucket: &Bucket) {
        let quota = bucket.quota();
        self.digits(bucket.tat_ns(), TAT_WIDTH);
        if quota.has_remainder() {
            self.mark(b'+');
            self.digits(bucket.remainder(), digits::width(quota.count()));
        }
    }

    fn number(&mut self, n: u64) {
        self.digits(n, digits::width(n));
    }

    fn digits(&mut self, n: u64, width: usize) {
        let width = width.min(self.rest.len());
        let (field, rest) = std::mem::take(&mut self.rest).split_at_mut(width);
        digits::write_padded(n, field);
        self.rest = rest;
    }

    fn mark(&mut self, mark: u8) {
        if let Some((place, rest)) = std::mem::take(&mut self.rest).split_first_mut() {
            *place = mark;
            self.rest = rest;
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = std::mem::take(&mut self.rest).get_mut(bytes..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(buckets: &Buckets) -> String {
        let mut out = vec![b'?'; encoded_len(buckets)];
        encode(buckets, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn states_read_as_the_contract_spells_them() {
        for state in [
            "1795640112345678900:100/60000:20",
            "0000000000000000000:1/1:1",
            "1795640112345678900+1:3/1000:3",
            "1795640112345678900+007:300/1000:300;0000000000000000000:1000/3600000:1000",
            "9223372036854775807:1/3155760000000:1",
        ] {
            assert_eq!(text(&decode(state.as_bytes()).expect(state)), state);
        }
    }

    #[test]
    fn anything_else_is_not_ours() {
        for (state, why) in [
            ("", "empty"),
            ("1795640112345678900", "what redis-cell leaves"),
            ("179564011234567890:100/60000:20", "18 digits of tat"),
            ("01795640112345678900:100/60000:20", "20 digits of tat"),
            ("9223372036854775808:100/60000:20", "tat beyond 63 bits"),
            ("179564011234567890a:100/60000:20", "a letter"),
            ("1795640112345678900:0100/60000:20", "a leading zero"),
            ("1795640112345678900:+100/60000:20", "a sign"),
            ("1795640112345678900:0/60000:20", "no tokens"),
            ("1795640112345678900:100/0:20", "no period"),
            ("1795640112345678900:100/60000:0", "no burst"),
            ("1795640112345678900:100/3155760000001:20", "over 100 years"),
            ("1795640112345678900:1/3155760000000:2", "over 100 years to refill"),
            ("1795640112345678900:1000001/1:1", "over one token a ns"),
            ("1795640112345678900+0:100/60000:20", "a remainder where none can be"),
            ("1795640112345678900:3/1000:3", "no remainder where one can be"),
            ("1795640112345678900+3:3/1000:3", "a remainder of a whole ns"),
            ("1795640112345678900+01:3/1000:3", "a remainder too wide"),
            ("1795640112345678900:100/60000:20;", "nothing behind the mark"),
            ("1795640112345678900:100/60000:20 ", "a blank"),
            ("1795640112345678900:100/60000:20\0", "a NUL"),
        ] {
            assert_eq!(decode(state.as_bytes()), None, "{why}: {state}");
        }
        let nine = ["0000000000000000000:1/1:1"; 9].join(";");
        assert_eq!(decode(nine.as_bytes()), None, "nine clauses");
        assert!(decode(&nine.as_bytes()[26..]).is_some(), "eight clauses");
    }

    #[test]
    fn the_length_bounds_are_those_of_real_states() {
        let count = crate::time::MAX_NS; // odd factors below make a remainder of 19 digits necessary
        let longest = Quota::new(count - 1, Millis::new(crate::time::MAX_MS).unwrap(), count - 1).unwrap();
        let buckets: Buckets = [Bucket::idle(longest); MAX_CLAUSES].into_iter().collect();
        assert_eq!(encoded_len(&buckets), MAX_LEN);
        assert_eq!(decode(text(&buckets).as_bytes()), Some(buckets));
        assert_eq!("0000000000000000000:1/1:1".len(), MIN_LEN);
    }
}
