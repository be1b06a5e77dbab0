//! Toolchains of other languages, without which a part of the tests is left out.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::root::root;

/// Whether the thing of this name in `scripts/need` is there. If not, that is said once in this process, past the
/// test runner, which shows nothing of a test that passes; the caller then leaves out what needs it.
pub fn has(name: &str) -> bool {
    static ASKED: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    *asked.entry(name.to_owned()).or_insert_with(|| {
        let status = Command::new(root().join("scripts/need")).args(["--has", name]).status();
        let there = status.unwrap().success();
        if !there {
            let test = std::env::current_exe().unwrap();
            let test = test.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let test = test.rsplit_once('-').map_or(test.as_str(), |(test, _)| test);
            let line =
                format!("left out of the test {test}: what needs {name} (scripts/need {name} installs it)\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
        there
    })
}

/// The folder with all programs of a Go module, which is a folder in the workspace or anywhere; vetted and built once in
/// this process.
pub fn go_programs(module: &str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = built.entry(module.to_owned()).or_insert_with(|| {
        let folder = std::env::current_exe().unwrap().with_extension("go");
        std::fs::create_dir_all(&folder).unwrap();
        run(go(module).args(["vet", "./..."]));
        run(go(module).args(["build", "-o"]).arg(&folder).arg("./..."));
        folder
    });
    folder.clone()
}

/// Runs the Go tests of a module in the workspace against the server of this address.
pub fn go_tests(module: &str, url: &str) {
    run(go(module).args(["test", "-count=1", "./..."]).env("REDIS_URL", url));
}

/// With the toolchain that is there: none is fetched, and nothing is changed in the module's files.
fn go(module: &str) -> Command {
    let mut go = Command::new("go");
    go.current_dir(root().join(module))
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=readonly -buildvcs=false");
    go
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}:\n{}{}", text(&output.stdout), text(&output.stderr));
}
