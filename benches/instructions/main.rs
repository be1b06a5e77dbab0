//! Instructions a command, the server's own included: counted by callgrind, so that they are the same on a busy
//! machine and a quiet one. Each figure is the difference between a long and a short run, divided by the commands between.
//!
//! ```text
//! make bench-instructions             the table; fails if a gated figure is over 5 % above the committed one
//! make bench-instructions UPDATE=1    commits to the figures of this run
//! cargo bench -p sluice-benches --bench instructions -- granted    only those with the word in their names, and no verdict
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has to stop, and its figures go to standard output"
)]

mod callgrind;
mod contenders;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use contenders::CONTENDERS;

type Figures = BTreeMap<String, u64>;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let measured = measure(|name| words.is_empty() || words.iter().any(|word| name.contains(word.as_str())));
    let committed: Figures =
        serde_json::from_str(&fs::read_to_string(file()).unwrap_or("{}".into())).unwrap();
    println!("Instructions a command on Redis 8.2.3, pipelines of 50, over a unix socket\n");
    println!("| command | instructions | of the same in bare C | committed | change |");
    println!("|---|--:|--:|--:|--:|");
    let mut too_many = Vec::new();
    for contender in CONTENDERS {
        let Some(&figure) = measured.get(contender.name) else { continue };
        let ratio = |of: Option<&u64>| of.map(|of| figure as f64 / *of as f64);
        let floor = ratio(contender.floor.and_then(|floor| measured.get(floor)));
        let change = ratio(committed.get(contender.name));
        println!(
            "| {} | {figure} | {} | {} | {} |",
            contender.name,
            floor.map_or_else(String::new, |ratio| format!("{ratio:.3}")),
            committed.get(contender.name).map_or_else(String::new, u64::to_string),
            change.map_or_else(String::new, |ratio| format!("{:+.1} %", (ratio - 1.0) * 100.0)),
        );
        if contender.gated && change.is_none_or(|ratio| ratio > 1.05) {
            too_many.push(contender.name);
        }
        let of_another = contender.at_most.and_then(|(name, most)| Some((ratio(measured.get(name))?, most)));
        if of_another.is_some_and(|(ratio, most)| ratio > most) {
            too_many.push(contender.name);
        }
    }
    if !words.is_empty() {
        return ExitCode::SUCCESS;
    }
    if std::env::var("UPDATE").is_ok_and(|value| !value.is_empty()) {
        fs::write(file(), serde_json::to_string_pretty(&measured).unwrap() + "\n").unwrap();
        println!("\ncommitted to these figures: {}", file().display());
    } else if !too_many.is_empty() {
        println!(
            "\nFAILED: over 5 % more than the committed figure, or none is committed, or over the part that it may be of another: {}",
            too_many.join(", ")
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions/committed.json")
}

/// All of them, as many at a time as there are processors: the counts do not mind.
fn measure(wanted: impl Fn(&str) -> bool) -> Figures {
    let contenders: Vec<_> = CONTENDERS.iter().filter(|contender| wanted(contender.name)).collect();
    let (next, figures) = (AtomicUsize::new(0), Mutex::new(Figures::new()));
    let work = || {
        while let Some(contender) = contenders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let figure = callgrind::count(contender);
            figures.lock().unwrap().insert(contender.name.into(), figure);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    figures.into_inner().unwrap()
}
