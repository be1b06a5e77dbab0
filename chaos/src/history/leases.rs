//! Never more holders at one instant than there may be, by the server's own lease times.
//!
//! A lease begins between its call and the reply. It is *surely held* at an instant when it has begun, nobody can have
//! ended it (its owner's RELEASE, an operator's DEL, a shorter EXTEND), and the server's clock cannot have shown its
//! deadline since. A grant while as many others as there may be are surely held is a violation. So a clock that is set
//! back makes a lease longer, by as much as it is set back.
//!
//! The instant of a grant after a wait is known better than by its call: a fence is the time of the grant by the
//! server's clock, unless that was behind the last fence, when it is that fence + 1.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Asked, Call, Clock, Told};

/// The server counts deadlines in whole ms.
const MS: i64 = 1000;

/// A grant that a client was told of, with all that its owner and operators did later.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    pub(crate) call: &'a Call,
    pub(crate) fence: i64,
    pub(crate) holders: usize,
    lease_us: i64,
    /// It was not granted before.
    from_us: i64,
    /// EXTEND and RELEASE by the same owner, in order.
    own: Vec<&'a Call>,
}

impl<'a> Lease<'a> {
    /// The grant, and what its owner asked for later.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &'a Call> {
        [self.call].into_iter().chain(self.own.iter().copied())
    }
}

/// All leases of a history, by lock and fence.
pub(crate) struct Leases<'a> {
    clock: &'a Clock,
    by_key: BTreeMap<usize, Vec<Lease<'a>>>,
    deletes: HashMap<usize, Vec<&'a Call>>,
}

impl<'a> Leases<'a> {
    pub(crate) fn of(calls: &'a [Call], clock: &'a Clock) -> Self {
        let known: HashSet<i64> = calls.iter().filter_map(fence).collect();
        let mut own: HashMap<(usize, u64), Vec<&Call>> = HashMap::new();
        let mut deletes: HashMap<usize, Vec<&Call>> = HashMap::new();
        for call in calls.iter().filter(|call| !call.is_void()) {
            match call.asked {
                Asked::Extend { .. } | Asked::Release => {
                    own.entry((call.key, call.owner)).or_default().push(call)
                }
                Asked::Delete => deletes.entry(call.key).or_default().push(call),
                Asked::Take { .. } => {}
            }
        }
        own.values_mut().for_each(|calls| calls.sort_by_key(|call| call.invoked_us));
        let mut by_key: BTreeMap<usize, Vec<Lease<'_>>> = BTreeMap::new();
        for call in calls {
            let (Asked::Take { lease_ms, holders, .. }, Some(fence)) = (call.asked, fence(call)) else {
                continue;
            };
            let own = own.remove(&(call.key, call.owner)).unwrap_or_default();
            let from_us = granted_from(call, fence, clock, &known);
            let lease = Lease { call, fence, holders, lease_us: lease_ms * MS, from_us, own };
            by_key.entry(call.key).or_default().push(lease);
        }
        by_key.values_mut().for_each(|leases| leases.sort_by_key(|lease| lease.fence));
        Self { clock, by_key, deletes }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Lease<'a>> {
        self.by_key.values().flatten()
    }

    /// Those of one lock, by fence.
    pub(crate) fn of_key(&self, key: usize) -> &[Lease<'a>] {
        self.by_key.get(&key).map_or(&[], Vec::as_slice)
    }

    /// Grants while as many as there may be hold the lock: the new one, and those who hold it.
    pub(crate) fn too_many(&self) -> Vec<(&Lease<'a>, Vec<&Lease<'a>>)> {
        let mut found = Vec::new();
        for leases in self.by_key.values() {
            let mut live: Vec<&Lease<'_>> = Vec::new();
            for lease in leases {
                live.retain(|earlier| {
                    let last = earlier.own.last().map_or(0, |call| call.invoked_us);
                    last >= lease.call.invoked_us
                        || self.surely_holds(earlier, i64::MAX, lease.call.invoked_us)
                });
                let at = lease.call.ended_us;
                let holding: Vec<_> =
                    live.iter().copied().filter(|earlier| self.surely_holds(earlier, i64::MAX, at)).collect();
                if holding.len() >= lease.holders {
                    found.push((lease, holding));
                }
                live.push(lease);
            }
        }
        found
    }

    /// Whether it is certain that this lease was live at an instant, going by what its owner had asked for before
    /// another one.
    pub(crate) fn surely_holds(&self, lease: &Lease<'_>, asked_before_us: i64, at_us: i64) -> bool {
        let own = || {
            lease.own.iter().filter(move |call| call.invoked_us < asked_before_us && call.invoked_us <= at_us)
        };
        // The last extension proves that it was held then.
        let proof =
            own().rfind(|call| matches!((call.asked, &call.told), (Asked::Extend { .. }, Told::Held(_))));
        let (since_us, mut deadline_us) = match proof {
            Some(Call { asked: Asked::Extend { lease_ms }, invoked_us, ended_us, .. }) => {
                (*invoked_us, self.clock.lowest(*invoked_us, *ended_us) + lease_ms * MS)
            }
            _ => (lease.from_us, self.clock.lowest(lease.from_us, lease.call.ended_us) + lease.lease_us),
        };
        for call in own().filter(|call| call.invoked_us > since_us) {
            match (call.asked, &call.told) {
                // It may have come true at any time since.
                (Asked::Extend { lease_ms }, Told::Nothing) => {
                    deadline_us = deadline_us.min(self.clock.lowest(call.invoked_us, at_us) + lease_ms * MS);
                }
                _ => return false,
            }
        }
        let deleted = self.deletes.get(&lease.call.key).into_iter().flatten();
        let mut deleted = deleted.filter(|call| call.invoked_us <= at_us && call.latest_us() >= since_us);
        deleted.next().is_none() && self.clock.highest(since_us, at_us) < deadline_us - MS
    }

    /// Whether it is certain that this lease had ended before an instant, and was not to be had until another one.
    pub(crate) fn surely_over(&self, lease: &Lease<'_>, from_us: i64, to_us: i64) -> bool {
        let mut latest = self.clock.highest(lease.from_us, lease.call.ended_us) + lease.lease_us;
        for call in lease.own.iter().filter(|call| call.invoked_us < from_us) {
            match (call.asked, &call.told) {
                (Asked::Release, Told::Ended(_)) | (Asked::Extend { .. }, Told::Refused) => return true,
                (Asked::Extend { lease_ms }, Told::Held(_)) => {
                    latest = self.clock.highest(call.invoked_us, call.ended_us) + lease_ms * MS;
                }
                (Asked::Extend { .. }, Told::Nothing) => return false,
                _ => {}
            }
        }
        self.clock.lowest(from_us, to_us) > latest + MS
    }
}

fn fence(call: &Call) -> Option<i64> {
    match (call.asked, &call.told) {
        (Asked::Take { .. }, Told::Held(fence)) => Some(*fence),
        _ => None,
    }
}

fn granted_from(call: &Call, fence: i64, clock: &Clock, known: &HashSet<i64>) -> i64 {
    let by_fence = clock.steady(call.invoked_us, call.ended_us).map(|ahead| fence - ahead);
    match by_fence {
        Some(at) if (call.invoked_us..=call.ended_us).contains(&at) && !known.contains(&(fence - 1)) => at,
        _ => call.invoked_us,
    }
}

#[cfg(test)]
mod tests {
    use super::super::written::{take, then};
    use super::*;

    /// The fences of those that were granted too much.
    fn too_many(calls: &[Call], clock: &Clock) -> Vec<i64> {
        Leases::of(calls, clock).too_many().into_iter().map(|(lease, _)| lease.fence).collect()
    }

    #[test]
    fn a_second_holder_during_the_lease_is_found() {
        let clock = Clock::default();
        assert_eq!(too_many(&[take(0, 0, 10, 1), take(1, 50_000, 50_010, 2)], &clock), [2]);
        // 100 ms after the call, less the ms that the server may cut off.
        assert_eq!(too_many(&[take(0, 0, 10, 1), take(1, 98_000, 98_900, 2)], &clock), [2]);
        assert_eq!(too_many(&[take(0, 0, 10, 1), take(1, 98_000, 99_001, 2)], &clock), [0; 0]);
    }

    #[test]
    fn a_release_that_was_asked_for_may_have_ended_it() {
        let clock = Clock::default();
        let a = take(0, 0, 10, 1);
        let b = take(1, 20_000, 50_010, 2);
        for told in [Told::Ended(true), Told::Nothing] {
            let released = then(&a, Asked::Release, 50_000, 60_000, told);
            assert_eq!(too_many(&[a.clone(), b.clone(), released], &clock), [0; 0]);
        }
        let late = then(&a, Asked::Release, 50_020, 60_000, Told::Ended(true));
        assert_eq!(too_many(&[a.clone(), b.clone(), late], &clock), [2]);
        let void = then(&a, Asked::Release, 30_000, 30_001, Told::Error("READONLY".to_owned()));
        assert_eq!(too_many(&[a, b, void], &clock), [2]);
    }

    #[test]
    fn an_operator_may_have_ended_it() {
        let clock = Clock::default();
        let (a, b) = (take(0, 0, 10, 1), take(1, 50_000, 50_010, 2));
        let deleted = then(&b, Asked::Delete, 40_000, 40_010, Told::Ended(true));
        assert_eq!(too_many(&[a.clone(), b.clone(), deleted.clone()], &clock), [0; 0]);
        let other = Call { key: 9, ..deleted };
        assert_eq!(too_many(&[a, b, other], &clock), [2]);
    }

    #[test]
    fn an_extension_counts_from_when_it_was_asked_for() {
        let clock = Clock::default();
        let a = take(0, 0, 10, 1);
        let longer = then(&a, Asked::Extend { lease_ms: 100 }, 90_000, 90_010, Told::Held(1));
        let b = take(1, 180_000, 180_010, 2);
        assert_eq!(too_many(&[a.clone(), longer, b.clone()], &clock), [2]);
        let shorter = then(&a, Asked::Extend { lease_ms: 10 }, 20_000, 20_010, Told::Held(1));
        assert_eq!(too_many(&[a.clone(), shorter, take(1, 40_000, 40_010, 2)], &clock), [0; 0]);
        // Without a reply it may have made the lease shorter, and not longer for certain.
        let lost = then(&a, Asked::Extend { lease_ms: 10 }, 20_000, 20_010, Told::Nothing);
        assert_eq!(too_many(&[a.clone(), lost.clone(), take(1, 40_000, 40_010, 2)], &clock), [0; 0]);
        assert_eq!(too_many(&[a, lost, take(1, 25_000, 25_010, 2)], &clock), [2]);
    }

    #[test]
    fn a_semaphore_has_as_many_as_it_may() {
        let clock = Clock::default();
        let of_two = |client, at, fence| {
            let mut call = take(client, at, at + 10, fence);
            call.asked = Asked::Take { lease_ms: 100, holders: 2, block_ms: None };
            call
        };
        assert_eq!(too_many(&[of_two(0, 0, 1), of_two(1, 20, 2)], &clock), [0; 0]);
        assert_eq!(too_many(&[of_two(0, 0, 1), of_two(1, 20, 2), of_two(2, 40, 3)], &clock), [3]);
        assert_eq!(too_many(&[of_two(0, 0, 1), of_two(1, 20, 2), of_two(2, 101_000, 3)], &clock), [0; 0]);
    }

    #[test]
    fn a_step_of_the_clock_moves_the_end_of_a_lease() {
        let (a, b) = (take(0, 0, 10, 1), take(1, 50_000, 50_010, 2));
        let mut forward = Clock::default();
        forward.step(20_000, 20_010, 3_600_000_000);
        assert_eq!(too_many(&[a.clone(), b.clone()], &forward), [0; 0]);
        // Forward and back again: the server may have seen that it was over.
        forward.step(30_000, 30_010, 0);
        assert_eq!(too_many(&[a.clone(), b], &forward), [0; 0]);
        // Back: the lease lasts longer by the step.
        let mut back = Clock::default();
        back.step(20_000, 20_010, -3_600_000_000);
        assert_eq!(too_many(&[a.clone(), take(1, 3_000_000_000, 3_000_000_010, 2)], &back), [2]);
        // And right again: as long as it was given.
        back.step(50_000, 50_010, 0);
        assert_eq!(too_many(&[a.clone(), take(1, 98_000, 98_010, 2)], &back), [2]);
        assert_eq!(too_many(&[a, take(1, 98_000, 99_010, 2)], &back), [0; 0]);
    }

    #[test]
    fn the_fence_tells_when_a_waiter_was_granted() {
        let clock = Clock::default();
        let mut waited = take(0, 0, 500_000, 450_000);
        let b = take(1, 520_000, 520_010, 520_005);
        assert_eq!(too_many(&[waited.clone(), b.clone()], &clock), [520_005]);
        // One more than another fence says nothing.
        let other = Call { key: 5, ..take(2, 10, 20, 449_999) };
        assert_eq!(too_many(&[waited.clone(), b.clone(), other], &clock), [0; 0]);
        waited.told = Told::Held(519_000);
        assert_eq!(too_many(&[waited, b], &clock), [0; 0]);
    }
}
