//! How replicas hear of the policies: the whole table, as `RATELIMIT.POLICY REPLACE`, at every change and whenever one of
//! them comes online.
//!
//! A command sends it behind itself. Settings and events cannot; there an alarm does, a millisecond later, and the
//! server's regular jobs if the alarm does not ring, as alarms sleep through a clock that is set back. It is put off
//! while clients are paused, as any write then stops the server, and left out on a replica, whose policies are its
//! primary's.
//!
//! A server that has had no policy since its start sends none: replicas without the module hear of them only where they
//! are used.

use std::sync::atomic::{AtomicBool, Ordering};

use sluice_core::grammar::names;

use super::table;
use crate::server::{Context, Timer, Token};

/// Whether replicas have yet to hear of something.
static DUE: AtomicBool = AtomicBool::new(false);

/// Whether an alarm is set.
static ALARM: AtomicBool = AtomicBool::new(false);

/// Whether the server has done its regular jobs once, and so has loaded us for good: no alarm may outlive a load that
/// fails.
static LOADED: AtomicBool = AtomicBool::new(false);

/// Whether there has been any policy since the start.
static USED: AtomicBool = AtomicBool::new(false);

/// How long the alarm takes; and again, while clients are paused.
const SOON_MS: u64 = 1;
const PAUSED_MS: u64 = 10;

/// What the alarm is set for. There is one.
#[derive(Clone, Copy)]
struct Announcement;

impl Token for Announcement {
    fn number(self) -> u64 {
        0
    }

    fn of_number(_: u64) -> Self {
        Self
    }

    fn ring(self, ctx: &Context<'_>) {
        ALARM.store(false, Ordering::Relaxed);
        if DUE.load(Ordering::Relaxed) {
            catch_up(ctx);
        }
    }
}

/// Sends the policies behind the command that is running. On a replica nothing comes of it.
pub(crate) fn now(ctx: &Context<'_>) {
    let text = table::text();
    if !text.is_empty() {
        USED.store(true, Ordering::Relaxed);
    }
    if !USED.load(Ordering::Relaxed) || ctx.is_replica() {
        return;
    }
    if let Some(second) = names::RATELIMIT_POLICY_REPLACE.second() {
        ctx.replicate_to_replicas(names::RATELIMIT_POLICY.upper(), second, text.as_bytes());
    }
}

/// Sends them when the server is at leisure.
pub(crate) fn soon() {
    DUE.store(true, Ordering::Relaxed);
    if LOADED.load(Ordering::Relaxed) {
        set_alarm(SOON_MS);
    }
}

/// As often as the server does its regular jobs.
pub(crate) fn cron(ctx: &Context<'_>) {
    LOADED.store(true, Ordering::Relaxed);
    if DUE.load(Ordering::Relaxed) {
        catch_up(ctx);
    }
}

fn set_alarm(ms: u64) {
    if !ALARM.swap(true, Ordering::Relaxed) {
        Timer::set(ms, Announcement);
    }
}

fn catch_up(ctx: &Context<'_>) {
    if ctx.is_paused() {
        set_alarm(PAUSED_MS);
        return;
    }
    DUE.store(false, Ordering::Relaxed);
    now(ctx);
}
