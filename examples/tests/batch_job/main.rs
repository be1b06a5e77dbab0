//! The batch job as real processes, against Redis 8.2 and Valkey 9.1 and a partner that watches it.
//!
//! | file | promise |
//! |---|---|
//! | `overlap` | runs never overlap, calls keep their distance, every event arrives, merged |
//! | `crash` | after `kill -9` the next run waits for the lease at most, and nothing is lost |
//! | `fence` | a holder that was paused beyond its lease does no harm |
//! | `stop` | a lost lock and a signal stop a run, and what is left is left in order |
//! | `answers` | what the partner answers decides what becomes of the events |
//! | `command_line` | a wrong rate is said so that it can be put right |
//! | `companion` | the partner to play with refuses old fences |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod answers;
mod command_line;
mod companion;
mod crash;
mod fence;
mod overlap;
mod partner;
mod program;
mod scene;
mod stop;
