//! The programs on the page.

use crate::language::Language;

/// What every language has a program for.
const WHAT: [&str; 3] = ["cluster", "limiter", "lock"];

const PAGE: &str = include_str!("../../../../docs/clients.md");

/// A block of code on the page.
struct Block {
    language: &'static str,
    /// What a first line such as `# lock.py` says. Only programs that are run have one.
    name: Option<&'static str>,
    text: &'static str,
}

fn blocks() -> Vec<Block> {
    let fenced = PAGE.split("\n```").skip(1).step_by(2);
    let blocks = fenced.map(|block| {
        let (language, text) = block.split_once('\n').unwrap();
        let first = text.lines().next().unwrap();
        let name = ["# ", "// ", "<?php // "].iter().find_map(|comment| first.strip_prefix(comment));
        Block { language, name, text }
    });
    blocks.collect()
}

/// The program of this name.
pub(crate) fn program(name: &str) -> &'static str {
    let found: Vec<_> = blocks().into_iter().filter(|block| block.name == Some(name)).collect();
    assert_eq!(found.len(), 1, "programs on the page that are called {name}");
    found[0].text
}

#[test]
fn every_program_on_the_page_is_run_or_said_not_to_be() {
    let blocks = blocks();
    let mut named: Vec<&str> = blocks.iter().filter_map(|block| block.name).collect();
    named.sort_unstable();
    let of_all_languages = Language::ALL.map(|language| WHAT.map(|what| language.file(what)));
    let mut run: Vec<&str> = of_all_languages.iter().flatten().map(String::as_str).collect();
    run.extend(["info.mjs", "info.php", "info.py"]);
    run.sort_unstable();
    assert_eq!(named, run);
    for block in blocks.iter().filter(|block| block.name.is_none()) {
        assert!(["go", "java"].contains(&block.language), "not run: {}", block.text);
    }
    assert_eq!(PAGE.matches("\nNot run by the tests.").count(), 2);
}
