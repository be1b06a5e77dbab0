//! The stored state, a plain string that reads well in `GET`:
//!
//! ```text
//! state  = [place *(";" place)] ["!" until 1*("," since "+" ms)]
//! place  = limit *("|" limit)
//! limit  = ["-"] tat ["+" r] ["~" own] ":" count "/" period_ms ":" burst
//!        | entries ["~" own] ":" count "/" period_ms ":" ("S" | "A" offset_ms)
//! entries = n "@" ms *("," n "+" gap)
//!
//! 1795640112345678900:100/60000:20                     one rate
//! 1@1900000001000,2+300:3/1000:S                       a strict window: 1 token is out, and 2 for 300 ms longer
//! ```
//!
//! `tat` is 19 digits of unix ns (19 zeros: idle). `r`, in `1/count` ns, has as many digits as
//! `count` and is left out where `count` divides the period in ns. `ms`, `own`, `until` and `since` are
//! 13 digits of unix ms; `own` is left out where a limit has its place for itself and nobody else has
//! used more than its own callers. `-` marks a forced debt. An idle window is `0@0`.
//!
//! So a rate alone at its place has one width for all its states, and the string can be overwritten
//! in place. Every state has exactly one spelling; whatever else a key holds is not ours.

use arrayvec::ArrayVec;

use super::bucket::Bucket;
use super::call::MAX_CLAUSES;
use super::hold::{Hold, MAX_MOVES, Move};
use super::meter::{Gauge, Meter};
use super::quota::{Kind, Quota};
use super::state::State;
use super::window::{Entry, MAX_ENTRIES, Window};
use crate::digits;
use crate::time::Millis;

const TAT_WIDTH: usize = 19;
const MS_WIDTH: usize = 13;

/// The shortest state that is ever stored: a strict window alone in its key has a token out. Anything
/// shorter need not be looked at, which would make the server unpack it: every integer is shorter.
pub const MIN_LEN: usize = "1@1900000001000:1/1:S".len();

/// At least as long as the longest state: eight windows of 64 entries, each entry with its number of
/// 19 digits, its time of 13 and two marks, then `own` and the limit; and a hold of eight moves.
pub const MAX_LEN: usize = MAX_CLAUSES * (MAX_ENTRIES * (19 + MS_WIDTH + 2) + (1 + MS_WIDTH) + 64)
    + 1
    + MS_WIDTH
    + MAX_MOVES * (2 + MS_WIDTH + 20);

/// Reads a stored state; `None` for anything that [`encode`] cannot have written.
pub fn decode(bytes: &[u8]) -> Option<State> {
    let mut state = State::new();
    decode_into(bytes, &mut state).then_some(state)
}

/// [`decode`] to where the state, none so far, is to stay: moving eight limits costs more than
/// reading one. What is there is of no use if this returns false.
pub fn decode_into(bytes: &[u8], state: &mut State) -> bool {
    if let Some(bucket) = one_rate(bytes) {
        state.meters.push(Meter::new(Gauge::Bucket(bucket), 0));
        state.stored = 1;
        return true;
    }
    (MIN_LEN..=MAX_LEN).contains(&bytes.len()) && Scanner { rest: bytes }.state(state).is_some()
}

/// Most states by far, `tat:count/period_ms:burst` and no more to it, read without a look at what else
/// could be there. For all others, damaged ones too, `None`.
#[inline(always)]
fn one_rate(bytes: &[u8]) -> Option<Bucket> {
    let (tat, rest) = bytes.split_first_chunk::<TAT_WIDTH>()?;
    let mut scanner = Scanner { rest };
    let (count, period) = scanner.count_and_period()?;
    let burst = digits::parse_u64(scanner.rest)?;
    let quota = Quota::new(count, period, burst).ok()?;
    if quota.has_remainder() {
        return None;
    }
    Bucket::from_parts(quota, digits::parse_fixed(tat)?, 0, false)
}

/// How many bytes [`encode`] writes.
pub fn encoded_len(state: &State) -> usize {
    let limits: usize = state.meters.iter().map(|meter| meter_len(meter) + 1).sum();
    let hold = match state.hold.is_nothing() {
        true => 0,
        false => {
            let moves = state.hold.moves().iter();
            1 + MS_WIDTH + moves.map(|step| 2 + MS_WIDTH + digits::width(step.by_ms)).sum::<usize>()
        }
    };
    limits.saturating_sub(1) + hold
}

/// Writes the state over the whole of `out`, which must be [`encoded_len`] bytes long; what it makes
/// of a shorter one is no state.
pub fn encode(state: &State, out: &mut [u8]) {
    let mut pen = Pen { rest: out };
    let mut before: Option<&Meter> = None;
    for meter in &state.meters {
        if let Some(before) = before {
            pen.mark(if before.place == meter.place { b'|' } else { b';' });
        }
        pen.meter(meter);
        before = Some(meter);
    }
    if !state.hold.is_nothing() {
        pen.mark(b'!');
        pen.digits(state.hold.until_ms(), MS_WIDTH);
        for step in state.hold.moves() {
            pen.mark(b',');
            pen.digits(step.since_ms, MS_WIDTH);
            pen.mark(b'+');
            pen.number(step.by_ms);
        }
    }
}

/// Writes only what time changes, over a state that [`encode`] has written for the very same limits,
/// each a rate with nothing to it but its times. What it makes of any other is no state.
pub fn encode_times(state: &State, stored: &mut [u8]) {
    let mut pen = Pen { rest: stored };
    let mut before: Option<&Quota> = None;
    for meter in &state.meters {
        if let Some(before) = before {
            pen.skip(quota_len(before) + 1);
        }
        if let Gauge::Bucket(bucket) = &meter.gauge {
            pen.times(bucket);
        }
        before = Some(meter.quota());
    }
}

fn meter_len(meter: &Meter) -> usize {
    let times = match &meter.gauge {
        Gauge::Bucket(bucket) => {
            let quota = bucket.quota();
            let remainder = if quota.has_remainder() { 1 + digits::width(quota.count()) } else { 0 };
            usize::from(bucket.is_forced()) + TAT_WIDTH + remainder
        }
        Gauge::Window(window) => {
            let mut before_ms = 0;
            let len = |entry: &Entry| {
                let gap = entry.back_ms - before_ms;
                let time_len = if before_ms == 0 { MS_WIDTH } else { digits::width(gap) };
                before_ms = entry.back_ms;
                digits::width(entry.tokens) + 1 + time_len + 1
            };
            window.entries().iter().map(len).sum::<usize>().max("0@0,".len()) - 1
        }
    };
    times + meter.own_ms.map_or(0, |_| 1 + MS_WIDTH) + quota_len(meter.quota())
}

/// `:<count>/<period_ms>:<burst>`, or what stands there for a window.
fn quota_len(quota: &Quota) -> usize {
    let last = match quota.kind() {
        Kind::Rate => digits::width(quota.burst()),
        Kind::Strict => 1,
        Kind::Align(offset_ms) => 1 + digits::width(offset_ms),
    };
    3 + digits::width(quota.count()) + digits::width(quota.period_ms()) + last
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    #[inline(always)]
    fn state(&mut self, state: &mut State) -> Option<()> {
        let mut place = 0;
        let mut mark = b';';
        if self.rest.first() != Some(&b'!') {
            loop {
                if state.meters.len() == MAX_CLAUSES {
                    return None;
                }
                let shared = mark == b'|';
                let (meter, special) = self.meter(place)?;
                if special || shared {
                    state.is_mixed = true;
                    if state.meters.iter().any(|other| is_twin(other, &meter)) {
                        return None;
                    }
                }
                state.meters.push(meter);
                let Some((&next, rest)) = self.rest.split_first() else { break };
                if next == b'!' {
                    break;
                }
                self.rest = rest;
                mark = next;
                match next {
                    b';' => place += 1,
                    b'|' => {}
                    _ => return None,
                }
            }
        }
        state.stored = state.meters.len() as u8;
        if !self.rest.is_empty() {
            self.mark(b'!')?;
            state.hold = self.hold()?;
            state.is_mixed = true;
        }
        (!state.is_mixed || has_own_times_where_they_belong(state)).then_some(())
    }

    /// A limit, and whether there is more to it than the times of one set of callers.
    #[inline(always)]
    fn meter(&mut self, place: u8) -> Option<(Meter, bool)> {
        let forced = self.rest.first() == Some(&b'-');
        if forced {
            self.mark(b'-')?;
        }
        match self.rest.split_at_checked(TAT_WIDTH) {
            Some((tat, after)) if after.first() != Some(&b'@') => match digits::parse_padded(tat) {
                Some(tat) => {
                    self.rest = after;
                    self.bucket(place, tat, forced)
                }
                None if forced => None,
                None => self.window(place),
            },
            _ if forced => None,
            _ => self.window(place),
        }
    }

    /// What follows the tat.
    #[inline(always)]
    fn bucket(&mut self, place: u8, tat: u64, forced: bool) -> Option<(Meter, bool)> {
        // The remainder's width is that of a count not read yet: keep its place, come back to it.
        let mut remainder = None;
        if self.rest.first() == Some(&b'+') {
            self.mark(b'+')?;
            let width = self.rest.iter().position(|byte| !byte.is_ascii_digit())?;
            remainder = Some((self.padded(width)?, width));
        }
        let own_ms = self.own()?;
        let (count, period) = self.count_and_period()?;
        let burst = self.number()?;
        let quota = Quota::new(count, period, burst).ok()?;
        let remainder = match (remainder, quota.has_remainder()) {
            (Some((r, width)), true) if width == digits::width(count) => r,
            (None, false) => 0,
            _ => return None,
        };
        let bucket = Bucket::from_parts(quota, tat, remainder, forced)?;
        let special = forced || own_ms.is_some();
        Some((Meter { own_ms, ..Meter::new(Gauge::Bucket(bucket), place) }, special))
    }

    #[inline(never)]
    fn window(&mut self, place: u8) -> Option<(Meter, bool)> {
        // The limit stands behind the entries: read over them, come back to them.
        let mut entries = Scanner { rest: self.rest };
        let end = self.rest.iter().position(|byte| matches!(byte, b'~' | b':'))?;
        entries.rest = entries.rest.get(..end)?;
        self.rest = self.rest.get(end..)?;
        let own_ms = self.own()?;
        let (count, period) = self.count_and_period()?;
        let quota = match self.rest.split_first()? {
            (b'S', rest) => {
                self.rest = rest;
                Quota::strict(count, period).ok()?
            }
            (b'A', rest) => {
                self.rest = rest;
                Quota::aligned_at_ms(count, period, self.number()?)?
            }
            _ => return None,
        };
        let mut window = Window::idle(quota);
        if entries.rest != b"0@0" {
            let tokens = entries.number()?;
            entries.mark(b'@')?;
            let mut back_ms = entries.padded(MS_WIDTH)?;
            let mut out = window.push(Entry { tokens, back_ms }, 0)?;
            while !entries.rest.is_empty() {
                entries.mark(b',')?;
                let tokens = entries.number()?;
                entries.mark(b'+')?;
                back_ms = back_ms.checked_add(entries.number()?)?;
                out = window.push(Entry { tokens, back_ms }, out)?;
            }
        }
        Some((Meter { own_ms, ..Meter::new(Gauge::Window(window), place) }, own_ms.is_some()))
    }

    /// `["~" own]`
    #[inline(always)]
    fn own(&mut self) -> Option<Option<u64>> {
        if self.rest.first() != Some(&b'~') {
            return Some(None);
        }
        self.mark(b'~')?;
        self.padded(MS_WIDTH).map(Some)
    }

    /// `":" count "/" period_ms ":"`
    #[inline(always)]
    fn count_and_period(&mut self) -> Option<(u64, Millis)> {
        self.mark(b':')?;
        let count = self.number()?;
        self.mark(b'/')?;
        let period = self.number()?;
        self.mark(b':')?;
        Some((count, Millis::new(period)?))
    }

    #[cold]
    fn hold(&mut self) -> Option<Hold> {
        let until_ms = self.padded(MS_WIDTH)?;
        let mut moves = ArrayVec::new();
        while !self.rest.is_empty() {
            self.mark(b',')?;
            let since_ms = self.padded(MS_WIDTH)?;
            self.mark(b'+')?;
            moves.try_push(Move { since_ms, by_ms: self.number()? }).ok()?;
        }
        Hold::from_parts(until_ms, moves)
    }

    /// A field of fixed width.
    #[inline(always)]
    fn padded(&mut self, width: usize) -> Option<u64> {
        let (field, rest) = self.rest.split_at_checked(width)?;
        self.rest = rest;
        digits::parse_padded(field)
    }

    /// A number of canonical digits, up to whatever is no digit.
    #[inline(always)]
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = digits::parse_leading(self.rest)?;
        self.rest = rest;
        Some(number)
    }

    #[inline(always)]
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

/// Whether both are the same limit at the same place.
fn is_twin(one: &Meter, other: &Meter) -> bool {
    one.place == other.place && one.quota() == other.quota()
}

/// Among several each has its own time; alone only if others have used more.
fn has_own_times_where_they_belong(state: &State) -> bool {
    state.meters.iter().all(|meter| match (meter.own_ms, state.count_at(meter.place)) {
        (None, 1) => true,
        (Some(own_ms), 1) => own_ms < meter.end_ms(),
        (own_ms, _) => own_ms.is_some(),
    })
}

struct Pen<'a> {
    rest: &'a mut [u8],
}

impl Pen<'_> {
    fn meter(&mut self, meter: &Meter) {
        match &meter.gauge {
            Gauge::Bucket(bucket) => {
                if bucket.is_forced() {
                    self.mark(b'-');
                }
                self.times(bucket);
            }
            Gauge::Window(window) => self.entries(window),
        }
        if let Some(own_ms) = meter.own_ms {
            self.mark(b'~');
            self.digits(own_ms, MS_WIDTH);
        }
        let quota = meter.quota();
        self.mark(b':');
        self.number(quota.count());
        self.mark(b'/');
        self.number(quota.period_ms());
        self.mark(b':');
        match quota.kind() {
            Kind::Rate => self.number(quota.burst()),
            Kind::Strict => self.mark(b'S'),
            Kind::Align(offset_ms) => {
                self.mark(b'A');
                self.number(offset_ms);
            }
        }
    }

    /// `<tat>[+<r>]`
    fn times(&mut self, bucket: &Bucket) {
        let quota = bucket.quota();
        if let Some((tat, rest)) = std::mem::take(&mut self.rest).split_first_chunk_mut::<TAT_WIDTH>() {
            digits::write_fixed(bucket.tat_ns(), tat);
            self.rest = rest;
        }
        if quota.has_remainder() {
            self.mark(b'+');
            self.digits(bucket.remainder(), digits::width(quota.count()));
        }
    }

    fn entries(&mut self, window: &Window) {
        let mut before_ms = None;
        for entry in window.entries() {
            match before_ms {
                None => {
                    self.number(entry.tokens);
                    self.mark(b'@');
                    self.digits(entry.back_ms, MS_WIDTH);
                }
                Some(before_ms) => {
                    self.mark(b',');
                    self.number(entry.tokens);
                    self.mark(b'+');
                    self.number(entry.back_ms - before_ms);
                }
            }
            before_ms = Some(entry.back_ms);
        }
        if before_ms.is_none() {
            self.number(0);
            self.mark(b'@');
            self.number(0);
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

    fn text(state: &State) -> String {
        let mut out = vec![b'?'; encoded_len(state)];
        encode(state, &mut out);
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
            "-1900000600000000000:100000/60000:100000",
            "1900000020000000000~1900000010000:10/10000:10|1900000001110000000~1900000001110:1000/10000:1000",
            "1900000002000000000:60/60000:60;1900000002333333333+30000~1900000002334:90000/60000:90000\
             |1900000000933333333+060000~1900000000767:180000/60000:180000",
            "1900000003500000000~1900000003000:20/10000:20",
            "0@0:5/1000:S;1795640112345678900:100/60000:20",
            "1@1900000001000,2+300:3/1000:S",
            "1@0000000060001:1/1:S",
            "3@1900022400000:3/86400000:A0;2@1900022400000:3/86400000:A54000000",
            "1@1900000011000,2+1000,2+4000~1900000010000:5/10000:S|0000000000000000000~1900000007000:5/10000:5",
            "3000000000000000000@1900000001000:3000000000000000000/3155760000000:S",
            "1000000000000000000@1900000001000:1000000000000000000/3155760000000:S",
            "!1900000600000,1900000000000+600000",
            "1900000003600000000:10/1000:1!1900000003060,1900000000050+2000,1900000002060+1000",
        ] {
            let decoded = decode(state.as_bytes());
            assert_eq!(decoded.as_ref().map(text).as_deref(), Some(state));
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
            ("1795640112345678900:100/60000:20|", "nothing behind the other mark"),
            ("1795640112345678900:100/60000:20!", "no hold behind its mark"),
            ("1795640112345678900:100/60000:20 ", "a blank"),
            ("1795640112345678900:100/60000:20\0", "a NUL"),
            ("--1795640112345678900:100/60000:20", "two marks of debt"),
            ("-0000000000000000000:100/60000:20", "a mark of debt and no debt"),
            ("1795640112345678900~1795640112346:100/60000:20", "an own time that says nothing"),
            ("1795640112345678900~179564011234:100/60000:20", "12 digits of own time"),
            (
                "1795640112345678900:100/60000:20|1795640112345678900:100/60000:21",
                "several, and no own times",
            ),
            (
                "1795640112345678900~1795640112346:100/60000:20|1795640112345678900~1795640112346:100/60000:20",
                "a limit twice at a place",
            ),
            ("1795640112345678900:100/60000:S", "a rate by windows"),
            ("1@1900000001000:3/1000:3", "a window by rate"),
            ("-1@1900000001000:3/1000:S", "a window in forced debt"),
            ("4@1900000001000:3/1000:S", "more tokens out than there are"),
            ("0@1900000001000:3/1000:S", "an entry of none"),
            ("1@900000001000,1+5000000000000:3/1000:S", "12 digits of time"),
            ("1@1900000001000,1+0:3/1000:S", "a time twice"),
            ("1@1900000001000,:3/1000:S", "half an entry"),
            ("01@1900000001000:3/1000:S", "a leading zero in an entry"),
            ("1@9223372036856:3/1000:S", "a time beyond all times"),
            ("1@1900000001000:3/1000:S1", "something behind the S"),
            ("1@1900000001000:3/1000:A1000", "an offset of a whole period"),
            ("1@1900000001000:3/1000:A", "no offset"),
            ("1@1900000001000:3/1000:A00", "an offset with a leading zero"),
            ("!0000000000000", "a hold until nothing"),
            ("!190000060000,1900000000000+600000", "12 digits of hold"),
            ("1795640112345678900:100/60000:20!1900000600000", "a hold that nobody set"),
            ("!1900000600000,1900000000000+0", "a move by nothing"),
            ("!1900000600000,1900000000001+1,1900000000000+1", "moves out of order"),
            ("!1900000600000,1900000000000+1;", "something behind the hold"),
        ] {
            assert_eq!(decode(state.as_bytes()), None, "{why}: {state}");
        }
        let nine = ["0000000000000000000:1/1:1"; 9].join(";");
        assert_eq!(decode(nine.as_bytes()), None, "nine limits");
        assert!(decode(&nine.as_bytes()[26..]).is_some(), "eight limits");
        let moves = |n: usize| format!("!1900000600000{}", ",1900000000000+1".repeat(n));
        assert!(decode(moves(8).as_bytes()).is_some(), "eight moves");
        assert_eq!(decode(moves(9).as_bytes()), None, "nine moves");
        let entries = |n: usize| format!("1@1900000001000{}:99/1000:S", ",1+1".repeat(n - 1));
        assert!(decode(entries(64).as_bytes()).is_some(), "64 entries");
        assert_eq!(decode(entries(65).as_bytes()), None, "65 entries");
    }

    #[test]
    fn the_length_bounds_hold_every_state() {
        let count = crate::time::MAX_NS; // odd factors below make a remainder of 19 digits necessary
        let longest = Quota::new(count - 1, Millis::new(crate::time::MAX_MS).unwrap(), count - 1).unwrap();
        let mut state = State::new();
        for place in 0..MAX_CLAUSES as u8 {
            state.meters.push(Meter::idle(longest, place));
        }
        assert!(encoded_len(&state) <= MAX_LEN);
        assert_eq!(decode(text(&state).as_bytes()).map(|state| text(&state)), Some(text(&state)));
        let entries = ["1152921504606846976,9999999999999+"; 64].join("");
        let limit = format!("{entries}~1900000010000:9223372036854775807/3155760000000:A3155759999999;");
        let hold = format!("!1900000600000{}", ",1900000000000+18446744073709551615".repeat(8));
        assert!(limit.len() * 8 + hold.len() <= MAX_LEN);
        assert!(i64::MIN.to_string().len() < MIN_LEN);
    }
}
