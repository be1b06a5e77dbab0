//! Where the servers and the module are.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A server program of one version, as `make test` fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Redis 7.0, the `redis-server` on the PATH: Debian 12 ships 7.0.15
    Redis70,
    /// Redis 8.2.3
    Redis82,
    /// Valkey 9.1.2
    Valkey91,
}

impl Kind {
    pub(crate) fn program(self) -> PathBuf {
        let file = match self {
            Self::Redis70 => return on_the_path("redis-server"),
            Self::Redis82 => "redis-8.2.3/redis-server",
            Self::Valkey91 => "valkey-9.1.2/valkey-server",
        };
        let path = root().join(".servers").join(file);
        assert!(path.exists(), "no {}: run `scripts/servers`, which fetches it", path.display());
        path
    }
}

/// Servers get no environment of ours, so a name alone would not be found.
fn on_the_path(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!("no {program} on the PATH: run `scripts/need redis-server`, which installs it")
    })
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).unwrap()
}

/// The module, built for release and newer than all its sources: cargo does not build it for the tests
/// of another crate, so it is easy to test yesterday's.
pub fn module() -> PathBuf {
    let module = target().join("release/libsluice.so");
    assert!(module.exists(), "no {}: run `cargo build --release`", module.display());
    // Cargo's list of sources beside it: "<module>: <source> <source> ...", blanks in names escaped.
    let sources = std::fs::read_to_string(module.with_extension("d")).unwrap_or_default();
    let sources = sources.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    let built = changed(&module);
    for source in sources.split_whitespace().map(|source| source.replace('\0', " ")) {
        let stale = changed(Path::new(&source)) > built;
        assert!(!stale, "{} is older than {source}: run `cargo build --release`", module.display());
    }
    module
}

/// The folder that cargo builds into. A doc test is not in it, but it inherits the variable.
fn target() -> PathBuf {
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        return root().join(folder);
    }
    // This program is <target>/<profile>/deps/<name>, wherever <target> is.
    let program = std::env::current_exe().unwrap();
    let found = program.ancestors().find(|folder| folder.join("release/libsluice.so").exists());
    found.map_or_else(|| root().join("target"), Path::to_path_buf)
}

pub(crate) fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}
