//! What a running command may ask of the server.

use std::marker::PhantomData;
use std::time::{SystemTime, UNIX_EPOCH};

use redis_module::raw::{self, RedisModuleCtx};
use sluice_core::time::Nanos;

use super::api::{call, optional};
use super::args::Arg;
use super::key::{Access, Key};

/// The server, as the command now running sees it. Not to be kept beyond the command.
pub(crate) struct Context<'a> {
    raw: *mut RedisModuleCtx,
    command: PhantomData<&'a RedisModuleCtx>,
}

impl Context<'_> {
    /// # Safety
    ///
    /// `raw` is the context that the server passed to the function now running.
    pub(super) unsafe fn new(raw: *mut RedisModuleCtx) -> Self {
        Self { raw, command: PhantomData }
    }

    pub(super) fn raw(&self) -> *mut RedisModuleCtx {
        self.raw
    }

    /// The time of this command: frozen for all of a MULTI or a script where the server has such
    /// a clock (Redis 7.2 and Valkey on), as key expiry is; else the wall clock.
    pub(crate) fn now(&self) -> Nanos {
        now()
    }

    /// Looks the key up, once.
    pub(crate) fn open<'k>(&'k self, name: Arg<'k>, access: Access) -> Key<'k> {
        // SAFETY: context and name belong to the running command; `Key` closes the handle.
        let raw = unsafe { call!(RedisModule_OpenKey(self.raw, name.raw(), access.flags())) };
        Key::new(raw, access)
    }

    /// Whether a command that needs memory would be refused now. Servers that evict are asked what
    /// came of it: being above the limit for a moment, with eviction at work, is not being full.
    pub(crate) fn memory_is_full(&self, key: Arg<'_>) -> bool {
        // SAFETY: takes nothing.
        if unsafe { call!(RedisModule_GetUsedMemoryRatio()) } <= 1.0 {
            return false;
        }
        // A command that is refused on full memory ('M': respect that) and changes nothing, as the
        // key is absent and XX wants it present. NULL means it was refused.
        // SAFETY: each letter of the format has its argument; a reply is freed once.
        unsafe {
            let reply = call!(RedisModule_Call(
                self.raw,
                c"SET".as_ptr(),
                c"Mscc".as_ptr(),
                key.raw(),
                c"".as_ptr(),
                c"XX".as_ptr(),
            ));
            if reply.is_null() {
                return true;
            }
            call!(RedisModule_FreeCallReply(reply));
        }
        false
    }

    /// The number of the database that the command works on.
    pub(crate) fn db(&self) -> i32 {
        // SAFETY: the context is that of the running command.
        unsafe { call!(RedisModule_GetSelectedDb(self.raw)) }
    }

    /// Goes to another database, in a callback that belongs to no client.
    pub(crate) fn select_db(&self, db: i32) {
        // SAFETY: the context is that of the callback, with a client of its own.
        unsafe {
            call!(RedisModule_SelectDb(self.raw, db));
        }
    }

    /// Whether the client can be made to wait: not in MULTI, not in a script.
    pub(crate) fn may_block(&self) -> bool {
        !self.has(raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING)
    }

    /// Whether this comes from the primary, from another node's slot, or from the AOF at start.
    pub(crate) fn is_replayed(&self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING)
    }

    /// Whether this server may write of its own accord now. A write outside a client's command
    /// while clients are paused, or during a failover, stops the server.
    pub(crate) fn may_write(&self) -> bool {
        // SAFETY: takes nothing.
        unsafe { call!(RedisModule_AvoidReplicaTraffic()) == 0 }
    }

    /// Whether the key's slot is still this node's, as far as cluster mode is on.
    pub(crate) fn owns(&self, key: Arg<'_>) -> bool {
        if !self.has(raw::REDISMODULE_CTX_FLAGS_CLUSTER) {
            return true;
        }
        // A call that would be redirected is refused, and answers NULL.
        // SAFETY: the letter of the format has its argument; a reply is freed once.
        unsafe {
            let reply = call!(RedisModule_Call(self.raw, c"EXISTS".as_ptr(), c"s".as_ptr(), key.raw()));
            if reply.is_null() {
                return false;
            }
            call!(RedisModule_FreeCallReply(reply));
        }
        true
    }

    fn has(&self, flags: u32) -> bool {
        // SAFETY: the context is that of the running command or callback.
        unsafe { call!(RedisModule_GetContextFlags(self.raw)) as u32 & flags != 0 }
    }
}

/// The server's clock: see [`Context::now`].
pub(crate) fn now() -> Nanos {
    // SAFETY: the table of functions is written only at load.
    match unsafe { optional::RedisModule_CachedMicroseconds } {
        // SAFETY: takes nothing and reads a variable of the server.
        Some(cached) => Nanos::from_micros(unsafe { cached() }),
        None => {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Nanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
        }
    }
}
