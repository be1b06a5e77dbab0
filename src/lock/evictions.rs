//! Locks that the server evicts. A module cannot keep a key from that, so all it can do is tell.
//!
//! When the server says that it has evicted a key, the key is gone and nobody knows any more what it
//! held. But the data type has heard just before of the value that was taken out.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counters;
use crate::server::{now, warn};

/// The lock that was last taken out of the keyspace, as a hash of its database and key; and when
/// that was, in unix ms.
static LAST_UNLINKED: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));

/// A lock has been taken out of the keyspace, by whatever means.
pub(super) fn unlinked(db: i32, key: &[u8]) {
    LAST_UNLINKED.0.store(hash(db, key), Ordering::Relaxed);
    LAST_UNLINKED.1.store(now().as_millis(), Ordering::Relaxed);
}

/// The server has evicted a key: counted if it was a lock, and said once in the log.
pub(crate) fn evicted(db: i32, key: &[u8]) {
    static WARNED: Once = Once::new();
    let (unlinked, when) =
        (LAST_UNLINKED.0.swap(0, Ordering::Relaxed), LAST_UNLINKED.1.load(Ordering::Relaxed));
    if unlinked == hash(db, key) && now().as_millis().abs_diff(when) <= 1 {
        counters::LOCK_EVICTED.add(1);
        WARNED.call_once(|| {
            warn("a lock was evicted while it was held; see sluice_lock_evicted and maxmemory-policy");
        });
    }
}

/// FNV-1a. Whoever makes two names collide on purpose can make the counter wrong, and nothing else.
fn hash(db: i32, key: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let start = db.to_le_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step);
    key.iter().fold(start, step)
}
