//! A lock and what is done to it, beside a plain list of leases; and a copy that is told the changes.

use arbitrary::{Result, Unstructured};
use sluice_core::lock::{Change, Changes, Claim, Holder, Lock, MAX_HOLDERS, NOBODY, Reply};
use sluice_core::time::{MAX_MS, Millis, Nanos};

const STEPS: usize = 80;

/// Whatever is done and whatever the clock does, a lock holds the leases that a plain list would, shows them alike, and
/// a copy that is told the changes is the same, also if it is told them twice.
pub fn lock(bytes: &[u8]) {
    // The bytes end somewhere, and so does the story.
    let _ = tell(&mut Unstructured::new(bytes));
}

fn tell(bytes: &mut Unstructured<'_>) -> Result<()> {
    let (mut lock, mut copy, mut list) = (Lock::default(), Lock::default(), List::default());
    let (mut now_ms, mut fence) = (1_795_640_112_345_u64, 0);
    for _ in 0..STEPS {
        if bytes.is_empty() {
            break;
        }
        now_ms = now_ms.saturating_add_signed(match bytes.int_in_range(0..=7u8)? {
            0..=3 => 0,
            4 | 5 => i64::from(bytes.arbitrary::<u8>()?),
            6 => bytes.int_in_range(-5_000..=5_000)?,
            _ => bytes.int_in_range(-4_000_000_000..=4_000_000_000)?,
        });
        let now = Nanos(now_ms * 1_000_000);
        let expiry_ms = match bytes.int_in_range(0..=9u8)? {
            0 => Some(now_ms.saturating_add_signed(bytes.int_in_range(-100..=100)?)),
            _ => None,
        };
        let owner = vec![b'o'; 1 + usize::from(bytes.int_in_range(0..=23u8)?) * 3];
        let lease = Millis::new(*bytes.choose(&[1, 10, 100, 1_000, 60_000, MAX_MS])?);
        let lease = lease.expect("at most 100 years");
        let claim = Claim { owner: &owner, lease, holders: *bytes.choose(&[1, 2, 3, 9, 20, MAX_HOLDERS])? };

        list.is_shown_by(&lock, now_ms, expiry_ms, &claim);
        let mut changes = lock.settle(now, expiry_ms);
        let ended = list.settle(now_ms, expiry_ms);
        assert_eq!(changes.count_ended(), ended);
        match bytes.int_in_range(0..=3u8)? {
            0 | 1 => {
                let view = lock.view(now, None);
                if view.find(&owner).is_none() && view.admits(claim.holders) {
                    fence += 1;
                    let reply = lock.grant(&claim, now, fence, &mut changes);
                    assert_eq!(reply, held(fence, lease));
                    list.0.push(holder(&owner, fence, now_ms + lease.get(), now_ms));
                }
            }
            2 => {
                let reply = lock.extend(&owner, lease, now, &mut changes);
                let found = list.0.iter_mut().find(|holder| holder.owner() == owner);
                assert_eq!(reply, found.as_ref().map(|holder| held(holder.fence(), lease)));
                if let Some(found) = found {
                    *found = holder(&owner, found.fence(), now_ms + lease.get(), found.acquired_ms());
                }
            }
            _ => {
                let before = list.0.len();
                list.0.retain(|holder| holder.owner() != owner);
                assert_eq!(lock.release(&owner, &mut changes), list.0.len() < before);
            }
        }
        assert!(lock.holders().eq(&list.0), "{lock:?}\n{list:?}");
        assert_eq!((lock.len(), lock.is_empty()), (list.0.len(), list.0.is_empty()));
        assert_eq!(lock.expires_at_ms(), list.0.iter().map(Holder::deadline_ms).max().unwrap_or(0));
        copy = told(copy, &lock, &changes);
    }
    Ok(())
}

/// The copy, told of the changes or of the whole lock.
fn told(mut copy: Lock, lock: &Lock, changes: &Changes) -> Lock {
    let Some(changes) = lock.told(changes) else { return lock.clone() };
    let changes: Vec<Change> = changes
        .map(|change| match change {
            Change::Out(owner) => Change::Out(owner.into()),
            Change::Put(holder) => Change::Put(holder.clone()),
        })
        .collect();
    for _ in 0..2 {
        assert!(copy.apply(changes.clone()));
        assert_eq!(&copy, lock, "told of {changes:?}");
    }
    copy
}

fn held(fence: u64, lease: Millis) -> Reply {
    Reply { held: 1, fence: fence as i64, ms: lease.get() as i64 }
}

fn holder(owner: &[u8], fence: u64, deadline_ms: u64, acquired_ms: u64) -> Holder {
    Holder::new(owner, fence, deadline_ms, acquired_ms).expect("a lease in bounds")
}

/// The leases in the order of their grants, and nothing to make them fast.
#[derive(Debug, Default)]
struct List(Vec<Holder>);

impl List {
    /// A lease ends at its deadline, or with the key; and where that is later than any lease can last, as long from now
    /// on as it was given.
    fn end_ms(holder: &Holder, now_ms: u64, expiry_ms: Option<u64>) -> u64 {
        let end_ms = holder.deadline_ms().min(expiry_ms.unwrap_or(u64::MAX));
        if end_ms <= now_ms + MAX_MS {
            return end_ms;
        }
        let given_ms = holder.deadline_ms().saturating_sub(holder.acquired_ms());
        now_ms + given_ms.min(MAX_MS)
    }

    fn settle(&mut self, now_ms: u64, expiry_ms: Option<u64>) -> usize {
        let before = self.0.len();
        for stored in &mut self.0 {
            let end_ms = Self::end_ms(stored, now_ms, expiry_ms);
            *stored = holder(stored.owner(), stored.fence(), end_ms, stored.acquired_ms());
        }
        self.0.retain(|holder| holder.deadline_ms() > now_ms);
        before - self.0.len()
    }

    fn is_shown_by(&self, lock: &Lock, now_ms: u64, expiry_ms: Option<u64>, claim: &Claim<'_>) {
        let view = lock.view(Nanos(now_ms * 1_000_000), expiry_ms);
        let ends = self.0.iter().map(|holder| (holder, Self::end_ms(holder, now_ms, expiry_ms)));
        let live: Vec<_> =
            ends.filter(|(_, end_ms)| *end_ms > now_ms).map(|(h, end_ms)| (h, end_ms - now_ms)).collect();
        assert!(view.live().eq(live.iter().copied()), "{lock:?} at {now_ms}");
        assert_eq!(view.count(), live.len());
        assert_eq!(view.admits(claim.holders), live.len() < claim.holders);
        let own = live.iter().find(|(holder, _)| holder.owner() == claim.owner);
        assert_eq!(view.find(claim.owner), own.copied());

        let mut left: Vec<_> = live.iter().map(|(_, left_ms)| *left_ms).collect();
        left.sort_unstable();
        let refusal = match left.get(left.len().saturating_sub(claim.holders)) {
            Some(ms) => {
                Reply { held: 0, fence: live.last().map_or(0, |(h, _)| h.fence() as i64), ms: *ms as i64 }
            }
            None => Reply { held: 0, fence: 0, ms: NOBODY },
        };
        assert_eq!(view.refusal(claim.holders), refusal, "{lock:?} at {now_ms}");
    }
}
