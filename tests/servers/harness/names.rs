//! What lists name is there: the table at the head of these tests, and the cases of the locks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sluice_testing::Kind;

/// Files without a promise of their own: what the tests of their folder share.
const SHARED: [&str; 5] = ["lock/payload", "lock/queue", "lock/shown", "mod", "module/since_0_1_0"];

fn tests() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The cells of the rows of all tables in this text, without heads.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter_map(|line| line.trim_start_matches("//! ").strip_prefix("| "));
    let cells = rows.map(|row| row.trim_end_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells.filter(|cells| !["file", "#"].contains(&cells[0]))
}

#[test]
fn the_table_at_the_head_names_every_file_of_promises() {
    let servers = tests().join("servers");
    let head = fs::read_to_string(servers.join("main.rs")).unwrap();
    let named: BTreeSet<_> = rows(&head).map(|cells| cells[0].trim_matches('`').to_owned()).collect();
    let mut there = BTreeSet::new();
    for folder in ["limiter", "lock", "module", "policies", "throttle", "harness"] {
        for file in fs::read_dir(servers.join(folder)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let name = format!("{folder}/{}", name.strip_suffix(".rs").unwrap());
            if !SHARED.iter().any(|shared| name.ends_with(shared)) {
                there.insert(name);
            }
        }
    }
    assert_eq!(named, there);
}

#[test]
fn every_case_of_the_locks_names_tests_that_are_there() {
    let cases = fs::read_to_string(tests().join("conformance/locks.md")).unwrap();
    let (of_the_module, of_the_client) = cases.split_once("## For the client").unwrap();
    for (cases, folder) in [(of_the_module, "servers"), (of_the_client, "../crates/client/tests/servers")] {
        assert!(rows(cases).count() > 5);
        for row in rows(cases) {
            for name in row.last().unwrap().split(", ").map(|name| name.trim_matches('`')) {
                let (file, test) = name.rsplit_once("::").unwrap_or_else(|| panic!("no test: {row:?}"));
                let file = tests().join(folder).join(file.replace("::", "/")).with_extension("rs");
                let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(runs(&source, test), "no test {name}, which case {} names", row[0]);
            }
        }
    }
}

/// A promise without a test is a hope.
#[test]
fn every_guarantee_names_a_test_that_is_there() {
    let root = tests().parent().unwrap();
    let page = fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let (promises, _) = page.split_once("## What is not promised").unwrap();
    let promised: Vec<_> = rows(promises).collect();
    assert!(promised.len() >= 25);
    for (n, row) in (1..).zip(&promised) {
        assert_eq!(row[0], n.to_string(), "the numbers are in order");
        let name = row.last().unwrap().trim_matches('`');
        let (file, test) = name.split_once("::").unwrap_or_else(|| panic!("no test: {row:?}"));
        let source = fs::read_to_string(root.join(file)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let is_there = runs(&source, test) || source.contains(&format!("fn {test}("));
        assert!(is_there, "no test {name}, which promise {n} names");
    }
}

/// Whether this source has that test: in a list of those for several servers, or as a module for some of them.
fn runs(source: &str, test: &str) -> bool {
    let rests = ["on_every_server![", "on_both_servers!["].map(|list| source.split(list).skip(1));
    let lists = rests.into_iter().flatten().map(|rest| rest.split(']').next().unwrap());
    let mut listed = lists.flat_map(|list| list.split(',').map(str::trim));
    listed.any(|listed| listed == test) || source.contains(&format!("\nmod {test} {{"))
}

#[test]
fn a_test_that_is_not_listed_is_no_test() {
    let source = "on_every_server![a, b_c];\nfn d() {}\nmod e {\n";
    assert_eq!(["a", "b_c", "d", "e", "b"].map(|name| runs(source, name)), [true, true, false, true, false]);
}

/// The script that runs these tests has a list of the servers of its own.
#[test]
fn the_script_knows_the_same_servers() {
    let script = fs::read_to_string(tests().join("../scripts/test-servers")).unwrap();
    let all = script.lines().find_map(|line| line.strip_prefix("all=(")?.strip_suffix(')')).unwrap();
    let of_kind = |kind: Kind| format!("{kind:?}").to_lowercase();
    assert_eq!(all.replace('_', "").split(' ').collect::<Vec<_>>(), Kind::ALL.map(of_kind));
}
