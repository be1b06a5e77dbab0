//! The Rust that the published crates need: what they say, beside what those say that they stand on.

use std::collections::{HashMap, HashSet};

use cargo_metadata::{DependencyKind, Metadata, Node, PackageId};

use crate::{PUBLISHED, Result};

/// Whether nothing that a published crate stands on, in any of its features, wants a newer Rust than the crate says.
pub(crate) fn no_newer_rust(metadata: &Metadata) -> Result<bool> {
    let resolve = metadata.resolve.as_ref().ok_or("cargo does not say what depends on what")?;
    let nodes: HashMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut fine = true;
    for package in metadata.packages.iter().filter(|package| PUBLISHED.contains(&package.name.as_str())) {
        let said =
            package.rust_version.as_ref().ok_or_else(|| format!("{}: no rust-version", package.name))?;
        let below = all_below(&package.id, &nodes);
        let newer = metadata.packages.iter().filter(|other| below.contains(&other.id));
        for other in newer.filter(|other| other.rust_version.as_ref().is_some_and(|needs| needs > said)) {
            let needs = other.rust_version.as_ref().map(ToString::to_string).unwrap_or_default();
            println!("{} says Rust {said}, and {} {} needs {needs}", package.name, other.name, other.version);
            fine = false;
        }
        if fine {
            println!(
                "{}: Rust {said}, and none of {} packages below it says more",
                package.name,
                below.len()
            );
        }
    }
    Ok(fine)
}

/// What a package is built of, itself too.
fn all_below<'a>(package: &'a PackageId, nodes: &HashMap<&'a PackageId, &'a Node>) -> HashSet<&'a PackageId> {
    let (mut seen, mut next) = (HashSet::new(), vec![package]);
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        let deps = nodes.get(id).map(|node| node.deps.as_slice()).unwrap_or_default();
        let built = deps
            .iter()
            .filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development));
        next.extend(built.map(|dep| &dep.pkg));
    }
    seen
}
