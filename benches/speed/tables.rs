//! The results as Markdown.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::contenders::{ACQUIRE, LIMITER, SET_PX, STRING};
use crate::footprint::Memory;
use crate::results::{Comparison, Results, ServerResults, SettingResults};
use crate::setting::Setting;
use crate::summary::Summary;
use crate::throughput::Measured;

/// A limiter key may take so many times the bytes of a plain string, and a refused or granted call may take
/// so many times as long at its slowest.
const MEMORY_GOAL: f64 = 1.15;
const LATENCY_GOAL: f64 = 1.2;

/// The whole report, of all that has been measured so far.
pub(crate) fn markdown(results: &Results) -> String {
    let Results { machine, keys, rounds, servers } = results;
    let mut out = format!("{machine}. {keys} keys, medians of {rounds} rounds (lowest–highest).\n");
    section(&mut out, "What was promised, for Redis 8.2.3", &promises(servers));
    for server in servers {
        for setting in &server.settings {
            let title = format!("{}, {}", server.name, setting.setting.title());
            section(&mut out, &title, &throughput(&server.comparisons, setting));
        }
        if let Some(rate) = server.latency_rate {
            let title = format!("{}, latency at {rate:.0} requests a second", server.name);
            section(&mut out, &title, &latency(server));
        }
    }
    let over_all = [("Memory", memory(servers)), ("Many keys", growth(servers))];
    for (title, table) in over_all.into_iter().filter(|(_, table)| table.row_count() > 0) {
        section(&mut out, title, &table);
    }
    out
}

fn section(out: &mut String, title: &str, table: &Table) {
    writeln!(out, "\n### {title}\n").unwrap();
    for (row, line) in table.lines().enumerate() {
        // The second line is the rule below the head: a colon there puts a column to the right.
        let line = if row == 1 { line.replace("-|", ":|").replacen(":|", "-|", 1) } else { line };
        writeln!(out, "{line}").unwrap();
    }
}

/// A table whose first column alone stands to the left.
fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(head);
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// All goals, those of speed first. A column for each server; the goals are set for the first alone.
fn promises(servers: &[ServerResults]) -> Table {
    let names =
        servers.iter().flat_map(|it| [format!("{}, by the clock", it.name), "by processor time".into()]);
    let head: Vec<_> = ["ratio".to_owned(), "goal".to_owned()].into_iter().chain(names).collect();
    let mut table = table(&head.iter().map(String::as_str).collect::<Vec<_>>());
    let none = || "–".to_owned();
    for (row, comparison) in servers[0].comparisons.iter().enumerate() {
        let Some(goal) = comparison.goal else { continue };
        let Comparison { name, yardstick, .. } = comparison;
        let mut cells = vec![format!("{name} / {yardstick}"), format!("≥ {goal}")];
        for server in servers {
            let setting = server.setting(Setting::Pipeline);
            let comparison = &server.comparisons[row];
            let text = |of: fn(&SettingResults, &Comparison) -> Option<Summary>| {
                setting.and_then(|it| of(it, comparison)).map_or_else(none, |ratio| ratio.text(2))
            };
            cells.extend([text(SettingResults::ratio), text(SettingResults::cpu_ratio)]);
        }
        table.add_row(cells);
    }
    let mut without_cpu = |name: String, goal: String, of: &dyn Fn(&ServerResults) -> Option<String>| {
        let measured = servers.iter().flat_map(|server| [of(server).unwrap_or_else(none), none()]);
        table.add_row([name, goal].into_iter().chain(measured).collect::<Vec<_>>());
    };
    without_cpu(format!("memory of {LIMITER} / {STRING}"), format!("≤ {MEMORY_GOAL}"), &|server| {
        Some(format!("{:.2}", bytes(server, LIMITER)? / bytes(server, STRING)?))
    });
    for name in servers[0].latencies.iter().map(|it| &it.name) {
        if name.starts_with("RATELIMIT") || name.starts_with("LOCK") {
            without_cpu(format!("p99.9 of {name} / {SET_PX}"), format!("≤ {LATENCY_GOAL}"), &|server| {
                slowest(server, name).map(|ratio| ratio.text(2))
            });
        }
    }
    without_cpu(format!("growth of the cost of {ACQUIRE} / {SET_PX}"), "≤ 1".to_owned(), &|server| {
        let (few, many) = (server.growth.first()?, server.growth.last()?);
        let growth = |of: fn(&crate::footprint::Growth) -> f64| of(many) / of(few);
        Some(format!("{:.2}", growth(|it| it.acquire.median) / growth(|it| it.set_px.median)))
    });
    table
}

/// The p99.9 of a contender beside that of a plain SET, round by round.
fn slowest(server: &ServerResults, name: &str) -> Option<Summary> {
    let of = |name: &str| server.latencies.iter().find(|it| it.name == name);
    let rounds = of(name)?.rounds.iter().zip(&of(SET_PX)?.rounds);
    Some(Summary::of(rounds.map(|(own, set)| own.p999 / set.p999)))
}

fn bytes(server: &ServerResults, state: &str) -> Option<f64> {
    server.memory.iter().find(|it| it.state == state)?.bytes_a_key
}

fn throughput(comparisons: &[Comparison], setting: &SettingResults) -> Table {
    let persisted = [Setting::Aof, Setting::Replica].contains(&setting.setting);
    let head = [
        "operation",
        "ratio by the clock",
        "by processor time",
        "to",
        "thousand a second",
        "server's ns each",
        "server busy",
        "effects each",
    ];
    let columns = head.len() - usize::from(!persisted);
    let mut table = table(&head[..columns]);
    for comparison in comparisons {
        let Some(measured) = setting.of(&comparison.name) else { continue };
        let alone = comparison.name == comparison.yardstick;
        if setting.of(&comparison.yardstick).is_none() {
            continue;
        }
        let text = |ratio: Option<Summary>| match ratio {
            Some(ratio) if !alone => ratio.text(2),
            _ => "–".to_owned(),
        };
        let row = [
            comparison.name.clone(),
            text(setting.ratio(comparison)),
            text(setting.cpu_ratio(comparison)),
            if alone { "–" } else { &comparison.yardstick }.to_owned(),
            measured.summary(|pass| pass.a_second() / 1000.0).text(0),
            format!("{:.0}", measured.summary(|pass| pass.cpu_ns()).median),
            format!("{:.0} %", 100.0 * measured.summary(|pass| pass.busy()).median),
            effects(measured),
        ];
        table.add_row(row.into_iter().take(columns));
    }
    table
}

/// `1.00 SET + 0.50 DEL`
fn effects(measured: &Measured) -> String {
    let each = measured.effects.iter().map(|it| format!("{:.2} {}", it.each, it.command));
    let all = each.collect::<Vec<_>>().join(" + ");
    if all.is_empty() { "none".to_owned() } else { all }
}

fn latency(server: &ServerResults) -> Table {
    let mut table = table(&[
        "operation",
        "p99.9, ratio to SET k v PX",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "sent late, p99.9 µs",
    ]);
    for latency in &server.latencies {
        table.add_row([
            latency.name.clone(),
            slowest(server, &latency.name).map(|ratio| ratio.text(2)).unwrap_or_default(),
            latency.summary(|it| it.p50).text(0),
            latency.summary(|it| it.p99).text(0),
            latency.summary(|it| it.p999).text(0),
            latency.summary(|it| it.sent_late_p999).text(0),
        ]);
    }
    table
}

fn memory(servers: &[ServerResults]) -> Table {
    let mut table = table(&["server", "a key with", "ratio to the string", "bytes a key", "keys"]);
    for server in servers {
        for measured in &server.memory {
            let Memory { state, keys, left, bytes_a_key } = measured;
            let ratio = bytes_a_key.zip(bytes(server, STRING)).map(|(own, string)| own / string);
            table.add_row([
                server.name.clone(),
                state.clone(),
                ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")),
                bytes_a_key.map_or_else(|| "–".to_owned(), |bytes| format!("{bytes:.1}")),
                if left < keys { format!("{left} left of {keys}") } else { keys.to_string() },
            ]);
        }
    }
    table
}

fn growth(servers: &[ServerResults]) -> Table {
    let mut table =
        table(&["server", "keys", "SET k v PX, server's ns each", "RATELIMIT.ACQUIRE, granted", "ratio"]);
    for server in servers {
        for at in &server.growth {
            table.add_row([
                server.name.clone(),
                at.keys.to_string(),
                at.set_px.text(0),
                at.acquire.text(0),
                format!("{:.2}", at.acquire.median / at.set_px.median),
            ]);
        }
    }
    table
}
