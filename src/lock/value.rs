//! The lock as a data type of the server.

use std::ffi::CStr;

use sluice_core::lock::{Holder, Lock, MAX_HOLDERS, Source};

use super::{due, effects, evictions, fences};
use crate::server::{DataType, Defrag, Digest, OwnedArg, Rdb, TypeHandle};

static HANDLE: TypeHandle<Lock> = TypeHandle::new();

impl DataType for Lock {
    const NAME: &'static CStr = c"sluice-lk";

    const ENCODING: i32 = 0;

    const HANDLE: &'static TypeHandle<Self> = &HANDLE;

    fn save(&self, rdb: &mut Rdb) {
        rdb.save_number(self.len() as u64);
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
        let source = if rdb.is_a_clients() { Source::Client } else { Source::Server };
        Lock::from_holders(holders).filter(|lock| fences::note(lock.holders(), source))
    }

    fn rewrite(&self) -> (&'static CStr, Vec<OwnedArg>) {
        (effects::LOAD, effects::load_words(self))
    }

    fn memory(&self) -> usize {
        self.heap_bytes()
    }

    fn effort(&self) -> usize {
        1 + self.len()
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
        let Some(holders) = self.list_mut() else { return };
        defrag.list(holders);
        for holder in holders {
            defrag.list(holder.owner_mut());
        }
    }

    fn unlinked(db: i32, key: &[u8]) {
        evictions::unlinked(db, key);
        due::look_soon(db, key);
    }

    fn save_aux() -> Option<u64> {
        fences::to_keep()
    }

    fn load_aux(fence: u64) -> bool {
        fences::kept(fence)
    }
}
