//! That the versions and install lines on the page are those that are run.

use std::collections::BTreeSet;

use crate::build::PINS;
use crate::page::INDEX;

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{PINS}/{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pinned versions of a package for Python.
fn pip(package: &str) -> BTreeSet<String> {
    let lists = std::fs::read_dir(format!("{PINS}/python")).unwrap();
    let lists: Vec<_> = lists.map(|list| std::fs::read_to_string(list.unwrap().path()).unwrap()).collect();
    let lines = lists.iter().flat_map(|list| list.lines());
    let versions = lines.filter_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
    versions.map(|rest| rest.split(' ').next().unwrap().to_owned()).collect()
}

/// Those of a package for Node.js, also under another name: `"redis-4": "npm:redis@4.7.1"`.
fn npm(package: &str) -> BTreeSet<String> {
    let (own, other) = (format!("\"{package}\": \""), format!("\"npm:{package}@"));
    let text = read("node/package.json");
    let lines = text.lines().map(|line| line.trim_end_matches(['"', ',']));
    let versions = lines.filter_map(|line| {
        let own = line.trim_start().strip_prefix(&own);
        own.or_else(|| line.split_once(&other).map(|(_, version)| version))
    });
    versions.map(str::to_owned).collect()
}

/// That of a Go module.
fn go(module: &str) -> BTreeSet<String> {
    let text = read("go/go.mod");
    let versions = text.lines().filter_map(|line| line.trim_start().strip_prefix(module)?.strip_prefix(" v"));
    versions.map(str::to_owned).collect()
}

/// That of a package of Maven, `group:artifact`.
fn maven(package: &str) -> BTreeSet<String> {
    let (group, artifact) = package.split_once(':').unwrap();
    let text = read("java/pom.xml").split_whitespace().collect::<String>();
    let start = format!("<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>");
    let versions = text.split(&start).skip(1).map(|rest| rest.split('<').next().unwrap());
    versions.map(str::to_owned).collect()
}

#[test]
fn the_page_tells_the_versions_that_are_run() {
    let mut pinned = 0;
    for row in INDEX.lines().filter(|line| line.matches('|').count() == 5) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let versions: BTreeSet<_> = cells[3].split(", ").map(str::to_owned).collect();
        let install = cells[4].replace('`', "");
        let words: Vec<_> = install.split(' ').collect();
        let (run, version) = match words[..] {
            ["pip", "install", what] => {
                what.split_once("==").map(|(package, version)| (pip(package), version))
            }
            ["npm", "install", what] => {
                what.rsplit_once('@').map(|(package, version)| (npm(package), version))
            }
            ["go", "get", what] => what.split_once("@v").map(|(module, version)| (go(module), version)),
            ["Maven:", what] => what.rsplit_once(':').map(|(package, version)| (maven(package), version)),
            _ => None,
        }
        .unwrap_or_default();
        if !run.is_empty() {
            assert_eq!(versions, run, "{row}");
            assert!(run.contains(version), "{row}");
            pinned += 1;
        }
    }
    assert_eq!(pinned, 11, "libraries on the page");
}
