//! The numbers of `INFO sluice`. No per-key data: a key is looked at with `RATELIMIT.INFO`.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};

use sluice_core::limit::call::{Mode, NEVER, Notes, Verdict};
use sluice_core::limit::holding::Held;
use sluice_core::throttle;

use crate::server::InfoFields;

/// One number. Commands run under the server's global lock, so a load and a store will do.
pub(crate) struct Counter {
    name: &'static CStr,
    value: AtomicU64,
}

impl Counter {
    const fn new(name: &'static CStr) -> Self {
        Self { name, value: AtomicU64::new(0) }
    }

    /// Counts some.
    pub(crate) fn add(&self, count: u64) {
        self.set(self.get() + count);
    }

    /// Sets it, where it goes up and down.
    pub(crate) fn set(&self, value: u64) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// What it is.
    pub(crate) fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    fn add_if(&self, happened: bool) {
        if happened {
            self.add(1);
        }
    }
}

/// ACQUIREs that got something.
static GRANTED: Counter = Counter::new(c"granted");
/// ACQUIREs that got nothing.
static REFUSED: Counter = Counter::new(c"refused");
/// Of the refused: those that can never be granted.
static NEVER_GRANTED: Counter = Counter::new(c"never");
/// Of the granted: those with PARTIAL.
static PARTIAL: Counter = Counter::new(c"partial");
/// Of the granted: those with FORCE.
static FORCED: Counter = Counter::new(c"forced");
/// Of the granted: those that have to wait for their turn.
static RESERVED: Counter = Counter::new(c"reserved");
/// RETURNs that gave something back.
static RETURNED: Counter = Counter::new(c"returned");
/// Calls that found something further ahead than any queue, debt or hold can be, and cut it: the
/// clock was set back, or a setting was lowered.
static REPAIRED: Counter = Counter::new(c"repaired");
/// Limits that joined beside others that differ from them.
static MIXED: Counter = Counter::new(c"mixed");
/// Limits that had to go because a key knows at most eight.
static FORGOTTEN: Counter = Counter::new(c"forgotten");
/// FORCEs of which a part was forgiven.
static DEBT_CUT: Counter = Counter::new(c"debt_cut");
/// Of the refused: those that only a hold stood in the way of.
static HELD: Counter = Counter::new(c"held");

/// Of the granted: those that only the shadow mode of a policy let pass.
static SHADOW: Counter = Counter::new(c"shadow");

/// CL.THROTTLEs that got what they asked for.
static THROTTLE_GRANTED: Counter = Counter::new(c"throttle_granted");
/// CL.THROTTLEs that got nothing.
static THROTTLE_REFUSED: Counter = Counter::new(c"throttle_refused");

/// Leases granted, at once or after a wait.
pub(crate) static LOCK_GRANTED: Counter = Counter::new(c"lock_granted");
/// TRYs that were not granted, and ACQUIREs that did not wait and were not granted.
pub(crate) static LOCK_REFUSED: Counter = Counter::new(c"lock_refused");
/// Leases ended by RELEASE.
pub(crate) static LOCK_RELEASED: Counter = Counter::new(c"lock_released");
/// RELEASEs by an owner that held nothing.
pub(crate) static LOCK_STALE_RELEASES: Counter = Counter::new(c"lock_stale_releases");
/// EXTENDs by an owner that held nothing.
pub(crate) static LOCK_STALE_EXTENSIONS: Counter = Counter::new(c"lock_stale_extensions");
/// Leases found to have ended by time, in a key that was still there.
pub(crate) static LOCK_ENDED: Counter = Counter::new(c"lock_ended_leases");
/// Locks that the server evicted.
pub(crate) static LOCK_EVICTED: Counter = Counter::new(c"lock_evicted");
/// Waits that ended by their BLOCK time, or by CLIENT UNBLOCK.
pub(crate) static LOCK_WAIT_TIMEOUTS: Counter = Counter::new(c"lock_wait_timeouts");

/// Grants that were taken back because the client was gone, or was told something else, before it heard of them.
pub(crate) static LOCK_UNDELIVERED: Counter = Counter::new(c"lock_undelivered");

/// How many wait for a lock now.
pub(crate) static LOCK_WAITING: Counter = Counter::new(c"lock_waiting");

static COUNTERS: [&Counter; 25] = [
    &GRANTED,
    &REFUSED,
    &NEVER_GRANTED,
    &PARTIAL,
    &FORCED,
    &RESERVED,
    &RETURNED,
    &REPAIRED,
    &MIXED,
    &FORGOTTEN,
    &DEBT_CUT,
    &HELD,
    &SHADOW,
    &THROTTLE_GRANTED,
    &THROTTLE_REFUSED,
    &LOCK_GRANTED,
    &LOCK_REFUSED,
    &LOCK_RELEASED,
    &LOCK_STALE_RELEASES,
    &LOCK_STALE_EXTENSIONS,
    &LOCK_ENDED,
    &LOCK_EVICTED,
    &LOCK_WAIT_TIMEOUTS,
    &LOCK_UNDELIVERED,
    &LOCK_WAITING,
];

/// Counts an ACQUIRE.
pub(crate) fn count_acquire(mode: Mode, verdict: &Verdict) {
    let granted = verdict.reply.granted > 0;
    GRANTED.add_if(granted);
    REFUSED.add_if(!granted);
    NEVER_GRANTED.add_if(!granted && verdict.reply.wait_ms == NEVER);
    PARTIAL.add_if(granted && mode == Mode::Partial);
    FORCED.add_if(granted && mode == Mode::Force);
    RESERVED.add_if(granted && matches!(mode, Mode::Wait(_)) && verdict.reply.wait_ms > 0);
    count_notes(&verdict.notes);
}

/// Counts a RETURN.
pub(crate) fn count_return(verdict: &Verdict) {
    RETURNED.add_if(verdict.reply.granted > 0);
    count_notes(&verdict.notes);
}

/// Counts a CL.THROTTLE.
pub(crate) fn count_throttle(reply: &throttle::Reply) {
    THROTTLE_GRANTED.add_if(!reply.limited);
    THROTTLE_REFUSED.add_if(reply.limited);
}

/// Counts what came of HOLD.
pub(crate) fn count_hold(held: &Held) {
    REPAIRED.add_if(held.repaired);
    FORGOTTEN.add(held.forgotten.into());
}

fn count_notes(notes: &Notes) {
    if *notes == Notes::default() {
        return; // nearly always
    }
    REPAIRED.add_if(notes.repaired);
    MIXED.add(notes.mixed.into());
    FORGOTTEN.add(notes.forgotten.into());
    DEBT_CUT.add_if(notes.debt_cut);
    HELD.add_if(notes.held);
    SHADOW.add_if(notes.shadow);
}

/// Writes the section.
pub(crate) fn write(fields: &InfoFields) {
    for counter in COUNTERS {
        fields.number(counter.name, counter.get());
    }
}
