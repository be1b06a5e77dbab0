//! Locks that come from elsewhere: as words of `LOCK.LOAD`, and as the fields that an RDB holds.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use sluice_core::grammar::lock::{Load, encode_load, parse_load};
use sluice_core::lock::{
    Change, FENCE_BOUND, FOREIGN_LEAD, Fences, Holder, Lock, MAX_HOLDERS, MAX_OWNER_LEN, Source,
};
use sluice_core::time::Nanos;

use crate::words::{slices, words};

/// Whatever the words or fields are, what becomes a lock keeps to the bounds of locks, reads back from its words, and
/// leaves fences that can be granted.
pub fn lock_payload(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    if bytes.arbitrary().unwrap_or(false) {
        match parse_load(slices(&words(&mut bytes, 90))) {
            Ok(Load::Whole(lock)) => is_a_lock(lock),
            Ok(Load::Changes(changes)) => changes.iter().filter_map(Change::holder).for_each(is_a_lease),
            Err(_) => {}
        }
    } else if let Ok(Some(lock)) = fields(&mut bytes) {
        is_a_lock(lock);
    }
}

/// As the data type reads an RDB: a count, and the fields of so many holders.
fn fields(bytes: &mut Unstructured<'_>) -> Result<Option<Lock>> {
    let count = usize::from(bytes.arbitrary::<u8>()?) % 12;
    let mut holders = Vec::new();
    for _ in 0..count {
        let length = usize::from(bytes.arbitrary::<u16>()?) % (MAX_OWNER_LEN + 3);
        let owner = bytes.bytes(length.min(bytes.len()))?;
        let (fence, deadline_ms, acquired_ms) = (number(bytes)?, number(bytes)?, number(bytes)?);
        let Some(holder) = Holder::new(owner, fence, deadline_ms, acquired_ms) else { return Ok(None) };
        holders.push(holder);
    }
    Ok(Lock::from_holders(holders))
}

/// Near a bound or in between.
fn number(bytes: &mut Unstructured<'_>) -> Result<u64> {
    let near = *bytes.choose(&[
        0,
        1_795_640_112_345,
        1_795_640_112_345_678 + FOREIGN_LEAD,
        FENCE_BOUND,
        i64::MAX as u64,
        u64::MAX,
    ])?;
    Ok(match bytes.arbitrary::<u8>()? {
        0..128 => bytes.arbitrary()?,
        away => near.wrapping_add(u64::from(away)).wrapping_sub(192),
    })
}

fn is_a_lease(holder: &Holder) {
    assert!((1..=MAX_OWNER_LEN).contains(&holder.owner().len()));
    assert!((1..FENCE_BOUND).contains(&holder.fence()));
    assert!(holder.deadline_ms() < 1 << 53 && holder.acquired_ms() < 1 << 53);
}

fn is_a_lock(mut lock: Lock) {
    assert!((1..=MAX_HOLDERS).contains(&lock.len()));
    assert_eq!(lock.holders().count(), lock.len());
    let owners: BTreeSet<_> = lock.holders().map(Holder::owner).collect();
    assert_eq!(owners.len(), lock.len(), "an owner twice");
    lock.holders().for_each(is_a_lease);
    let mut encoded = Vec::new();
    encode_load(&lock, |word| encoded.push(word.to_vec()));
    assert_eq!(parse_load(slices(&encoded)), Ok(Load::Whole(lock.clone())));
    leaves_fences(&lock);

    let now = Nanos(1_795_640_112_345_678_900);
    let (before, live) = (lock.len(), lock.view(now, None).live().count());
    assert_eq!(lock.settle(now, None).count_ended(), before - live);
    assert_eq!(lock.len(), live);
}

/// Whoever brings the lock in: what is granted on top of it can be granted, and loaded again from wherever.
fn leaves_fences(lock: &Lock) {
    let now = Nanos(1_795_640_112_345_678_900);
    let mut fences = Fences::new();
    if !lock.holders().all(|holder| fences.raise(holder.fence(), Source::Client, now)) {
        return;
    }
    let newest = lock.holders().map(Holder::fence).max().unwrap_or(0);
    for _ in 0..3 {
        let next = fences.next(now).expect("a client cannot use up the fences");
        assert!(next > newest && Holder::new(b"o", next, 0, 0).is_some());
        let mut elsewhere = Fences::new();
        assert!(elsewhere.raise(next, Source::Server, now));
    }
}
