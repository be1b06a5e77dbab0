//! What happens in the server without a command of ours: flushing, swapping databases, evicting, time going by.

use std::ffi::{c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use redis_module::raw;

use super::api::call;
use super::args::Arg;
use super::context::Context;
use super::load::{LoadError, Loading};

/// Who hears what happens; what it does not ask for, it does not get.
///
/// For another event: a method here that does nothing, a callback below, and its line in
/// [`Loading::add_events`].
pub(crate) trait Events {
    /// All keys of a database are gone; of all databases with `None`.
    fn flushed(_db: Option<i32>) {}

    /// Two databases have changed places.
    fn swapped() {}

    /// A key has been evicted. It is no longer there.
    fn evicted(_db: i32, _key: &[u8]) {}

    /// A replica has been sent all there was and gets what changes from now on. Nothing may be written here.
    fn replica_online() {}

    /// The server does its own regular jobs: `hz` times a second, whatever becomes of the wall clock.
    fn cron(_ctx: &Context<'_>) {}
}

extern "C" fn flushed<E: Events>(
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
    let _ = catch_unwind(|| E::flushed((db >= 0).then_some(db)));
}

extern "C" fn swapped<E: Events>(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    _info: *mut c_void,
) {
    let _ = catch_unwind(E::swapped);
}

extern "C" fn replica_changed<E: Events>(
    _ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    subevent: u64,
    _info: *mut c_void,
) {
    if subevent == raw::REDISMODULE_SUBEVENT_REPLICA_CHANGE_ONLINE {
        let _ = catch_unwind(E::replica_online);
    }
}

extern "C" fn cron<E: Events>(
    ctx: *mut raw::RedisModuleCtx,
    _event: raw::RedisModuleEvent,
    _subevent: u64,
    _info: *mut c_void,
) {
    // SAFETY: the server's own context for the callback now running.
    let ctx = unsafe { Context::new(ctx) };
    let _ = catch_unwind(AssertUnwindSafe(|| E::cron(&ctx)));
}

extern "C" fn evicted<E: Events>(
    ctx: *mut raw::RedisModuleCtx,
    _type: c_int,
    _event: *const c_char,
    key: *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: the server's own parameters, valid while the callback runs.
    let (ctx, key) = unsafe { (Context::new(ctx), Arg::borrowed(key)) };
    let _ = catch_unwind(AssertUnwindSafe(|| E::evicted(ctx.db(), key.bytes())));
    raw::REDISMODULE_OK as c_int
}

impl Loading<'_> {
    /// Has `E` told of what happens in the server. Once only: the server takes one callback an event
    /// from a module.
    pub(crate) fn add_events<E: Events>(&self) -> Result<(), LoadError> {
        let flush = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_FLUSHDB, dataver: 1 };
        let swap = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_SWAPDB, dataver: 1 };
        let cron_loop = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_CRON_LOOP, dataver: 1 };
        let replica = raw::RedisModuleEvent { id: raw::REDISMODULE_EVENT_REPLICA_CHANGE, dataver: 1 };
        let evict = raw::REDISMODULE_NOTIFY_EVICTED;
        // SAFETY: the context is that of the load; the callbacks have the events' signatures.
        let made = unsafe {
            [
                call!(RedisModule_SubscribeToServerEvent(self.raw(), flush, Some(flushed::<E>))),
                call!(RedisModule_SubscribeToServerEvent(self.raw(), swap, Some(swapped::<E>))),
                call!(RedisModule_SubscribeToServerEvent(self.raw(), cron_loop, Some(cron::<E>))),
                call!(RedisModule_SubscribeToServerEvent(self.raw(), replica, Some(replica_changed::<E>))),
                call!(RedisModule_SubscribeToKeyspaceEvents(self.raw(), evict, Some(evicted::<E>))),
            ]
        };
        match made.iter().all(|made| *made == raw::REDISMODULE_OK as c_int) {
            true => Ok(()),
            false => Err(LoadError::new("the server refused to tell of its events")),
        }
    }
}
