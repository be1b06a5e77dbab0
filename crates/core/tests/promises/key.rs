//! A key as a server holds it: a string with an expiry, read before each call and written after it
//! only when the verdict says so.

use sluice_core::limit::bounds::Bounds;
use sluice_core::limit::call::{Acquire, Change, GiveBack, Verdict};
use sluice_core::limit::codec;
use sluice_core::limit::expiry::{Expiry, expiry};
use sluice_core::limit::gcra::acquire;
use sluice_core::limit::give_back::give_back;
use sluice_core::limit::holding::{self, Held};
use sluice_core::limit::look::{Look, look};
use sluice_core::limit::state::State;
use sluice_core::time::{Millis, NS_PER_MS, Nanos};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) bounds: Bounds,
    value: Option<(Vec<u8>, u64)>,
}

impl Key {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, value: None }
    }

    /// The stored state; nothing used and nothing held where there is no key.
    pub(crate) fn state(&mut self, now: Nanos) -> State {
        self.value.take_if(|(_, expires_at_ms)| now.0 / NS_PER_MS >= *expires_at_ms);
        let value = self.value.as_ref();
        value.map_or_else(State::new, |(bytes, _)| codec::decode(bytes).expect("our own state"))
    }

    /// The stored string and its expiry in unix ms; `None` where there is no key.
    pub(crate) fn stored(&self) -> Option<(String, u64)> {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).expect("digits and signs");
        self.value.as_ref().map(|(bytes, expires_at_ms)| (text(bytes), *expires_at_ms))
    }

    pub(crate) fn acquire(&mut self, call: &Acquire, now: Nanos) -> Verdict {
        let mut state = self.state(now);
        let verdict = acquire(call, &mut state, now, &self.bounds);
        self.commit(verdict.change, &state, now);
        verdict
    }

    pub(crate) fn peek(&mut self, call: &Acquire, now: Nanos) -> Verdict {
        acquire(call, &mut self.state(now), now, &self.bounds)
    }

    pub(crate) fn give_back(&mut self, call: &GiveBack, now: Nanos) -> Verdict {
        let mut state = self.state(now);
        let verdict = give_back(call, &mut state, now, &self.bounds);
        self.commit(verdict.change, &state, now);
        verdict
    }

    pub(crate) fn hold(&mut self, time: Millis, now: Nanos) -> Held {
        let mut state = self.state(now);
        let held = holding::hold(&mut state, now, time, &self.bounds);
        self.commit(held.change, &state, now);
        held
    }

    pub(crate) fn release(&mut self, now: Nanos) -> Held {
        let mut state = self.state(now);
        let held = holding::release(&mut state, now, &self.bounds);
        self.commit(held.change, &state, now);
        held
    }

    pub(crate) fn turn(&mut self, told: Millis, now: Nanos) -> i64 {
        holding::turn_ms(&self.state(now), now, told)
    }

    /// What INFO shows; `None` where it answers nil.
    pub(crate) fn look(&mut self, now: Nanos) -> Option<Look> {
        look(self.state(now), now, &self.bounds)
    }

    fn commit(&mut self, change: Change, state: &State, now: Nanos) {
        let text = match change {
            Change::Keep => return,
            Change::Delete => {
                self.value = None;
                return;
            }
            Change::Write | Change::WriteTimes => text(state),
        };
        let before = self.value.as_ref();
        if change == Change::WriteTimes {
            let mut overwritten = before.expect("something to write over").0.clone();
            codec::encode_times(state, &mut overwritten);
            assert_eq!(overwritten.escape_ascii().to_string(), text, "the same, written the short way");
        }
        let expires_at_ms = match expiry(state, now, before.map(|(_, expires_at_ms)| *expires_at_ms)) {
            Expiry::Kept => before.expect("an expiry to keep").1,
            Expiry::At(ms) => ms,
        };
        assert!(expires_at_ms > now.0 / NS_PER_MS, "an expiry in the past deletes the key");
        self.value = Some((text.into_bytes(), expires_at_ms));
    }
}

pub(crate) fn text(state: &State) -> String {
    let mut bytes = vec![b'?'; codec::encoded_len(state)];
    codec::encode(state, &mut bytes);
    String::from_utf8(bytes).expect("digits and signs")
}
