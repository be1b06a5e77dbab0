//! What each key holds, and until when.

use std::collections::HashMap;

use sluice_core::grammar::error::CommandError;
use sluice_core::limit::call::Change;
use sluice_core::limit::codec;
use sluice_core::limit::expiry::{Expiry, expiry};
use sluice_core::limit::state::State;
use sluice_core::lock::{Changes, Lock};
use sluice_core::time::Nanos;

/// Below this many keys nothing is swept.
const FEW_KEYS: usize = 1024;

/// All keys.
#[derive(Default)]
pub(super) struct Keys {
    keys: HashMap<Box<[u8]>, Stored>,
    /// Keys that have expired are swept out when there are so many.
    sweep_at: usize,
}

enum Stored {
    /// As the module stores it.
    Limits { text: Vec<u8>, expires_ms: u64 },
    /// It expires with its last lease.
    Lock(Lock),
}

impl Stored {
    fn is_over(&self, now: Nanos) -> bool {
        let expires_ms = match self {
            Self::Limits { expires_ms, .. } => *expires_ms,
            Self::Lock(lock) => lock.expires_at_ms(),
        };
        expires_ms <= now.as_millis()
    }
}

impl Keys {
    /// Deletes a key. False if there was none.
    pub(super) fn delete(&mut self, key: &[u8], now: Nanos) -> bool {
        self.keys.remove(key).is_some_and(|stored| !stored.is_over(now))
    }

    fn get(&self, key: &[u8], now: Nanos) -> Option<&Stored> {
        self.keys.get(key).filter(|stored| !stored.is_over(now))
    }

    /// The limits in a key; idle ones in one that is not there.
    pub(super) fn limits(&self, key: &[u8], now: Nanos) -> Result<State, CommandError> {
        match self.get(key, now) {
            None => Ok(State::new()),
            Some(Stored::Limits { text, .. }) => codec::decode(text).ok_or(CommandError::WrongType),
            Some(Stored::Lock(_)) => Err(CommandError::WrongType),
        }
    }

    /// Stores limits as a decision says.
    pub(super) fn store_limits(&mut self, key: &[u8], change: Change, state: &State, now: Nanos) {
        match change {
            Change::Keep => {}
            Change::Delete => _ = self.keys.remove(key),
            Change::WriteTimes | Change::Write => {
                let before = match self.get(key, now) {
                    Some(Stored::Limits { expires_ms, .. }) => Some(*expires_ms),
                    _ => None,
                };
                let expires_ms = match (expiry(state, now, before), before) {
                    (Expiry::Kept, Some(expires_ms)) | (Expiry::At(expires_ms), _) => expires_ms,
                    (Expiry::Kept, None) => return, // of a key that has none, none is kept
                };
                let mut text = vec![0; codec::encoded_len(state)];
                codec::encode(state, &mut text);
                self.put(key, Stored::Limits { text, expires_ms }, now);
            }
        }
    }

    /// The lock in a key, if there is one.
    pub(super) fn lock(&self, key: &[u8], now: Nanos) -> Result<Option<&Lock>, CommandError> {
        match self.get(key, now) {
            None => Ok(None),
            Some(Stored::Lock(lock)) => Ok(Some(lock)),
            Some(Stored::Limits { .. }) => Err(CommandError::WrongType),
        }
    }

    /// Changes the lock in a key, from which ended leases are gone. One that nobody holds afterwards is deleted.
    pub(super) fn change_lock<T>(
        &mut self,
        key: &[u8],
        now: Nanos,
        change: impl FnOnce(&mut Lock, &mut Changes) -> T,
    ) -> T {
        let mut lock = match self.keys.remove(key) {
            Some(Stored::Lock(lock)) => lock,
            _ => Lock::default(),
        };
        // They are for copies of the lock, of which there are none.
        let mut changes = lock.settle(now, None);
        let outcome = change(&mut lock, &mut changes);
        if !lock.is_empty() {
            self.put(key, Stored::Lock(lock), now);
        }
        outcome
    }

    fn put(&mut self, key: &[u8], stored: Stored, now: Nanos) {
        if self.keys.len() >= self.sweep_at.max(FEW_KEYS) {
            self.keys.retain(|_, stored| !stored.is_over(now));
            self.sweep_at = self.keys.len() * 2;
        }
        self.keys.insert(key.into(), stored);
    }
}
