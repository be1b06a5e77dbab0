//! What is to be true of locks on servers that replace each other.

use std::io::ErrorKind;
use std::time::Duration;

use sluice_testing::{Client, Reply};

use super::void::Void;
use crate::history::{
    Call, Clock, Lease, Leases, Stopped, Told, answered_in_time, fences_grow, only_holders,
};

/// How much later than its BLOCK a wait may end: a busy machine, and the ends of pauses.
const BOUND_US: i64 = 2_000_000;

/// What a history of locks comes to.
pub(super) struct Verdict {
    pub(super) grants: usize,
    /// Calls that never got a reply.
    pub(super) unanswered: usize,
    /// Leases that met another holder and are excused, because one of both was in a void.
    pub(super) overlaps: usize,
    pub(super) faults: Vec<String>,
}

/// The checks of a history of servers that have the true time.
pub(super) fn judge(calls: &[Call], voids: &[Void], stops: &[Stopped]) -> Verdict {
    let clock = Clock::default();
    let leases = Leases::of(calls, &clock);
    let excused = |lease: &Lease<'_>| voids.iter().any(|void| void.covers(lease));
    let (mut overlaps, mut faults) = (0, Vec::new());
    for (lease, holding) in leases.too_many() {
        let certain: Vec<_> =
            holding.iter().filter(|lease| !excused(lease)).map(|lease| lease.call).collect();
        if excused(lease) || certain.len() < lease.holders {
            overlaps += 1;
            continue;
        }
        faults.push(format!("granted while others held it:\n  {:?}\n  {certain:?}", lease.call));
    }
    faults.extend(fences_grow(calls));
    faults.extend(only_holders(calls, &leases, excused));
    faults.extend(answered_in_time(calls, stops, BOUND_US));
    let unanswered = calls.iter().filter(|call| call.told == Told::Nothing).count();
    Verdict { grants: leases.all().count(), unanswered, overlaps, faults }
}

/// What those were told who waited without an end, on a server that has been replaced, for locks that others hold for
/// long: anything but nothing, and but a grant. How many were told.
pub(super) fn hear(waiters: &mut [Client], patience: Duration, faults: &mut Vec<String>) -> usize {
    let before = faults.len();
    for waiter in waiters.iter_mut() {
        waiter.set_patience(patience).unwrap();
        match waiter.try_read() {
            Err(error) if is_silence(&error) => faults.push("one who waits was told nothing".to_owned()),
            Ok(reply @ Reply::Array(_)) => {
                faults.push(format!("one who waits without an end was told {reply:?}"));
            }
            // An error that sends it away, or the end of the connection.
            _ => {}
        }
    }
    waiters.len() - (faults.len() - before)
}

/// Whether a reply did not come in time.
pub(super) fn is_silence(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
