//! A key with a lock in it, over random calls, beside a plain list of leases. The clock goes forth and back; strangers
//! set and take away the key's expiry.

use proptest::prelude::*;
use sluice_core::grammar::lock::{Load, encode_change, encode_load, parse_load};
use sluice_core::lock::{Changes, Claim, Fences, Lock, NOBODY, Reply, View};
use sluice_core::time::{MAX_MS, Millis, Nanos};

use crate::cases;

const NOON_MS: i64 = 1_800_000_000_000;

/// More than are kept as a plain list.
const OWNERS: u8 = 14;

#[derive(Debug, Clone)]
enum Deed {
    /// TRY with this lease and this n.
    Claim(u64, usize),
    /// EXTEND to this lease.
    Extend(u64),
    Release,
    /// The server removes what has ended, as it may at any time.
    Settle,
    /// PEXPIRE by a stranger, or PERSIST.
    Expire(Option<u64>),
    /// Over the wire to a replica, or to the AOF and back.
    Reload,
}

/// Who does what, how many µs after the deed before.
#[derive(Debug, Clone)]
struct Step {
    us: i64,
    owner: u8,
    deed: Deed,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lease = || prop_oneof![1..12_u64, 1..200_u64, Just(MAX_MS), Just(MAX_MS - 1000)];
    let us = prop_oneof![
        4 => 0..3_000_i64,
        3 => 0..50_000_i64,
        1 => Just(1_000),
        1 => -20_000..0_i64,
        1 => Just(-3_600_000_000),
    ];
    let deed = prop_oneof![
        8 => (lease(), prop_oneof![Just(1), 1..6_usize, Just(12), Just(1024)]).prop_map(|(ms, n)| Deed::Claim(ms, n)),
        2 => lease().prop_map(Deed::Extend),
        2 => Just(Deed::Release),
        1 => Just(Deed::Settle),
        1 => prop::option::of(0..150_u64).prop_map(Deed::Expire),
        1 => Just(Deed::Reload),
    ];
    let step = (us, 0..OWNERS, deed).prop_map(|(us, owner, deed)| Step { us, owner, deed });
    prop::collection::vec(step, 1..60)
}

/// One lease of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lease {
    owner: u8,
    fence: u64,
    deadline_ms: u64,
    acquired_ms: u64,
}

/// The reference: a list, and when the key expires.
#[derive(Debug, Default)]
struct Model {
    leases: Vec<Lease>,
    expiry_ms: Option<u64>,
}

impl Model {
    /// When a lease ends: at its deadline, or with the key; and one that would last longer than any lease can, as the
    /// clock was set back, has no more than it was given.
    fn end(&self, lease: &Lease, now_ms: u64) -> u64 {
        let end = self.expiry_ms.map_or(lease.deadline_ms, |ms| ms.min(lease.deadline_ms));
        match end.saturating_sub(now_ms) > MAX_MS {
            true => now_ms + lease.deadline_ms.saturating_sub(lease.acquired_ms).min(MAX_MS),
            false => end,
        }
    }

    /// Owner, fence and what is left, of each lease that is live.
    fn live(&self, now_ms: u64) -> Vec<(u8, u64, u64)> {
        let live = self.leases.iter().filter(|lease| now_ms < self.end(lease, now_ms));
        live.map(|lease| (lease.owner, lease.fence, self.end(lease, now_ms) - now_ms)).collect()
    }

    /// What a change leaves of the leases before it.
    fn settle(&mut self, now_ms: u64) {
        let live = self.live(now_ms);
        self.leases.retain(|lease| live.iter().any(|(owner, ..)| *owner == lease.owner));
        for (lease, (_, _, left)) in self.leases.iter_mut().zip(live) {
            lease.deadline_ms = now_ms + left;
        }
    }

    /// After a change the key expires with its last lease, and is gone without any.
    fn changed(&mut self) {
        self.expiry_ms = self.leases.iter().map(|lease| lease.deadline_ms).max();
    }

    /// The shortest wait after which fewer than `n` hold it; by trying all that could be.
    fn retry_ms(&self, now_ms: u64, n: usize) -> Option<u64> {
        let live = self.live(now_ms);
        let holders_after = |ms: u64| live.iter().filter(|(_, _, left)| ms < *left).count();
        live.iter().map(|(_, _, left)| *left).filter(|left| holders_after(*left) < n).min()
    }

    fn refusal(&self, now_ms: u64, n: usize) -> Reply {
        let newest = self.live(now_ms).iter().map(|(_, fence, _)| *fence).max().unwrap_or(0);
        let ms = self.retry_ms(now_ms, n).map_or(NOBODY, |ms| ms as i64);
        Reply { held: 0, fence: newest as i64, ms }
    }
}

/// The key under test, handled as the module does, and the copy of a replica, which is told of each change.
#[derive(Debug, Default)]
struct Key {
    lock: Lock,
    copy: Lock,
    expiry_ms: Option<u64>,
}

impl Key {
    fn view(&self, now: Nanos) -> View<'_> {
        self.lock.view(now, self.expiry_ms)
    }

    fn change<T>(&mut self, now: Nanos, change: impl FnOnce(&mut Lock, &mut Changes) -> T) -> T {
        let mut changes = self.lock.settle(now, self.expiry_ms);
        let reply = change(&mut self.lock, &mut changes);
        self.expiry_ms = (!self.lock.is_empty()).then(|| self.lock.expires_at_ms());
        self.tell(&changes);
        reply
    }

    /// Over the wire, and as often as it likes.
    fn tell(&mut self, changes: &Changes) {
        let mut words = Vec::new();
        match self.lock.told(changes) {
            _ if self.lock.is_empty() => self.copy = Lock::default(), // as DEL
            None => self.copy = reloaded(&self.lock),
            Some(told) => told.for_each(|change| encode_change(&change, |word| words.push(word.to_vec()))),
        }
        for _ in 0..2 {
            if let Ok(Load::Changes(changes)) = parse_load(words.iter().map(Vec::as_slice)) {
                assert!(self.copy.apply(changes));
            }
        }
        assert_eq!(self.copy, self.lock, "{changes:?} {words:?}");
    }

    /// The server has found it expired.
    fn expire(&mut self, now_ms: u64) -> bool {
        let expired = self.expiry_ms.is_some_and(|ms| now_ms > ms);
        if expired {
            *self = Self::default();
        }
        expired
    }
}

proptest! {
    #![proptest_config(cases(8_000))]

    #[test]
    fn every_answer_is_that_of_a_list_of_leases(steps in steps()) {
        let (mut key, mut model, mut fences, mut last) = (Key::default(), Model::default(), Fences::new(), 0);
        let mut now_us = NOON_MS * 1000;
        for step in &steps {
            now_us += step.us;
            let now = Nanos::from_micros(now_us);
            let now_ms = now.as_millis();
            if key.expire(now_ms) {
                model = Model::default();
            }
            assert_agree(&key, &model, now)?;

            let name = [b'A' + step.owner];
            let own = model.live(now_ms).into_iter().find(|(owner, ..)| *owner == step.owner);
            match step.deed {
                Deed::Claim(lease_ms, holders) => {
                    let admitted = own.is_none() && model.live(now_ms).len() < holders;
                    prop_assert_eq!(key.view(now).own(&name).is_none() && key.view(now).admits(holders), admitted);
                    if !admitted {
                        continue;
                    }
                    let fence = fences.next(now).unwrap();
                    prop_assert!(fence > last);
                    last = fence;
                    let lease = Millis::new(lease_ms).unwrap();
                    let claim = Claim { owner: &name, lease, holders };
                    let reply = key.change(now, |lock, changes| lock.grant(&claim, now, fence, changes));
                    prop_assert_eq!(reply, Reply { held: 1, fence: fence as i64, ms: lease_ms as i64 });
                    model.settle(now_ms);
                    let deadline_ms = now_ms + lease_ms;
                    model.leases.push(Lease { owner: step.owner, fence, deadline_ms, acquired_ms: now_ms });
                    model.changed();
                    prop_assert!(model.live(now_ms).len() <= holders, "more than were admitted");
                }
                Deed::Extend(lease_ms) => {
                    let Some((_, fence, _)) = own else {
                        let reply = key.view(now).not_yours();
                        prop_assert_eq!(reply, model.refusal(now_ms, usize::MAX));
                        continue;
                    };
                    let lease = Millis::new(lease_ms).unwrap();
                    let reply = key.change(now, |lock, changes| lock.extend(&name, lease, now, changes));
                    prop_assert_eq!(reply, Some(Reply { held: 1, fence: fence as i64, ms: lease_ms as i64 }));
                    model.settle(now_ms);
                    let lease = model.leases.iter_mut().find(|lease| lease.owner == step.owner).unwrap();
                    lease.deadline_ms = now_ms + lease_ms;
                    model.changed();
                }
                Deed::Release => {
                    if own.is_some() {
                        prop_assert!(key.change(now, |lock, changes| lock.release(&name, changes)));
                        model.settle(now_ms);
                        model.leases.retain(|lease| lease.owner != step.owner);
                        model.changed();
                    }
                }
                Deed::Settle => {
                    let before = key.lock.len();
                    let changes = key.lock.settle(now, key.expiry_ms);
                    key.tell(&changes);
                    model.settle(now_ms);
                    prop_assert_eq!(before - changes.count_ended(), model.leases.len());
                    prop_assert_eq!(key.lock.settle(now, key.expiry_ms), Changes::default(), "once is enough");
                }
                Deed::Expire(ms) => {
                    if !key.lock.is_empty() {
                        key.expiry_ms = ms.map(|ms| now_ms + ms);
                        model.expiry_ms = key.expiry_ms;
                    }
                }
                Deed::Reload => {
                    if !key.lock.is_empty() {
                        key.lock = reloaded(&key.lock);
                    }
                }
            }
            assert_agree(&key, &model, now)?;
        }
    }
}

/// All that can be asked, without changing anything.
fn assert_agree(key: &Key, model: &Model, now: Nanos) -> Result<(), TestCaseError> {
    let (view, now_ms) = (key.view(now), now.as_millis());
    let live: Vec<_> =
        view.live().map(|(lease, left)| (lease.owner()[0] - b'A', lease.fence(), left)).collect();
    prop_assert_eq!(&live, &model.live(now_ms));
    prop_assert!(live.iter().all(|(_, _, left)| *left > 0));
    prop_assert_eq!(view.has_ended(), live.is_empty() && !model.leases.is_empty());
    prop_assert_eq!(view.count(), live.len());
    let set_back = model.leases.iter().any(|lease| lease.deadline_ms.saturating_sub(now_ms) > MAX_MS);
    prop_assert_eq!(view.outlasts_all(), set_back);
    for (holder, lease) in key.lock.holders().zip(&model.leases) {
        let same = (holder.acquired_ms(), view.held_ms(holder));
        prop_assert_eq!(same, (lease.acquired_ms, now_ms.saturating_sub(lease.acquired_ms)));
    }
    prop_assert_eq!(view.not_yours(), model.refusal(now_ms, usize::MAX));
    for n in 1..16 {
        prop_assert_eq!(view.admits(n), live.len() < n);
        prop_assert_eq!(view.refusal(n), model.refusal(now_ms, n), "HOLDERS {}", n);
        prop_assert_eq!(view.opens_in_ms(n), model.retry_ms(now_ms, n), "HOLDERS {}", n);
        // Waiting so long is enough, and a ms less is not.
        if let Some(ms) = view.opens_in_ms(n).filter(|_| live.len() >= n && !set_back) {
            prop_assert!(key.view(Nanos(now.0 + ms * 1_000_000)).admits(n));
            prop_assert!(!key.view(Nanos(now.0 + (ms - 1) * 1_000_000)).admits(n));
        }
    }
    for owner in 0..OWNERS {
        let own = live.iter().find(|(name, ..)| *name == owner);
        let reply = own.map(|(_, fence, left)| Reply { held: 0, fence: *fence as i64, ms: *left as i64 });
        prop_assert_eq!(view.own(&[b'A' + owner]), reply);
    }
    if key.lock.is_empty() {
        return Ok(());
    }
    // What a change would begin with shows the same, also to one who does not know the key's expiry.
    let mut settled = key.lock.clone();
    settled.settle(now, key.expiry_ms);
    let shown = |view: View<'_>| view.live().map(|(lease, left)| (lease.fence(), left)).collect::<Vec<_>>();
    prop_assert_eq!(shown(settled.view(now, None)), shown(view));
    prop_assert!(!settled.view(now, None).has_ended() && !settled.view(now, None).outlasts_all());
    prop_assert_eq!(reloaded(&key.lock), key.lock.clone());
    Ok(())
}

fn reloaded(lock: &Lock) -> Lock {
    let mut words = Vec::new();
    encode_load(lock, |word| words.push(word.to_vec()));
    match parse_load(words.iter().map(Vec::as_slice)) {
        Ok(Load::Whole(lock)) => lock,
        other => panic!("{other:?}"),
    }
}
