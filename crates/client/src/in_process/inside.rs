//! What the server has, at one instant after the other.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use sluice_core::time::Nanos;

use super::keys::Keys;
use super::locks::Desk;
use crate::clock::Clock;
use crate::locked::locked;

/// The keys, those who wait, and the clock, for one at a time.
pub(super) struct Shared(Mutex<Inside>);

pub(super) struct Inside {
    clock: Clock,
    pub(super) keys: Keys,
    pub(super) desk: Desk,
}

impl Shared {
    pub(super) fn starting_at(now: SystemTime) -> Self {
        let clock = Clock::starting_at(now);
        Self(Mutex::new(Inside { clock, keys: Keys::default(), desk: Desk::default() }))
    }

    pub(super) fn set_clock_forward(&self, time: Duration) {
        self.with(|inside, _| {
            inside.clock.step(time);
            let now = inside.clock.now();
            inside.desk.clock_was_set(&mut inside.keys, now);
        });
    }

    /// Does something at one instant, and nobody else does anything meanwhile.
    pub(super) fn with<T>(&self, run: impl FnOnce(&mut Inside, Nanos) -> T) -> T {
        let mut inside = locked(&self.0);
        let now = inside.clock.now();
        run(&mut inside, now)
    }
}
