//! What is written in C.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles a file below tests/servers/ to a shared library: it takes some 50 ms. To be called once a process.
pub(crate) fn compiled(source: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(source);
    let name = source.file_stem().unwrap().to_str().unwrap();
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sluice_{name}.so"));
    // Another test process may be loading the file: write a new one and put it in place in one step.
    let fresh = library.with_extension(std::process::id().to_string());
    let done = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()))
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
        .args([&fresh, &source])
        .status();
    assert!(done.is_ok_and(|status| status.success()), "cannot compile {}", source.display());
    std::fs::rename(&fresh, &library).unwrap();
    library
}
