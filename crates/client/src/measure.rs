//! What is measured, by the `metrics` facade; nothing without the feature of that name.
//!
//! Keys are never among the labels: there may be as many of them as there are users.

use std::time::Duration;

use crate::decision::Decision;
use crate::error::Error;

/// Takes the table of what is measured: kind, name, unit, what it is.
macro_rules! measures {
    ($($constant:ident = $kind:ident $name:literal, $unit:ident, $what:literal;)+) => {
        $(#[cfg(feature = "metrics")] const $constant: &str = $name;)+

        /// Tells the recorder of the `metrics` facade the units and meanings of all that is measured here. Call it once
        /// the recorder is installed, if it shows descriptions.
        #[cfg(feature = "metrics")]
        pub fn describe_metrics() {
            $(measures!(@describe $kind $name, $unit, $what);)+
        }
    };
    (@describe counter $name:literal, $unit:ident, $what:literal) => {
        metrics::describe_counter!($name, metrics::Unit::$unit, $what);
    };
    (@describe gauge $name:literal, $unit:ident, $what:literal) => {
        metrics::describe_gauge!($name, metrics::Unit::$unit, $what);
    };
    (@describe histogram $name:literal, $unit:ident, $what:literal) => {
        metrics::describe_histogram!($name, metrics::Unit::$unit, $what);
    };
}

measures! {
    DECISIONS = counter "sluice_client_decisions_total", Count, "What limiters answered";
    WAIT = histogram "sluice_client_wait_seconds", Seconds, "For how long those who were granted waited for their turn";
    OUTAGES = counter "sluice_client_outages_total", Count, "Calls of limiters that the server did not answer";
    BREAKER_OPENED = counter "sluice_client_breaker_opened_total", Count, "How often a limiter stopped asking a silent server";
    BREAKERS_OPEN = gauge "sluice_client_breakers_open", Count, "Limiters that wait for a silent server";
    ROUND_TRIP = histogram "sluice_client_round_trip_seconds", Seconds, "From a command to its answer";
    ATTEMPTS = counter "sluice_client_lock_attempts_total", Count, "What attempts to take a lock came to";
    HELD = gauge "sluice_client_locks_held", Count, "Guards that are there";
    LOST = counter "sluice_client_locks_lost_total", Count, "Locks that were lost, or whose lease ended before the guard was gone";
    RENEWALS = counter "sluice_client_lock_renewals_total", Count, "What renewals of leases came to";
}

/// A limiter has answered.
pub(crate) fn decided(decision: &Decision) {
    let outcome = match decision {
        Decision::Granted { .. } => "granted",
        Decision::Forced { .. } => "forced",
        Decision::Denied { .. } => "denied",
        Decision::Never { .. } => "never",
        Decision::Unchecked => "unchecked",
    };
    #[cfg(feature = "metrics")]
    metrics::counter!(DECISIONS, "outcome" => outcome).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = outcome;
}

/// Somebody who was granted goes ahead, having waited for so long.
pub(crate) fn waited(time: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(WAIT).record(time);
    #[cfg(not(feature = "metrics"))]
    let _ = time;
}

/// A limiter was not answered.
pub(crate) fn outage(error: &Error) {
    let cause = match error {
        Error::NotServing(_) => "not_serving",
        Error::NotAsked { .. } => "not_asked",
        Error::TimedOut(_) => "timed_out",
        _ => "unreachable",
    };
    #[cfg(feature = "metrics")]
    metrics::counter!(OUTAGES, "cause" => cause).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = cause;
}

/// A breaker has opened, or closed.
pub(crate) fn breaker(opened: bool) {
    #[cfg(feature = "metrics")]
    {
        let open = metrics::gauge!(BREAKERS_OPEN);
        if opened {
            metrics::counter!(BREAKER_OPENED).increment(1);
            open.increment(1.0);
        } else {
            open.decrement(1.0);
        }
    }
    #[cfg(not(feature = "metrics"))]
    let _ = opened;
}

/// Something that takes a time until it is answered.
pub(crate) struct RoundTrip {
    #[cfg(feature = "metrics")]
    began: tokio::time::Instant,
}

impl RoundTrip {
    pub(crate) fn begin() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            began: tokio::time::Instant::now(),
        }
    }

    /// The server has answered this command.
    pub(crate) fn end(self, command: &redis::Cmd) {
        #[cfg(feature = "metrics")]
        {
            let family = match command.args_iter().next() {
                Some(redis::Arg::Simple(name)) if name.starts_with(b"RATELIMIT.") => "limit",
                Some(redis::Arg::Simple(name)) if name.starts_with(b"LOCK.") => "lock",
                _ => "other",
            };
            metrics::histogram!(ROUND_TRIP, "family" => family).record(self.began.elapsed());
        }
        #[cfg(not(feature = "metrics"))]
        let _ = command;
    }
}

/// What an attempt to take a lock came to.
pub(crate) fn attempted(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(ATTEMPTS, "outcome" => outcome).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = outcome;
}

/// A guard has come, or gone.
pub(crate) fn held(is_there: bool) {
    #[cfg(feature = "metrics")]
    metrics::gauge!(HELD).increment(if is_there { 1.0 } else { -1.0 });
    #[cfg(not(feature = "metrics"))]
    let _ = is_there;
}

/// A lock was lost.
pub(crate) fn lost() {
    #[cfg(feature = "metrics")]
    metrics::counter!(LOST).increment(1);
}

/// What a renewal came to.
pub(crate) fn renewed(outcome: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(RENEWALS, "outcome" => outcome).increment(1);
    #[cfg(not(feature = "metrics"))]
    let _ = outcome;
}
