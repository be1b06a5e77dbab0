//! A server's wall clock in the hands of the test. `clock.c` says how it works; it does on all servers alike.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The file that a server under `clock.c` takes its time from.
pub(super) struct Clock(File);

impl Clock {
    pub(super) fn create(file: &Path, unix_us: i64) -> Self {
        let clock = Self(File::create(file).unwrap());
        clock.set(unix_us);
        clock
    }

    pub(super) fn set(&self, unix_us: i64) {
        let (time, complement) = (unix_us.to_ne_bytes(), (!unix_us).to_ne_bytes());
        self.0.write_all_at(&[time, complement].concat(), 0).unwrap();
    }
}

/// The library to preload, compiled once a process: it takes some 50 ms, and is never out of date.
pub(super) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/harness/clock.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sluice_test_clock.so");
        // Another test process may be loading the file: write a new one and put it in place in one step.
        let fresh = library.with_extension(std::process::id().to_string());
        let done = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
            .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&fresh, &source])
            .status();
        assert!(done.is_ok_and(|status| status.success()), "cannot compile {}", source.display());
        std::fs::rename(&fresh, &library).unwrap();
        library
    })
}
