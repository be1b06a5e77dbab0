//! The module file under test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::root::root;

/// The module that servers load: what `SLUICE_MODULE` names, or else the release build, which has to be newer than all
/// its sources. Cargo builds no module for a test, so it is easy to test yesterday's.
pub fn module() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(module) = std::env::var_os("SLUICE_MODULE").filter(|path| !path.is_empty()) {
            let module = root().join(module);
            assert!(module.exists(), "no {}, which SLUICE_MODULE names", module.display());
            return module;
        }
        let module = target().join("release/libsluice.so");
        assert!(
            module.exists(),
            "no {}: run `cargo build --release`, or name a module by SLUICE_MODULE",
            module.display()
        );
        if let Some(source) = newer_source(&module) {
            panic!("{} is older than {source}: run `cargo build --release`", module.display());
        }
        module
    })
}

/// The folder that cargo builds into.
fn target() -> PathBuf {
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        return root().join(folder);
    }
    // Where this library's build script wrote, below <target>/<profile>: doc tests are built somewhere else.
    let out = Path::new(env!("OUT_DIR"));
    let found = out.ancestors().find(|folder| folder.join("release/libsluice.so").exists());
    found.map_or_else(|| root().join("target"), Path::to_path_buf)
}

/// By cargo's list of sources beside the module: "<module>: <source> <source> ...", blanks in names escaped.
fn newer_source(module: &Path) -> Option<String> {
    let built = changed(module);
    let sources = std::fs::read_to_string(module.with_extension("d")).unwrap_or_default();
    let sources = sources.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    let mut sources = sources.split_whitespace().map(|source| source.replace('\0', " "));
    sources.find(|source| changed(Path::new(source)) > built)
}

pub(crate) fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}
