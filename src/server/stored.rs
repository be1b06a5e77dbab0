//! What the values of a data type are written to, read from, added up in and moved by.

use std::ffi::c_void;
use std::mem::{self, ManuallyDrop};
use std::slice;

use redis_module::raw;
use smallvec::{Array, SmallVec};

use super::api::call;

/// An RDB file, read or written. After a failed read every further one fails too.
pub(crate) struct Rdb {
    pub(super) raw: *mut raw::RedisModuleIO,
}

impl Rdb {
    /// Writes a number.
    pub(crate) fn save_number(&mut self, number: u64) {
        // SAFETY: the file is open for writing while the callback runs.
        unsafe { call!(RedisModule_SaveUnsigned(self.raw, number)) }
    }

    /// Writes bytes.
    pub(crate) fn save_bytes(&mut self, bytes: &[u8]) {
        // SAFETY: the file is open for writing while the callback runs; the bytes are copied.
        unsafe { call!(RedisModule_SaveStringBuffer(self.raw, bytes.as_ptr().cast(), bytes.len())) }
    }

    /// Reads a number; `None` if the file ends or is broken here.
    pub(crate) fn load_number(&mut self) -> Option<u64> {
        // SAFETY: the file is open for reading while the callback runs.
        let number = unsafe { call!(RedisModule_LoadUnsigned(self.raw)) };
        self.is_whole().then_some(number)
    }

    /// Reads bytes; `None` if the file ends or is broken here.
    pub(crate) fn load_bytes(&mut self) -> Option<Box<[u8]>> {
        let mut len = 0;
        // SAFETY: the file is open for reading while the callback runs. The buffer is ours to free,
        // and holds `len` bytes; NULL on error.
        unsafe {
            let buffer = call!(RedisModule_LoadStringBuffer(self.raw, &mut len));
            if buffer.is_null() {
                return None;
            }
            let bytes = slice::from_raw_parts(buffer.cast::<u8>(), len).into();
            call!(RedisModule_Free(buffer.cast()));
            self.is_whole().then_some(bytes)
        }
    }

    /// Whether this is a payload that a client has brought, by RESTORE or MIGRATE, and no file and no stream of the
    /// primary's: a read-only replica is sent nothing by anybody else.
    pub(crate) fn is_a_clients(&self) -> bool {
        // SAFETY: the file is open while the callback runs, and its context lives as long.
        let flags =
            unsafe { call!(RedisModule_GetContextFlags(call!(RedisModule_GetContextFromIO(self.raw)))) };
        flags as u32 & (raw::REDISMODULE_CTX_FLAGS_LOADING | raw::REDISMODULE_CTX_FLAGS_READONLY) == 0
    }

    fn is_whole(&self) -> bool {
        // SAFETY: the file is open while the callback runs; asking changes nothing.
        unsafe { call!(RedisModule_IsIOError(self.raw)) == 0 }
    }
}

/// A sum over what makes values equal.
pub(crate) struct Digest {
    pub(super) raw: *mut raw::RedisModuleDigest,
}

impl Digest {
    /// Adds bytes.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        // SAFETY: the digest is valid while the callback runs.
        unsafe { call!(RedisModule_DigestAddStringBuffer(self.raw, bytes.as_ptr().cast(), bytes.len())) }
    }

    /// Adds a number.
    pub(crate) fn add_number(&mut self, number: u64) {
        // SAFETY: the digest is valid while the callback runs.
        unsafe { call!(RedisModule_DigestAddLongLong(self.raw, number as i64)) }
    }

    /// Ends an element; elements count in their order.
    pub(crate) fn end_element(&mut self) {
        // SAFETY: the digest is valid while the callback runs.
        unsafe { call!(RedisModule_DigestEndSequence(self.raw)) }
    }
}

/// The server while it moves memory to defragment it.
pub(crate) struct Defrag {
    pub(super) raw: *mut raw::RedisModuleDefragCtx,
}

impl Defrag {
    /// Offers the block behind a list, if it has one.
    pub(crate) fn list<A: Array>(&mut self, list: &mut SmallVec<A>) {
        if !list.spilled() {
            return;
        }
        let mut old = ManuallyDrop::new(mem::take(list).into_vec()); // the same block
        // SAFETY: a block from the global allocator, which is the server's, and not empty, as there
        // is one. If the server moves it, it has copied it and freed the old one; length and capacity
        // stay.
        unsafe {
            let start = self.moved(old.as_mut_ptr().cast()).cast();
            *list = SmallVec::from_vec(Vec::from_raw_parts(start, old.len(), old.capacity()));
        }
    }

    /// The block's new place, or its old one.
    ///
    /// # Safety
    ///
    /// The block is one of the server's allocator, and whoever else points at it is told its new place.
    pub(super) unsafe fn moved(&mut self, block: *mut c_void) -> *mut c_void {
        // SAFETY: the caller passes a block of the server's allocator; the context is valid while
        // the callback runs.
        let new = unsafe { call!(RedisModule_DefragAlloc(self.raw, block)) };
        if new.is_null() { block } else { new }
    }
}
