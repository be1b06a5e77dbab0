//! The programs in languages that have to be compiled, which is done once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sluice_testing::go_programs;

use crate::client::{ALL, Language, fetched};
use crate::page::{self, WHAT};

/// What the libraries are pinned by.
pub(crate) const PINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/pins");

/// The names of a language's programs.
fn programs(language: Language) -> impl Iterator<Item = String> {
    let clients = ALL.into_iter().filter(move |client| client.language == language);
    clients.flat_map(|client| WHAT.map(|what| client.file(what)))
}

/// A folder that the next run of the tests uses again.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The folder with the programs in Go: a module of them all, with the pins of ours.
pub(crate) fn go() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let module = folder("go");
        for name in ["go.mod", "go.sum"] {
            std::fs::copy(format!("{PINS}/go/{name}"), module.join(name)).unwrap();
        }
        for name in programs(Language::Go) {
            let package = module.join(name.trim_end_matches(".go"));
            std::fs::create_dir(&package).unwrap();
            std::fs::write(package.join("main.go"), format!("{}\n", page::program(&name))).unwrap();
        }
        let gofmt = Command::new("gofmt").args(["-l", "."]).current_dir(&module).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&gofmt.stdout), "", "not as gofmt has it");
        go_programs(module.to_str().unwrap())
    })
}

/// The folder with the classes of the programs in Java.
pub(crate) fn java() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let sources = folder("java");
        let names: Vec<_> = programs(Language::Java).collect();
        for name in &names {
            std::fs::write(sources.join(name), page::program(name)).unwrap();
        }
        let mut javac = Command::new("javac");
        javac.args(["-nowarn", "-d", "classes", "-cp"]).arg(class_path(&sources)).args(names);
        let output = javac.current_dir(&sources).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        sources.join("classes")
    })
}

/// These classes and the libraries.
pub(crate) fn class_path(classes: &Path) -> String {
    format!("{}:{}/*", classes.display(), fetched("java").display())
}
