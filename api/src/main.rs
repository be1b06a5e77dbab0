//! `make api`: what the published crates offer, held against what is written down in their `public-api.txt`, so that no
//! change of it goes unseen; whether what they stand on wants a newer Rust than they say; and whether their pages can be
//! read where the repository is not.
//!
//! The list comes from rustdoc's JSON, which is not stable yet: a compiler of another day writes another format, and then
//! nothing is compared, and this says so.

#![allow(clippy::print_stdout, reason = "it is what it is for")]

mod linked;
mod listed;
mod needed;

use std::process::ExitCode;

use cargo_metadata::MetadataCommand;

/// The crates that others build on.
const PUBLISHED: [&str; 3] = ["sluice-core", "sluice-client", "sluice-tower"];

/// Those of them whose whole offer is a promise: the core's is the client's and the module's affair.
const PROMISED: [&str; 2] = ["sluice-client", "sluice-tower"];

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let metadata = MetadataCommand::new().other_options(vec!["--locked".to_owned()]).exec()?;
    let update = std::env::var("UPDATE").is_ok_and(|update| update == "1");
    let mut fine = needed::no_newer_rust(&metadata)? & linked::pages_stand_alone(&metadata)?;
    for name in PROMISED {
        let package = metadata.packages.iter().find(|package| package.name == name);
        let package = package.ok_or_else(|| format!("there is no package {name}"))?;
        fine &= listed::as_written(package, &metadata, update)?;
    }
    Ok(fine)
}
