//! The walls of the house, read from the sources: docs/architecture.md says what they are for.
//!
//! | file | duty |
//! |---|---|
//! | `sources` | the files of a crate, and which module is in which |
//! | `imports` | the paths that a file names, and which file each leads to |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says where"
)]

mod imports;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sources::Sources;

/// Each file, and the files that it imports.
type Graph = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The module, and every crate in crates/.
fn crates() -> Vec<PathBuf> {
    let mut heads = vec![root().join("src/lib.rs")];
    for folder in root().join("crates").read_dir().unwrap() {
        let head = folder.unwrap().path().join("src/lib.rs");
        heads.extend(head.exists().then_some(head));
    }
    heads.sort();
    assert!(heads.len() >= 5, "the module, and four crates or more: {heads:?}");
    heads
}

fn graph(head: &Path) -> Graph {
    imports::of(&Sources::read(head, &root()))
}

/// Files that import each other, by whatever way around: each with all that it reaches and is reached by.
fn circles(graph: &Graph) -> Vec<BTreeSet<PathBuf>> {
    let reach = |from: &PathBuf| {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![from]);
        while let Some(file) = ahead.pop() {
            ahead.extend(graph.get(file).into_iter().flatten().filter(|next| seen.insert((*next).clone())));
        }
        seen
    };
    let reached: BTreeMap<_, _> = graph.keys().map(|file| (file, reach(file))).collect();
    let mut circles = BTreeSet::new();
    for (file, ahead) in &reached {
        if ahead.contains(*file) {
            circles.insert(ahead.iter().filter(|other| reached[other].contains(*file)).cloned().collect());
        }
    }
    Vec::from_iter(circles)
}

#[test]
fn no_two_files_of_a_crate_import_each_other_in_a_circle() {
    let mut found = String::new();
    for head in crates() {
        let graph = graph(&head);
        for circle in circles(&graph) {
            found.push_str("\na circle:\n");
            for file in &circle {
                let within = graph[file].intersection(&circle).map(|file| file.display().to_string());
                let within = Vec::from_iter(within).join(", ");
                found.push_str(&format!("    {} imports {within}\n", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found}");
}

#[test]
fn the_server_layer_knows_nobody_above_it() {
    let graph = graph(&root().join("src/lib.rs"));
    let layer = Path::new("src/server");
    let files = graph.iter().filter(|(file, _)| file.starts_with(layer));
    let above = files.flat_map(|(file, imported)| imported.iter().map(move |other| (file, other)));
    let above = Vec::from_iter(above.filter(|(_, other)| !other.starts_with(layer)));
    assert!(graph.keys().filter(|file| file.starts_with(layer)).count() > 10, "{graph:?}");
    assert!(above.is_empty(), "{above:#?}");
}

/// The arrows of docs/architecture.md: each folder or file of the module, and what it may import.
#[test]
fn the_module_is_built_in_layers() {
    let graph = graph(&root().join("src/lib.rs"));
    let layer = |file: &Path| {
        let layers = [
            ("src/lib.rs", 0),
            ("src/commands", 1),
            ("src/limiter", 2),
            ("src/lock", 2),
            ("src/policies", 2),
            ("src/config.rs", 3),
            ("src/counters.rs", 3),
            ("src/server", 4),
        ];
        let found = layers.into_iter().find(|(place, _)| file.starts_with(place));
        found.unwrap_or_else(|| panic!("{} is in no layer that is known here", file.display()))
    };
    for (file, imported) in &graph {
        for other in imported {
            let ((from, above), (to, below)) = (layer(file), layer(other));
            assert!(above < below || from == to, "{} imports {}", file.display(), other.display());
        }
    }
}
