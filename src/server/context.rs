//! What a running command may ask of the server.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::slice;
use std::time::{SystemTime, UNIX_EPOCH};

use redis_module::raw::{self, RedisModuleCtx};
use sluice_core::grammar::error::CommandError;
use sluice_core::time::Nanos;

use super::api::{call, optional};
use super::args::Arg;
use super::key::{Access, Key};

/// The server, as the command now running sees it. Not to be kept beyond the command.
pub(crate) struct Context<'a> {
    raw: *mut RedisModuleCtx,
    command: PhantomData<&'a RedisModuleCtx>,
}

/// What a server says that takes no writes now.
const REFUSALS: [&[u8]; 4] = [b"NOREPLICAS", b"MISCONF", b"READONLY", b"MASTERDOWN"];

/// What runs at once: a transaction, a script, or a single command. Known by its client, and by its time where that stands
/// still as long (all scripts are run by one client). Redis 7.0 has no such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Execution {
    client: u64,
    at: Nanos,
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

    /// The time outside of commands, where the server's own clock may be a little behind: expiry is told by the wall
    /// clock there.
    pub(crate) fn wall_now(&self) -> Nanos {
        wall_now()
    }

    /// Looks the key up, once. [`CommandError::TryAgain`] if the server lets nobody write it now.
    pub(crate) fn open<'k>(&'k self, name: Arg<'k>, access: Access) -> Result<Key<'k>, CommandError> {
        // SAFETY: context and name belong to the running command; `Key` closes the handle.
        let raw = unsafe { call!(RedisModule_OpenKey(self.raw, name.raw(), access.flags())) };
        // Opened to read, NULL is a key that is absent. Opened to write, no server before Valkey 9.2 says so.
        if raw.is_null() && access == Access::Write {
            return Err(CommandError::TryAgain);
        }
        Ok(Key::new(raw, access))
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

    /// Whether the client can be made to wait: not in MULTI, not in a script. Where another module calls us from
    /// there, and would let the call wait, only those two say so.
    pub(crate) fn may_block(&self) -> bool {
        !self.has(
            raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING
                | raw::REDISMODULE_CTX_FLAGS_MULTI
                | raw::REDISMODULE_CTX_FLAGS_LUA,
        )
    }

    /// Which transaction, script or command is running.
    pub(crate) fn execution(&self) -> Execution {
        // SAFETY: the context is that of the running command.
        let client = unsafe { call!(RedisModule_GetClientId(self.raw)) };
        // SAFETY: the table of functions is written only at load.
        let time_stands = unsafe { optional::RedisModule_CachedMicroseconds }.is_some();
        Execution { client, at: if time_stands { now() } else { Nanos(0) } }
    }

    /// Whether this comes from the primary, from another node's slot, or from the AOF at start.
    pub(crate) fn is_replayed(&self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING)
    }

    /// Whether this comes from the AOF, at start or when it is loaded again.
    pub(crate) fn is_loaded(&self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_LOADING)
    }

    /// Whether this server follows a primary.
    pub(crate) fn is_replica(&self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_SLAVE)
    }

    /// Whether clients are paused, or a failover is under way: a write outside a client's command stops the server.
    pub(crate) fn is_paused(&self) -> bool {
        // SAFETY: takes nothing.
        unsafe { call!(RedisModule_AvoidReplicaTraffic()) != 0 }
    }

    /// Whether all writes are the primary's. A key of its that has expired reads as absent here and is still there:
    /// writing it stops Redis.
    pub(crate) fn is_read_only_replica(&self) -> bool {
        // The first flag alone is also set on a replica that takes writes, and the second is not without it.
        self.has(raw::REDISMODULE_CTX_FLAGS_READONLY)
    }

    /// Whether a client's write would be taken: not without enough replicas (min-replicas-to-write), nor after a
    /// snapshot has failed (stop-writes-on-bgsave-error). For a key whose slot is ours.
    pub(crate) fn takes_writes(&self, key: Arg<'_>) -> bool {
        // A write that is asked as a script would ask ('S'), and that changes nothing whatever is in the key. Where it
        // is run on a lock it answers WRONGTYPE, and where it has been renamed that it is not known: that is no refusal.
        // Refusals as replies ('E'): without, Valkey 9.1 follows a NULL pointer.
        // SAFETY: each letter of the format has its argument; the text lives as long as the reply, which is freed once.
        unsafe {
            let reply = call!(RedisModule_Call(
                self.raw,
                c"SETRANGE".as_ptr(),
                c"ESscc".as_ptr(),
                key.raw(),
                c"0".as_ptr(),
                c"".as_ptr(),
            ));
            if reply.is_null() {
                return false;
            }
            let mut len = 0;
            let taken = call!(RedisModule_CallReplyType(reply)) != raw::REDISMODULE_REPLY_ERROR as c_int || {
                let text = call!(RedisModule_CallReplyStringPtr(reply, &mut len));
                let text = if text.is_null() { &[] } else { slice::from_raw_parts(text.cast::<u8>(), len) };
                let code = text.strip_prefix(b"-").unwrap_or(text);
                !REFUSALS.iter().any(|refusal| code.starts_with(refusal))
            };
            call!(RedisModule_FreeCallReply(reply));
            taken
        }
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
        None => wall_now(),
    }
}

fn wall_now() -> Nanos {
    // SAFETY: the table of functions is written only at load.
    match unsafe { optional::RedisModule_Microseconds } {
        // SAFETY: takes nothing and asks the clock.
        Some(micros) => Nanos::from_micros(unsafe { micros() }),
        None => {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Nanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
        }
    }
}
