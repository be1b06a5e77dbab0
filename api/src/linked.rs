//! The pages of the published crates, which are read outside of the repository.

use std::fs;

use cargo_metadata::Metadata;

use crate::{PUBLISHED, Result};

/// Whether no README of a published crate links to a file, which is not there where it is read.
pub(crate) fn pages_stand_alone(metadata: &Metadata) -> Result<bool> {
    let mut fine = true;
    for package in metadata.packages.iter().filter(|package| PUBLISHED.contains(&package.name.as_str())) {
        let page = package.readme().ok_or_else(|| format!("{}: no README", package.name))?;
        for link in links(&fs::read_to_string(&page)?).filter(|link| !stands_alone(link)) {
            println!("{page}: a link to {link}, which is not there where this page is read");
            fine = false;
        }
    }
    Ok(fine)
}

fn stands_alone(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with('#')
}

/// Where the links of a page in Markdown lead.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}
