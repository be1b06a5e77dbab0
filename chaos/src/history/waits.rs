//! Nobody waits for ever: whoever waits is answered, or sent away, within BLOCK and a bound.

use super::{Asked, Call};

/// A server answered nobody in this time: stopped, or not there. Unix µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopped {
    pub(crate) node: u16,
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
}

/// Calls that ended later than their BLOCK and `bound_us` after it, or after their server went on.
pub(crate) fn answered_in_time(calls: &[Call], stops: &[Stopped], bound_us: i64) -> Vec<String> {
    let waits = calls.iter().filter_map(|call| match call.asked {
        Asked::Take { block_ms, .. } => Some((call, block_ms.unwrap_or(0) * 1000)),
        _ => None,
    });
    let late = waits.filter_map(|(call, block_us)| {
        let mut due_us = call.invoked_us + block_us;
        for stop in stops.iter().filter(|stop| stop.node == call.node) {
            if stop.from_us <= due_us + bound_us && call.invoked_us <= stop.to_us {
                due_us = due_us.max(stop.to_us);
            }
        }
        let late_ms = (call.ended_us - due_us) / 1000;
        (call.ended_us > due_us + bound_us).then(|| format!("{late_ms} ms late:\n  {call:?}"))
    });
    late.collect()
}

#[cfg(test)]
mod tests {
    use super::super::Told;
    use super::super::written::take;
    use super::*;

    fn wait(ended_us: i64) -> [Call; 1] {
        let asked = Asked::Take { lease_ms: 1, holders: 1, block_ms: Some(1000) };
        [Call { asked, told: Told::Nothing, ..take(0, 0, ended_us, 1) }]
    }

    #[test]
    fn a_wait_beyond_its_end_is_found() {
        assert_eq!(answered_in_time(&wait(1_500_000), &[], 500_000), [""; 0]);
        let late = answered_in_time(&wait(1_501_000), &[], 500_000);
        assert!(late[0].starts_with("501 ms late"), "{late:?}");
    }

    #[test]
    fn a_server_that_stands_still_answers_when_it_goes_on() {
        let stop = Stopped { node: 7001, from_us: 900_000, to_us: 9_000_000 };
        assert_eq!(answered_in_time(&wait(9_400_000), &[stop], 500_000), [""; 0]);
        assert_eq!(answered_in_time(&wait(9_600_000), &[stop], 500_000).len(), 1);
        assert_eq!(answered_in_time(&wait(9_400_000), &[Stopped { node: 7002, ..stop }], 500_000).len(), 1);
        assert_eq!(
            answered_in_time(&wait(9_400_000), &[Stopped { from_us: 2_000_000, ..stop }], 500_000).len(),
            1
        );
    }
}
