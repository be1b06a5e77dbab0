//! Every target over its committed corpus and over random bytes, on any toolchain: what libFuzzer once found stays
//! found where there is no libFuzzer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says where"
)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sluice_fuzz_targets::ALL;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn names(folder: &Path, suffix: &str) -> Vec<String> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter_map(|name| name.strip_suffix(suffix).map(str::to_owned)).collect();
    names.sort();
    names
}

#[test]
fn nothing_of_the_corpora_breaks_a_promise() {
    for (name, target) in ALL {
        let corpus = folder("corpus").join(name);
        let inputs = names(&corpus, "");
        assert!(inputs.len() > 10, "{name} has {} inputs", inputs.len());
        for input in inputs {
            eprintln!("{name}/{input}"); // the last that is said is the one that failed
            target(&std::fs::read(corpus.join(input)).unwrap());
        }
    }
}

#[test]
fn random_bytes_break_no_promise() {
    for (name, target) in ALL {
        let cases = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
        let bytes = prop::collection::vec(any::<u8>(), 0..600);
        let result = TestRunner::new(cases).run(&bytes, |bytes| {
            target(&bytes);
            Ok(())
        });
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// One target more is a file in `fuzz_targets`, a `[[bin]]`, a corpus and a line in `ALL`.
#[test]
fn libfuzzer_has_the_same_targets() {
    let all: Vec<_> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names(&folder("fuzz_targets"), ".rs"), all);
    assert_eq!(names(&folder("corpus"), ""), all);
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    let mut built: Vec<_> =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
    built.sort_unstable();
    assert_eq!(built, all.iter().map(|name| format!("{name}.rs\"")).collect::<Vec<_>>());
}
