//! Sluice, a module for Redis and Valkey: exact rate limits and honest locks inside the server.
//!
//! | file | duty |
//! |---|---|
//! | `commands/` | one file a command: its declaration beside what it does |
//! | `limiter/` | a key that holds limits |
//! | `policies/` | limits with a name, and how replicas hear of them |
//! | `lock/` | a key that holds a lock, and those that wait for one |
//! | `config`, `counters` | settings, and the numbers of `INFO sluice` |
//! | `server/` | the safe layer over the server's C API, the only unsafe code; knows nobody above it |
//!
//! Each uses what stands below it in this list, and this file wires them up. What a limit and a lock
//! *mean* is decided in the crate `sluice-core`, which knows no server and no clock.
//! docs/architecture.md tells the whole.
#![deny(unsafe_code)]

mod commands;
mod config;
mod counters;
mod limiter;
mod lock;
mod policies;
mod server;

use std::ffi::CStr;

use lock::{due, evictions, rounds};
use policies::announce;
use server::{Events, Info, InfoSection, LoadError, Loading, Module};

/// All memory is the server's, so that `maxmemory` and `INFO memory` count it.
#[global_allocator]
static ALLOCATOR: redis_module::alloc::RedisAlloc = redis_module::alloc::RedisAlloc;

/// The module.
struct Sluice;

server::entry_points!(Sluice);

impl Module for Sluice {
    const NAME: &'static CStr = c"sluice";

    const VERSION: i32 = 200;

    fn load(server: &mut Loading<'_>) -> Result<(), LoadError> {
        config::take_arguments(server.args())?;
        config::register(server)?;
        policies::register(server)?;
        server.load_settings().inspect_err(|_| policies::forget())?;
        server.add_info::<Self>()?;
        server.add_type::<sluice_core::lock::Lock>()?;
        server.add_events::<Self>()?;
        commands::register(server)?;
        if server.replicas() > 0 {
            // Which of them have it, the server cannot tell.
            server::warn(
                "replicas are connected: each needs this module before the first lock is taken, or it lacks it",
            );
        }
        Ok(())
    }
}

/// What may free a lock that somebody waits for, or lose one that somebody holds; when to look after them; and who has yet
/// to hear of the policies.
impl Events for Sluice {
    fn flushed(db: Option<i32>) {
        due::look_soon_at_all(db);
    }

    fn swapped() {
        due::look_soon_at_all(None);
    }

    fn replica_online() {
        announce::soon();
    }

    fn cron(ctx: &server::Context<'_>) {
        rounds::cron(ctx);
        announce::cron(ctx);
    }

    fn evicted(db: i32, key: &[u8]) {
        evictions::evicted(db, key);
    }
}

impl Info for Sluice {
    const SECTIONS: &'static [InfoSection] = &[
        InfoSection { name: c"", fill: counters::write, in_crash_report: true },
        InfoSection { name: c"policies", fill: policies::info::write, in_crash_report: false },
    ];
}
