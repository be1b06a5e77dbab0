//! Hostile clients on real servers: what they do at random, and what must hold all the same.
//!
//! ```text
//! fuzz-wire fuzz        SERVER=valkey_9_1 SETTING=aof SEED=7 CALLS=200000
//! fuzz-wire memcheck    the same under valgrind, on Valkey
//! fuzz-wire leaks       KEYS=1000000: what is done ever so often leaves the memory as it was
//! fuzz-wire soak        SECONDS=3600
//! ```
//!
//! Every command of the module with words that have broken other programs, mixed with ordinary commands on the same few
//! keys, over each protocol and through everything that can call a command; and meanwhile clients that wait and are
//! ended, and an operator who changes settings and rights. What must hold: one reply a command, of a shape that the
//! command has; a server that lives, and whose log says nothing of a panic; values that are not ours as they were; nobody
//! left waiting; and a reload, a restart and a replica that have the same.
//!
//! | file | duty |
//! |---|---|
//! | `campaign` | one server in one setting: rounds of calls, and rests in which all is looked at |
//! | `setting` | what servers are set up as |
//! | `ours`, `strangers`, `operators` | the calls: of the module, of the server, of whoever runs it |
//! | `answers` | what the module's may be answered |
//! | `words`, `payloads` | what they are made of |
//! | `batch`, `manner`, `talker` | what is sent at once, how it is spelled, and that each is answered once |
//! | `waits` | clients that wait for a lock until something happens to them |
//! | `quiet`, `picture`, `foreign` | what must hold |
//! | `crowd` | many that wait for one lock, and leave in every way there is |
//! | `memcheck`, `leaks`, `soak`, `memory` | what is done to memory |
//! | `chance`, `trail`, `tally` | the same choices for the same seed; the last calls; the figures |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a run that cannot go on has found something, and says where; its figures are its output"
)]

mod answers;
mod batch;
mod campaign;
mod chance;
mod crowd;
mod foreign;
mod leaks;
mod manner;
mod memcheck;
mod memory;
mod operators;
mod options;
mod ours;
mod payloads;
mod picture;
mod quiet;
mod setting;
mod soak;
mod strangers;
mod talker;
mod tally;
mod trail;
mod waits;
mod words;

use std::time::Instant;

use campaign::Campaign;
use options::{Options, word};
use tally::Tally;

fn main() {
    let task = std::env::args().nth(1).unwrap_or_default();
    match task.as_str() {
        "fuzz" => fuzz(&Options::of_the_environment(200_000)),
        "memcheck" => memcheck::run(&Options::of_the_environment(12_000)),
        "leaks" => leaks::run(&Options::of_the_environment(0)),
        "soak" => soak::run(&Options::of_the_environment(0)),
        _ => panic!("fuzz, memcheck, leaks or soak?"),
    }
}

fn fuzz(options: &Options) {
    for kind in &options.servers {
        let (began, mut sum) = (Instant::now(), Tally::default());
        for setting in &options.settings {
            let calls = options.calls / options.settings.len() as u64;
            // The last that is said is what found something.
            eprintln!(
                "SERVER={} SETTING={} SEED={} CALLS={calls}",
                word(*kind),
                setting.name(),
                options.seed
            );
            sum.add(&Campaign::start(*kind, *setting, options.seed, &[]).run(calls));
        }
        println!("{}: {sum}, in {:.0} s, seed {}", kind.name(), began.elapsed().as_secs_f64(), options.seed);
    }
}
