//! Limits with a name: RATELIMIT.POLICY, `@name` in a call, and the setting.

mod calls;
mod cases;
mod changes;
mod errors;
mod introspection;
mod nodes;
mod replicas;
mod rights;
mod setting;
mod shadow;

use sluice_testing::{Client, Server, Setup, words};

/// A call whose words may be quoted, answered by an integer.
#[track_caller]
pub(crate) fn int(client: &mut Client, line: &str) -> i64 {
    client.call(&words(line)).int()
}

/// All policies of a server as one text, the way its setting shows it.
#[track_caller]
pub(crate) fn table(server: &Server) -> String {
    let setting = server.ask("CONFIG GET sluice.policies");
    setting.pairs()[0].1.text().to_owned()
}

/// `LIMIT ...; granted, refused, shadow`
#[track_caller]
pub(crate) fn shown(client: &mut Client, name: &str) -> String {
    let shown = client.call(&["RATELIMIT.POLICY", "GET", name]);
    let pairs = shown.pairs();
    let names: Vec<_> = pairs.iter().map(|(name, _)| name.text().to_owned()).collect();
    assert_eq!(names, ["limits", "granted", "refused", "shadow"]);
    let counts: Vec<_> = pairs[1..].iter().map(|(_, count)| count.int().to_string()).collect();
    format!("{}; {}", pairs[0].1.text(), counts.join(", "))
}

/// The lines of ours in the configuration file of a server that has rewritten it.
pub(crate) fn rewritten(server: &Server) -> Vec<String> {
    let file = std::fs::read_to_string(server.dir().join("server.conf")).unwrap();
    let ours = file.lines().filter(|line| line.starts_with("loadmodule ") || line.starts_with("sluice."));
    ours.map(str::to_owned).collect()
}

/// A server with these lines of ours: the harness writes the whole file anew at each start.
pub(crate) fn with_lines(setup: Setup, lines: &[String]) -> Setup {
    lines.iter().fold(setup.without_module(), |setup, line| setup.config(line))
}
