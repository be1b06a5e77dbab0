//! What the pages say is what the module says: commands, words, settings, counters and errors, none more and none less.

use std::collections::BTreeSet;
use std::path::Path;

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names;
use sluice_core::policy::text::TextError;
use sluice_testing::{Kind, Reply, Server, on_every_server, words};

use crate::shared::documented::{docs, texts};

on_every_server![
    every_command_that_a_page_shows_is_understood,
    pages_and_server_name_the_same_commands,
    pages_and_server_name_the_same_words,
    pages_and_server_name_the_same_settings,
    pages_and_server_name_the_same_counters,
];

/// The pages on the module itself.
const PAGES: [&str; 5] =
    ["README.md", "docs/ratelimit.md", "docs/policies.md", "docs/lock.md", "docs/migrating.md"];

/// A server with all commands that there are.
fn with_all(kind: Kind) -> Server {
    Server::setup(kind).module_args(crate::throttle::ASKED).start()
}

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pages() -> String {
    PAGES.map(page).concat()
}

/// The lines of a page's blocks of code.
fn code(page: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    page.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        inside ^= is_fence;
        inside && !is_fence
    })
}

/// What stands between backticks in running text, and in tables.
fn quoted(page: &str) -> Vec<String> {
    let code: BTreeSet<&str> = code(page).collect();
    let text = page.lines().filter(|line| !line.starts_with("```") && !code.contains(line));
    text.flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Whether a line says how commands are formed, instead of being one.
fn is_syntax(line: &str) -> bool {
    line.contains(['<', '[', '|']) || ["...", " key", "   "].iter().any(|sign| line.contains(sign))
}

fn every_command_that_a_page_shows_is_understood(kind: Kind) {
    let server = with_all(kind);
    let mut shown = 0;
    for name in PAGES {
        let page = page(name);
        let mut client = server.connect();
        client.ask("FLUSHALL");
        for line in code(&page).filter(|line| names::ALL.iter().any(|name| line.starts_with(name.as_str()))) {
            if is_syntax(line) || line.starts_with("LOCK.LOAD") {
                continue;
            }
            let reply = client.call(&words(line));
            assert!(!matches!(reply, Reply::Error(_)), "{name}: {line}\n{reply:?}");
            shown += 1;
        }
        client.assert_in_step();
    }
    assert!(shown > 15, "only {shown} lines");
}

fn pages_and_server_name_the_same_commands(kind: Kind) {
    let server = with_all(kind);
    let known = texts(&server.connect().ask("COMMAND LIST FILTERBY MODULE sluice"));
    let in_core: BTreeSet<_> = names::ALL.iter().map(|name| name.as_str().to_lowercase()).collect();
    assert_eq!(known, in_core);
    for name in ["README.md", "docs/ratelimit.md docs/lock.md docs/migrating.md"] {
        let text: String = name.split(' ').map(page).collect();
        let is_name = |c: char| c.is_ascii_uppercase() || c == '.';
        let words = text.split(|c| !is_name(c)).map(|word| word.trim_end_matches('.'));
        let said: BTreeSet<_> = words
            .filter(|word| ["RATELIMIT.", "LOCK.", "CL."].iter().any(|family| word.starts_with(family)))
            .map(str::to_lowercase)
            .collect();
        // LOCK.LOAD is for replicas and the AOF; the page on locks tells of it.
        let expected: BTreeSet<_> = known
            .iter()
            .filter(|known| !known.contains('|') && (*known != "lock.load" || name != "README.md"))
            .cloned()
            .collect();
        assert_eq!(said, expected, "{name}");
        for name in names::ALL.iter().filter(|name| name.second().is_some()) {
            let words = name.words().collect::<Vec<_>>().join(" ");
            assert!(text.contains(&words), "nothing says {words}");
        }
    }
}

/// The keywords that COMMAND DOCS has are those of the syntax at the head of the pages; LOCK.LOAD is not for people, and
/// has its syntax in the text.
fn pages_and_server_name_the_same_words(kind: Kind) {
    let server = with_all(kind);
    let mut client = server.connect();
    let is_of_policies = |name: &names::CommandName| name.second().is_some();
    for (page_name, family, policies) in [
        ("docs/ratelimit.md", "RATELIMIT.", false),
        ("docs/policies.md", "RATELIMIT.", true),
        ("docs/lock.md", "LOCK.", false),
    ] {
        let mut told = BTreeSet::new();
        let of_page = |name: &&names::CommandName| {
            name.family() == family && is_of_policies(name) == policies && **name != names::LOCK_LOAD
        };
        for name in names::ALL.iter().filter(of_page) {
            for (field, value) in docs(&mut client, &name.as_str().to_lowercase()) {
                if field.text() == "arguments" {
                    value.array().iter().for_each(|argument| tokens(argument, &mut told));
                }
            }
        }
        let page = page(page_name);
        let syntax = code(&page)
            .filter(|line| is_syntax(line))
            .flat_map(|line| line.split(|c: char| !c.is_ascii_alphabetic()));
        let shown: BTreeSet<_> = syntax.filter(is_keyword).map(str::to_owned).collect();
        assert_eq!(shown, told, "{page_name}");
    }
}

/// All capitals, and no part of a command's name.
fn is_keyword(word: &&str) -> bool {
    let mut of_names = names::ALL.iter().flat_map(|name| name.as_str().split(['.', '|']));
    word.len() > 1
        && word.bytes().all(|byte| byte.is_ascii_uppercase())
        && !of_names.any(|part| part == *word)
}

fn tokens(argument: &Reply, told: &mut BTreeSet<String>) {
    for (field, value) in argument.pairs() {
        match field.text() {
            "token" => {
                told.insert(value.text().to_owned());
            }
            "arguments" => value.array().iter().for_each(|part| tokens(part, told)),
            _ => {}
        }
    }
}

/// Each setting has one row with its default in the README, and one on the page of its family.
fn pages_and_server_name_the_same_settings(kind: Kind) {
    let server = Server::start(kind);
    let settings: Vec<_> = server
        .connect()
        .ask("CONFIG GET sluice.*")
        .pairs()
        .iter()
        .map(|(name, value)| (name.text().to_owned(), value.text().to_owned()))
        .collect();
    let rows = |page: &str| -> BTreeSet<(String, String)> {
        let rows = page.lines().filter(|line| line.starts_with("| `sluice."));
        let cells =
            rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`')).collect::<Vec<_>>());
        cells.map(|cells| (cells[1].to_owned(), cells[2].to_owned())).collect()
    };
    let expected: BTreeSet<_> = settings.iter().cloned().collect();
    assert_eq!(rows(&page("README.md")), expected, "README.md");
    assert_eq!(rows(&PAGES[1..].iter().map(|name| page(name)).collect::<String>()), expected, "docs/");
    for mentioned in quoted(&pages()).iter().filter(|text| text.starts_with("sluice.") && !text.contains('*'))
    {
        let name = mentioned.split(' ').next().unwrap();
        assert!(settings.iter().any(|(known, _)| known == name), "{mentioned} is no setting");
    }
}

/// The tables of counters on both pages are what INFO has.
fn pages_and_server_name_the_same_counters(kind: Kind) {
    let server = Server::start(kind);
    let info = server.connect().ask("INFO sluice");
    let told: BTreeSet<_> = info
        .text()
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.strip_prefix("sluice_")?.to_owned()))
        .collect();
    let mut said = BTreeSet::new();
    for name in &PAGES[1..] {
        let page = page(name);
        let table = page.lines().skip_while(|line| !line.starts_with("| counter |")).skip(2);
        for row in table.take_while(|line| line.starts_with('|')) {
            said.extend(row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    assert_eq!(said, told);
    for mentioned in quoted(&pages()).iter().filter_map(|text| text.strip_prefix("sluice_")) {
        assert!(mentioned.is_empty() || told.contains(mentioned), "sluice_{mentioned} is no counter");
    }
}

/// Every error of the code is on a page, and every error on a page is in the code. `...` stands for a word.
#[test]
fn pages_and_code_have_the_same_errors() {
    const CODES: [&str; 8] =
        ["ERR ", "WRONGTYPE ", "OOM ", "NOPERM ", "UNBLOCKED ", "TRYAGAIN ", "NOPOLICY ", "Cell error: "];
    let is_error = |text: &&String| CODES.iter().any(|code| text.starts_with(code));
    let said: Vec<_> = PAGES[1..].iter().flat_map(|name| quoted(&page(name))).collect();
    let said: BTreeSet<_> = said.iter().filter(is_error).cloned().collect();
    let told: BTreeSet<_> = CommandError::all()
        .flat_map(|error| names::ALL.iter().map(move |name| error.text(*name).to_str().unwrap().to_owned()))
        .collect();
    for text in &told {
        assert!(said.iter().any(|pattern| matches(pattern, text)), "no page has: {text}");
    }
    let in_a_text = CommandError::all().map(|error| TextError { policy: Some(2), error });
    let in_a_text = in_a_text.map(|error| error.text(names::RATELIMIT_POLICY_REPLACE).into_string().unwrap());
    let told: BTreeSet<_> = told.into_iter().chain(in_a_text).collect();
    for pattern in &said {
        assert!(told.iter().any(|text| matches(pattern, text)), "the code has no: {pattern}");
    }
}

/// Whether a text is what a pattern says, in which `...` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut rest = text;
    let parts: Vec<_> = pattern.split("...").collect();
    for (index, part) in parts.iter().enumerate() {
        let found = if index == 0 { rest.starts_with(part).then_some(0) } else { rest.find(part) };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || pattern.ends_with("...")
}
