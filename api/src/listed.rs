//! The public items of a crate, beside the list that is committed.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use cargo_metadata::{Metadata, Package};

use crate::Result;

/// Whether the crate offers what its `public-api.txt` says; with `update` that is written anew.
pub(crate) fn as_written(package: &Package, metadata: &Metadata, update: bool) -> Result<bool> {
    let name = package.name.as_str();
    let Some(offered) = offered(name, metadata)? else { return Ok(true) };
    let root = package.manifest_path.parent().ok_or("a manifest without a folder")?;
    let file = root.join("public-api.txt");
    if update {
        fs::write(&file, offered)?;
        println!("{name}: written to {file}");
        return Ok(true);
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    let (offers, said) = (lines(&offered), lines(&written));
    for gone in said.difference(&offers) {
        println!("{name}: gone: {gone}");
    }
    for new in offers.difference(&said) {
        println!("{name}: new: {new}");
    }
    let fine = offers == said;
    if fine {
        println!("{name}: {} public items, as written down", offers.len());
    } else {
        println!("{name}: if that is meant, say so in CHANGELOG.md and run `make api UPDATE=1`");
    }
    Ok(fine)
}

fn lines(text: &str) -> BTreeSet<&str> {
    text.lines().collect()
}

/// One line for each public item, with all features; `None` if this compiler's list cannot be read.
fn offered(name: &str, metadata: &Metadata) -> Result<Option<String>> {
    let documented = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["rustdoc", "--locked", "--all-features", "--package", name, "--"])
        .args(["-Zunstable-options", "--output-format=json"])
        .env("RUSTC_BOOTSTRAP", "1")
        .status()?;
    if !documented.success() {
        return Err(format!("rustdoc fails on {name}").into());
    }
    let json = metadata.target_directory.join("doc").join(format!("{}.json", name.replace('-', "_")));
    let api = public_api::Builder::from_rustdoc_json(json.as_std_path())
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build();
    match api {
        Ok(api) => Ok(Some(api.items().map(|item| format!("{item}\n")).collect())),
        Err(public_api::Error::SerdeJsonError(error)) => {
            println!("{name}: not compared, this compiler's rustdoc writes another format: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
