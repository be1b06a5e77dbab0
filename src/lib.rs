//! Sluice, a module for Redis and Valkey: exact rate limits and honest locks inside the server.
//!
//! | file | duty |
//! |---|---|
//! | `commands/` | one file a command: its declaration beside what it does |
//! | `lock/` | the lock as a data type, a key that holds one, and those that wait |
//! | `server/` | the safe layer over the server's C API, the only unsafe code |
//! | `config`, `info`, `error` | settings, counters, the texts of errors |
//!
//! What a limit and a lock *mean* is decided in the crate `sluice-core`, which knows no server and no clock.
#![deny(unsafe_code)]

mod commands;
mod config;
mod error;
mod info;
mod lock;
mod server;

use std::ffi::CStr;

use server::{LoadError, Loading};

/// The module's name, before every setting and in `MODULE LIST`.
const NAME: &CStr = c"sluice";

/// The version as `MODULE LIST` shows it: 100 is 0.1.0, 10203 is 1.2.3.
const VERSION: i32 = 100;

/// All memory is the server's, so that `maxmemory` and `INFO memory` count it.
#[global_allocator]
static ALLOCATOR: redis_module::alloc::RedisAlloc = redis_module::alloc::RedisAlloc;

/// Registers everything with the server that loads us.
fn load(server: &mut Loading<'_>) -> Result<(), LoadError> {
    config::take_arguments(server.args())?;
    config::register(server)?;
    info::register(server)?;
    server.add_type::<sluice_core::lock::Lock>()?;
    server.add_events()?;
    commands::register(server)
}
