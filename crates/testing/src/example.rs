//! The programs in examples/, as they are built.

use std::path::PathBuf;

use crate::module::changed;
use crate::root::root;

/// The program of an example, `<target>/<profile>/examples/<name>`, for a test at
/// `<target>/<profile>/deps/<test>`. Cargo builds it for `cargo test`, but not when that is given the name
/// of a test: then it can be yesterday's, and this panics.
pub fn example(name: &str) -> PathBuf {
    const BUILD: &str = "run `cargo build -p sluice-examples --examples`, with the profile of the tests";
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples").join(name);
    assert!(program.exists(), "no {}: {BUILD}", program.display());
    for source in std::fs::read_dir(root().join("examples").join(name)).unwrap() {
        let source = source.unwrap().path();
        let stale = changed(&source) > changed(&program);
        assert!(!stale, "{} is older than {}: {BUILD}", program.display(), source.display());
    }
    program
}
