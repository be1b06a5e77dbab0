//! The lock as a data type of the server, and the last fence.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use sluice_core::grammar::lock::encode_load;
use sluice_core::grammar::names;
use sluice_core::lock::{Fences, Holder, Lock, MAX_HOLDERS};

use super::waiting;
use crate::info;
use crate::server::{Arg, Context, DataType, Defrag, Digest, OwnedArg, Rdb, now, warn};

/// The command that replicas and AOF get.
const LOAD: &CStr = names::LOCK_LOAD.upper();

/// The source of fences of this server. (A lock, as another module may call us from a thread of
/// its own, under the server's global lock. Nothing is called while it is held.)
static FENCES: Mutex<Fences> = Mutex::new(Fences::new());

/// A hash of the place of the lock that was last taken out of the keyspace, and when that was, in
/// unix ms: when the server then says that it has just evicted that place, it was a lock.
static LAST_UNLINKED: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));

/// The source of fences.
pub(crate) fn fences() -> MutexGuard<'static, Fences> {
    FENCES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The words behind the key of [`LOAD`].
fn load_words(lock: &Lock) -> Vec<OwnedArg> {
    let mut words = Vec::with_capacity(1 + 4 * lock.holders().len());
    encode_load(lock, |word| words.push(OwnedArg::new(word)));
    words
}

/// Sends the whole lock to replicas and AOF.
pub(crate) fn replicate(ctx: &Context<'_>, name: Arg<'_>, lock: &Lock) {
    match lock.holders() {
        // Nearly every lock: spelled as `encode_load` does.
        [holder] => {
            let [mut fence, mut deadline, mut acquired] = [itoa::Buffer::new(); 3];
            let words = [
                b"1",
                holder.owner(),
                fence.format(holder.fence()).as_bytes(),
                deadline.format(holder.deadline_ms()).as_bytes(),
                acquired.format(holder.acquired_ms()).as_bytes(),
            ];
            ctx.replicate_five(LOAD, name, words);
        }
        _ => ctx.replicate(LOAD, name, &load_words(lock)),
    }
}

/// Takes note of the fences of a lock that came from elsewhere; false if one is not to be believed.
pub(crate) fn note_fences(lock: &Lock) -> bool {
    let mut fences = fences();
    let mut raised = *fences;
    let believed = lock.holders().iter().all(|holder| raised.raise(holder.fence()));
    if believed {
        *fences = raised;
    }
    believed
}

/// The server has evicted a key; counted if it was a lock, and said once in the log: a module
/// cannot keep a key from being evicted, so all it can do is tell.
pub(crate) fn evicted(db: i32, key: &[u8]) {
    static WARNED: Once = Once::new();
    let (unlinked, when) =
        (LAST_UNLINKED.0.swap(0, Ordering::Relaxed), LAST_UNLINKED.1.load(Ordering::Relaxed));
    if unlinked == hash(db, key) && now().as_millis().abs_diff(when) <= 1 {
        info::LOCK_EVICTED.add(1);
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

impl DataType for Lock {
    const NAME: &'static CStr = c"sluice-lk";

    fn save(&self, rdb: &mut Rdb) {
        rdb.save_number(self.holders().len() as u64);
        for holder in self.holders() {
            rdb.save_bytes(holder.owner());
            rdb.save_number(holder.fence());
            rdb.save_number(holder.deadline_ms());
            rdb.save_number(holder.acquired_ms());
        }
    }

    fn load(rdb: &mut Rdb) -> Option<Self> {
        let count = usize::try_from(rdb.load_number()?).ok().filter(|count| *count <= MAX_HOLDERS)?;
        let mut holders = Vec::new();
        for _ in 0..count {
            let owner = rdb.load_bytes()?;
            let (fence, deadline_ms, acquired_ms) =
                (rdb.load_number()?, rdb.load_number()?, rdb.load_number()?);
            holders.push(Holder::new(&owner, fence, deadline_ms, acquired_ms)?);
        }
        Lock::from_holders(holders).filter(note_fences)
    }

    fn rewrite(&self) -> (&'static CStr, Vec<OwnedArg>) {
        (LOAD, load_words(self))
    }

    fn memory(&self) -> usize {
        self.heap_bytes()
    }

    fn effort(&self) -> usize {
        1 + self.holders().len()
    }

    fn digest(&self, digest: &mut Digest) {
        for holder in self.holders() {
            digest.add_bytes(holder.owner());
            digest.add_number(holder.fence());
            digest.add_number(holder.deadline_ms());
            digest.add_number(holder.acquired_ms());
            digest.end_element();
        }
    }

    fn defrag(&mut self, defrag: &mut Defrag) {
        let holders = self.holders_mut();
        defrag.list(holders);
        for holder in holders {
            defrag.list(holder.owner_mut());
        }
    }

    fn unlinked(db: i32, key: &[u8]) {
        LAST_UNLINKED.0.store(hash(db, key), Ordering::Relaxed);
        LAST_UNLINKED.1.store(now().as_millis(), Ordering::Relaxed);
        waiting::poke(db, key);
    }

    fn save_aux() -> Option<u64> {
        fences().ahead_of(now())
    }

    fn load_aux(value: u64) -> bool {
        fences().raise(value)
    }
}
