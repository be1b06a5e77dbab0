//! The programs on the pages.

use crate::client::ALL;

/// What every library has a program for.
pub(crate) const WHAT: [&str; 3] = ["cluster", "limiter", "lock"];

pub(crate) const INDEX: &str = include_str!("../../../../docs/clients.md");

const PAGES: [&str; 6] = [
    include_str!("../../../../docs/clients/go.md"),
    include_str!("../../../../docs/clients/java.md"),
    include_str!("../../../../docs/clients/node.md"),
    include_str!("../../../../docs/clients/php.md"),
    include_str!("../../../../docs/clients/python.md"),
    include_str!("../../../../docs/clients/redis-cli.md"),
];

/// A block of code, and what its first line, such as `# lock.py`, says it is called.
struct Block {
    name: &'static str,
    text: &'static str,
}

fn blocks() -> Vec<Block> {
    let fenced = PAGES.iter().flat_map(|page| page.split("\n```").skip(1).step_by(2));
    let blocks = fenced.map(|block| {
        let (_, text) = block.split_once('\n').unwrap();
        let first = text.lines().next().unwrap();
        let name = ["# ", "// ", "<?php // "].iter().find_map(|comment| first.strip_prefix(comment));
        Block { name: name.unwrap_or_else(|| panic!("without a name: {text}")), text }
    });
    blocks.collect()
}

/// The program of this name.
pub(crate) fn program(name: &str) -> &'static str {
    let found: Vec<_> = blocks().into_iter().filter(|block| block.name == name).collect();
    assert_eq!(found.len(), 1, "programs on the pages that are called {name}");
    found[0].text
}

#[test]
fn every_program_on_the_pages_is_run() {
    let mut named: Vec<String> = blocks().iter().map(|block| block.name.to_owned()).collect();
    named.sort_unstable();
    let mut run: Vec<String> = Vec::new();
    for client in ALL {
        run.extend(WHAT.map(|what| client.file(what)));
        run.extend(client.has_info.then(|| client.file("info")));
    }
    run.sort_unstable();
    run.dedup();
    assert_eq!(named, run);
}
