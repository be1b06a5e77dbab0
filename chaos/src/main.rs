//! `make chaos`: servers crash, stop, fail over, move slots and change their clocks while clients take tokens and locks;
//! then it is checked whether what the clients were told can be true. One line of figures for each scenario and server.
//!
//! | folder | |
//! |---|---|
//! | `history/` | the checks: what clients were told, and what that may be. Pure; their tests feed them false histories |
//! | `load/` | the clients, and what they remember |
//! | `process/` | the processes that stand on the Rust client: this program, started once more |
//! | `scenario/` | what is broken, one file each |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a run that cannot go on has to stop, and its figures go to standard output"
)]

mod history;
mod load;
mod now;
mod options;
mod process;
mod scenario;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use clap::Parser;
use sluice_testing::Kind;

use options::{Command, Options, name};
use scenario::{Cell, Outcome, Scenario};

/// This many violations of a cell are told in full.
const TOLD: usize = 4;

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(Command::Process { url, seed }) = &options.command {
        process::run(url, *seed);
        return ExitCode::SUCCESS;
    }
    let (seed, began) = (options.seed(), Instant::now());
    let queue = Mutex::new(options.cells().into_iter());
    let red = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..options.jobs() {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some((scenario, kind)) = next else { return };
                    let cell = Cell::new(kind, seed, Instant::now() + options.share(scenario));
                    let outcome = catch_unwind(AssertUnwindSafe(|| scenario.run(&cell)));
                    let outcome = outcome.unwrap_or_else(|panic| Outcome::panicked(panic.as_ref()));
                    *red.lock().unwrap() += usize::from(!report(scenario, kind, seed, &outcome));
                }
            });
        }
    });
    let red = *red.lock().unwrap();
    println!(
        "seed {seed}, {} s: {}",
        began.elapsed().as_secs(),
        if red == 0 { "all kept" } else { "VIOLATED" }
    );
    if red == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what came of a cell. Whether all was kept.
fn report(scenario: Scenario, kind: Kind, seed: u64, outcome: &Outcome) -> bool {
    let mut text = format!("{:<11} {:<13} {}\n", scenario.name(), kind.name(), outcome.figures);
    for fault in outcome.faults.iter().take(TOLD) {
        text += &format!("VIOLATED: {fault}\n");
    }
    if !outcome.faults.is_empty() {
        let (faults, scenario, server) = (outcome.faults.len(), scenario.name(), name(kind));
        text += &format!(
            "{faults} violations in all; once more: make chaos ONLY={scenario} SERVER={server} SEED={seed}\n"
        );
    }
    print!("{text}");
    outcome.faults.is_empty()
}
