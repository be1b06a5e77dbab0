//! Only who holds a lock extends or releases it, and who surely holds it is never refused.

use std::collections::HashMap;

use super::{Asked, Call, Lease, Leases, Told};

/// What contradicts that. The leases of which nothing is to be said, because a server lost them, are `excused`.
pub(crate) fn only_holders(
    calls: &[Call],
    leases: &Leases<'_>,
    excused: impl Fn(&Lease<'_>) -> bool,
) -> Vec<String> {
    let granted: HashMap<_, _> =
        leases.all().map(|lease| ((lease.call.key, lease.call.owner), lease)).collect();
    let mut in_doubt: Vec<(usize, u64)> = calls
        .iter()
        .filter(|call| matches!((call.asked, &call.told), (Asked::Take { .. }, Told::Nothing)))
        .map(|call| (call.key, call.owner))
        .collect();
    in_doubt.sort_unstable();
    let mut faults = Vec::new();
    for call in calls {
        let (done, fence) = match (call.asked, &call.told) {
            (Asked::Extend { .. }, Told::Held(fence)) => (true, Some(*fence)),
            (Asked::Release, Told::Ended(done)) => (*done, None),
            (Asked::Extend { .. }, Told::Refused) => (false, None),
            _ => continue,
        };
        let Some(lease) = granted.get(&(call.key, call.owner)).copied() else {
            if done && in_doubt.binary_search(&(call.key, call.owner)).is_err() {
                faults.push(format!("done for one who was never granted it:\n  {call:?}"));
            }
            continue;
        };
        if excused(lease) {
            continue;
        }
        if !done {
            if leases.surely_holds(lease, call.invoked_us, call.ended_us) {
                faults.push(format!("the holder was refused:\n  {:?}\n  {call:?}", lease.call));
            }
            continue;
        }
        if fence.is_some_and(|fence| fence != lease.fence) {
            faults.push(format!("extended under another fence:\n  {:?}\n  {call:?}", lease.call));
        }
        if leases.surely_over(lease, call.invoked_us, call.ended_us) {
            faults.push(format!("done after the lease was over:\n  {:?}\n  {call:?}", lease.call));
        }
        let later = leases.of_key(call.key).iter().find(|other| {
            lease.holders == 1
                && other.fence > lease.fence
                && other.call.ended_us < call.invoked_us
                && !excused(other)
        });
        if let Some(later) = later {
            faults.push(format!(
                "done after somebody else was granted it:\n  {:?}\n  {:?}\n  {call:?}",
                lease.call, later.call
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::Clock;
    use super::super::written::{take, then};
    use super::*;

    const EXTEND: Asked = Asked::Extend { lease_ms: 100 };

    fn faults(calls: &[Call]) -> Vec<String> {
        let clock = Clock::default();
        let faults = only_holders(calls, &Leases::of(calls, &clock), |_| false);
        faults.iter().map(|fault| fault.lines().next().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_holder_may() {
        let a = take(0, 0, 10, 1);
        let extended = then(&a, EXTEND, 90_000, 90_010, Told::Held(1));
        let released = then(&a, Asked::Release, 180_000, 180_010, Told::Ended(true));
        let again = then(&a, Asked::Release, 180_020, 180_030, Told::Ended(false));
        assert_eq!(faults(&[a, extended, released, again]), [""; 0]);
    }

    #[test]
    fn one_who_was_never_granted_it_may_not() {
        let a = take(0, 0, 10, 1);
        let stranger = Call { owner: 77, ..then(&a, Asked::Release, 20, 30, Told::Ended(true)) };
        assert_eq!(faults(&[a.clone(), stranger.clone()]), ["done for one who was never granted it:"]);
        // Unless the reply was lost that would have said so.
        let lost = Call { owner: 77, ..then(&a, a.asked, 5, 6, Told::Nothing) };
        assert_eq!(faults(&[a, stranger, lost]), [""; 0]);
    }

    #[test]
    fn a_lease_is_not_revived() {
        let a = take(0, 0, 10, 1);
        let late = then(&a, EXTEND, 102_000, 102_010, Told::Held(1));
        assert_eq!(faults(&[a.clone(), late]), ["done after the lease was over:"]);
        let released = then(&a, Asked::Release, 20, 30, Told::Ended(true));
        let after = then(&a, EXTEND, 40, 50, Told::Held(1));
        assert_eq!(faults(&[a.clone(), released, after]), ["done after the lease was over:"]);
        let b = take(1, 50_000, 50_010, 2);
        let after = then(&a, Asked::Release, 60_000, 60_010, Told::Ended(true));
        assert_eq!(faults(&[a, b, after]), ["done after somebody else was granted it:"]);
    }

    #[test]
    fn who_holds_it_is_not_refused() {
        let a = take(0, 0, 10, 1);
        let released = then(&a, Asked::Release, 90_000, 90_010, Told::Ended(false));
        assert_eq!(faults(&[a.clone(), released]), ["the holder was refused:"]);
        let extended = then(&a, EXTEND, 90_000, 90_010, Told::Refused);
        assert_eq!(faults(&[a.clone(), extended]), ["the holder was refused:"]);
        let over = then(&a, EXTEND, 98_000, 101_000, Told::Refused);
        assert_eq!(faults(&[a, over]), [""; 0]);
    }

    #[test]
    fn the_fence_stays() {
        let a = take(0, 0, 10, 1);
        let extended = then(&a, EXTEND, 90_000, 90_010, Told::Held(2));
        assert_eq!(faults(&[a, extended]), ["extended under another fence:"]);
    }
}
