//! What the server does to keys without asking: flushing, swapping databases, evicting.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use redis_module::raw;

use super::api::call;
use super::args::Arg;
use super::context::Context;
use super::load::{LoadError, Loading};
use crate::lock::{value, waiting};

extern "C" fn flushed(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    info: *mut c_void,
) {
    if subevent != raw::REDISMODULE_SUBEVENT_FLUSHDB_END {
        return;
    }
    // SAFETY: for this event the server passes a RedisModuleFlushInfo.
    let db = unsafe { &*info.cast::<raw::RedisModuleFlushInfo>() }.dbnum;
    let _ = catch_unwind(|| waiting::poke_all((db >= 0).then_some(db)));
}

extern "C" fn swapped(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    _info: *mut c_void,
) {
    let _ = catch_unwind(|| waiting::poke_all(None));
}

extern "C" fn evicted(
    ctx: *mut raw::RedisModuleCtx,
    _type: c_int,
    _event: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: the server's own parameters, valid while the callback runs.
    let (ctx, key) = unsafe { (Context::new(ctx), Arg::borrowed(key)) };
    let _ = catch_unwind(AssertUnwindSafe(|| value::evicted(ctx.db(), key.bytes())));
    raw::REDISMODULE_OK as c_int
}

impl Loading<'_> {
    /// Listens to what may free a lock that somebody waits for.
    pub(crate) fn add_events(&self) -> Result<(), LoadError> {
        let flush = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_FLUSHDB, dataver: 1 };
        let swap = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_SWAPDB, dataver: 1 };
        // SAFETY: the context is that of the load; the callbacks have the events' signatures.
        let made = unsafe {
            [
                call!(RedisModule_SubscribeToServerEvent(self.raw(), flush, Some(flushed))),
                call!(RedisModule_SubscribeToServerEvent(self.raw(), swap, Some(swapped))),
                call!(RedisModule_SubscribeToKeyspaceEvents(
                    self.raw(),
                    raw::REDISMODULE_NOTIFY_EVICTED,
                    Some(evicted)
                )),
            ]
        };
        match made.iter().all(|made| *made == raw::REDISMODULE_OK as c_int) {
            true => Ok(()),
            false => Err(LoadError::new("the server refused to tell of its events")),
        }
    }
}
