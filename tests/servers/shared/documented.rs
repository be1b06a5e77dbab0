//! What the server can tell of a command: COMMAND INFO, DOCS and GETKEYS.

use std::collections::BTreeSet;

use sluice_testing::{Client, Reply};

/// The docs of a command say what every command's docs say, and show these arguments.
#[track_caller]
pub(crate) fn assert_documented(client: &mut Client, name: &str, since: &str, arguments: &str) {
    let docs = docs(client, name);
    let text = |field: &str| get(&docs, field).text().to_owned();
    assert!(text("summary").len() > 20 && text("summary").ends_with('.'), "{docs:?}");
    assert_eq!(text("since"), since, "{name}");
    assert!(text("complexity").starts_with("O("), "{docs:?}");
    assert_eq!(text("module"), "sluice");
    let shown: Vec<_> = get(&docs, "arguments").array().iter().map(show).collect();
    assert_eq!(shown.join(" "), arguments, "{name}");
}

/// The server finds the key of a call with these words behind it, and what becomes of it.
#[track_caller]
pub(crate) fn assert_key_is_told(client: &mut Client, name: &str, words: &[&str], writes: bool) {
    let ask = |what| [&["COMMAND", what, name, "\0key"], words].concat();
    assert_eq!(texts(&client.call(&ask("GETKEYS"))), BTreeSet::from(["\0key".to_owned()]), "{name}");
    let keys = client.call(&ask("GETKEYSANDFLAGS"));
    let key = keys.array()[0].array();
    assert_eq!(key[0].text(), "\0key");
    assert_eq!(texts(&key[1]), set(if writes { "RW access update" } else { "RO access" }), "{name}");
}

pub(crate) fn docs(client: &mut Client, name: &str) -> Vec<(Reply, Reply)> {
    client.call(&["COMMAND", "DOCS", name]).pairs()[0].1.pairs()
}

#[track_caller]
pub(crate) fn get<'a>(pairs: &'a [(Reply, Reply)], field: &str) -> &'a Reply {
    find(pairs, field).unwrap_or_else(|| panic!("no {field} in {pairs:?}"))
}

pub(crate) fn find<'a>(pairs: &'a [(Reply, Reply)], field: &str) -> Option<&'a Reply> {
    pairs.iter().find(|(name, _)| name.text() == field).map(|(_, value)| value)
}

/// An argument as a line of documentation has it.
fn show(arg: &Reply) -> String {
    let arg = arg.pairs();
    let parts =
        |between| find(&arg, "arguments").unwrap().array().iter().map(show).collect::<Vec<_>>().join(between);
    let body = match get(&arg, "type").text() {
        "oneof" => format!("<{}>", parts(" | ")),
        "block" => format!("{{{}}}", parts(" ")),
        "pure-token" => String::new(),
        "key" | "integer" | "string" => get(&arg, "name").text().to_owned(),
        other => panic!("{other}"),
    };
    let token = find(&arg, "token").map_or("", Reply::text);
    let whole = format!("{token} {body}").trim().to_owned();
    let flags = find(&arg, "flags").map(texts).unwrap_or_default();
    let whole = if flags.contains("multiple") { format!("{whole}...") } else { whole };
    if flags.contains("optional") { format!("[{whole}]") } else { whole }
}

/// The words of a line, whatever their order.
pub(crate) fn set(line: &str) -> BTreeSet<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// The texts of a list, whatever their order.
pub(crate) fn texts(list: &Reply) -> BTreeSet<String> {
    list.array().iter().map(|item| item.text().to_owned()).collect()
}
