//! A server's wall clock in the hands of the test. `crates/testing/c/clock.c` says how it works; it does on all
//! servers alike.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The file that a server under `clock.c` takes its time from.
pub(crate) struct Clock(File);

impl Clock {
    pub(crate) fn create(file: &Path, unix_us: i64) -> Self {
        let clock = Self(File::create(file).unwrap());
        clock.set(unix_us);
        clock
    }

    pub(crate) fn set(&self, unix_us: i64) {
        let (time, complement) = (unix_us.to_ne_bytes(), (!unix_us).to_ne_bytes());
        self.0.write_all_at(&[time, complement].concat(), 0).unwrap();
    }
}
