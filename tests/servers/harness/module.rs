//! The module file under test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The module built with the same profile as this test program, checked once to be newer than all its
/// sources: cargo builds no cdylib for an integration test, so it is easy to test yesterday's module.
pub(super) fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        // This program is <target>/<profile>/deps/servers-<hash>, wherever <target> is.
        let program = std::env::current_exe().unwrap();
        let folder = program.parent().and_then(Path::parent).unwrap();
        let module = folder.join("libsluice.so");
        assert!(module.exists(), "no {}: run `make test`, which builds it", module.display());

        // Cargo's list of sources beside it: "<module>: <source> <source> ...", blanks in names escaped.
        let sources = std::fs::read_to_string(module.with_extension("d")).unwrap_or_default();
        let sources = sources.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
        let built = changed(&module).unwrap();
        for source in sources.split_whitespace().map(|source| source.replace('\0', " ")) {
            if changed(Path::new(&source)).is_some_and(|changed| changed > built) {
                panic!("{} is older than {source}: build it again (make test does)", module.display());
            }
        }
        module
    })
}

fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}
