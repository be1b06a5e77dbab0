//! What RESTORE is given: payloads of this server that were damaged, with a checksum that is right all the same.

use std::time::{SystemTime, UNIX_EPOCH};

use sluice_core::lock::FOREIGN_LEAD;
use sluice_testing::{Client, Reply};

use crate::chance::Chance;
use crate::words::{Words, key, owner};

#[path = "../../../tests/servers/lock/payload.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod payload;

use payload::{HEADER, Payload};

/// Payloads of strings and locks. Others are not damaged: the servers' own types do not bear it.
pub(crate) struct Payloads {
    lock: Payload,
    strings: Vec<Payload>,
}

const STATES: &[&str] = &[
    "1800000000600001000:100/60000:20",
    "1800000000333334333+1:3/1000:3;1800000000200001000:10/2000:10",
    "1800000009000000000~1800000008000:10/10000:10|1800000004500000000~1800000004500:20/10000:20",
    "-1800000110000000000:10/10000:10",
    "1@1800000001000,2+300,3+1:30/1000:S",
    "3@1800025200000:3/86400000:A54000000;0@0:2/1000:S;1800000001800001000:5/9000:5",
    "1800000002500000000:10/1000:1!1800000002050,1799999990050+1000,1800000000050+2000",
];

const BYTES: &[u8] = b"0123456789+-~:/;|!@,SA \0\xff";

/// At the bounds of what is stored, and beyond.
const NUMBERS: &[u64] =
    &[0, 1, 1_795_640_112_345, 4_000_000_000_000, (1 << 53) - 1, 1 << 53, i64::MAX as u64, u64::MAX];

impl Payloads {
    /// Takes what this server dumps as the pattern, and leaves nothing behind.
    pub(crate) fn of(client: &mut Client) -> Self {
        let mut dump = |set: &[&str]| {
            assert!(!matches!(client.call(set), Reply::Error(_)), "{set:?}");
            let payload = Payload::parse(client.ask("DUMP {k}pattern").bytes());
            client.ask("DEL {k}pattern");
            payload
        };
        let lock = dump(&["LOCK.TRY", "{k}pattern", "owner", "PX", "60000", "HOLDERS", "3"]);
        let strings = STATES.iter().map(|state| dump(&["SET", "{k}pattern", state])).collect();
        Self { lock, strings }
    }

    /// A RESTORE of something.
    pub(crate) fn restore(&self, chance: &mut Chance) -> Words {
        let payload = match chance.below(8) {
            0..4 => self.made_up(chance),
            4 | 5 => self.damaged(&self.lock, HEADER, chance),
            6 => self.damaged(&self.strings[chance.below(self.strings.len())], 1, chance),
            _ => {
                let mut payload = self.made_up(chance);
                payload.truncate(chance.below(payload.len()));
                payload
            }
        };
        let ttl = chance.pick(&["0", "0", "1", "50", "60000", "9999999999999"]);
        let mut words = vec![b"RESTORE".to_vec(), key(chance), ttl.into(), payload, b"REPLACE".to_vec()];
        if chance.one_in(6) {
            words.push(b"ABSTTL".to_vec());
        }
        words
    }

    /// A lock of fields in range or not.
    fn made_up(&self, chance: &mut Chance) -> Vec<u8> {
        let holders: Vec<_> = (0..chance.pick(&[1, 1, 1, 2, 3, 0])).map(|_| owner(chance)).collect();
        let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        let mut number = || match chance.below(5) {
            0 => chance.pick(NUMBERS),
            // About the highest fence that is believed of a client.
            1 => now_us + FOREIGN_LEAD - 2_000_000 + chance.below(4_000_000) as u64,
            2 => chance.number() >> chance.below(64),
            _ => 1_800_000_000_000 + chance.below(1_000_000_000) as u64,
        };
        let holders: Vec<_> =
            holders.iter().map(|owner| (owner.as_slice(), number(), number(), number())).collect();
        let count = if number() == 0 { number() } else { holders.len() as u64 };
        self.lock.lock(count, &holders)
    }

    fn damaged(&self, payload: &Payload, kept: usize, chance: &mut Chance) -> Vec<u8> {
        let mut body = payload.body.clone();
        for _ in 0..=chance.below(3) {
            let place = kept + chance.below((body.len() - kept).max(1));
            let byte = if chance.one_in(2) { chance.number() as u8 } else { chance.pick(BYTES) };
            match chance.below(5) {
                _ if place >= body.len() => body.push(byte),
                0..3 => body[place] = byte,
                3 => body.insert(place, byte),
                _ => drop(body.remove(place)),
            }
        }
        payload.sealed(&body)
    }
}

/// A state of a limiter, or nearly one.
pub(crate) fn state(chance: &mut Chance) -> Vec<u8> {
    let mut state: Vec<u8> = chance.pick(STATES).into();
    for _ in 0..chance.below(3) {
        let (place, other) = (chance.below(state.len()), chance.pick(STATES).as_bytes());
        match chance.below(5) {
            0 => state[place] = chance.pick(b"0123456789"),
            1 => state[place] = chance.pick(BYTES),
            2 => state.insert(place, chance.pick(BYTES)),
            3 => state.extend([b";|!,"[chance.below(4)..][..1].as_ref(), other].concat()),
            _ => state.truncate(place.max(1)),
        }
    }
    state
}
