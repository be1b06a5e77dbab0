//! Clients that wait on a key.
//!
//! A blocked client has a number; the server's handle of it stays in here, and is dropped as soon
//! as the server says that it is over, so a number that is used too late does nothing.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis_module::raw;
use sluice_core::time::Millis;

use super::api::call;
use super::args::{Arg, Args};
use super::context::Context;
use crate::lock::waiting;

/// The handles of all clients that wait.
static HANDLES: Mutex<Option<HashMap<u64, Handle>>> = Mutex::new(None);

struct Handle(*mut raw::RedisModuleBlockedClient);

// SAFETY: handles are used only under the server's global lock, on whatever thread has it.
unsafe impl Send for Handle {}

fn handles() -> MutexGuard<'static, Option<HashMap<u64, Handle>>> {
    // Nothing is called while this is locked, so it is free, and whole even after a panic.
    HANDLES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(id: u64) -> Option<Handle> {
    handles().as_mut()?.remove(&id)
}

impl Context<'_> {
    /// Makes the client wait on the key, at most for this time (0: without limit), and returns the
    /// number of the wait. It ends with exactly one call of either [`waiting::answer`] or
    /// [`waiting::gone`].
    ///
    /// `None` if the server lets this client not wait: Valkey lets none that has subscribed to
    /// channels.
    ///
    /// On the key, so that a cluster can redirect the client when the slot moves. But waking it
    /// through the key costs two callbacks for every client that waits there, so that is not used:
    /// [`wake`] goes to the one client, whose timeout callback then runs at once.
    pub(crate) fn block_on(&self, key: Arg<'_>, limit: Millis) -> Option<u64> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1; // never NULL
        let mut keys = [key.raw()];
        // SAFETY: the context is that of a command that may block; the key is copied; the private
        // data is a number and never followed as a pointer.
        unsafe {
            let handle = call!(RedisModule_BlockClientOnKeys(
                self.raw(),
                Some(stay),
                Some(answer),
                Some(forget),
                limit.get() as i64,
                keys.as_mut_ptr(),
                1,
                ptr::without_provenance_mut(id as usize),
            ));
            if handle.is_null() {
                return None;
            }
            call!(RedisModule_SetDisconnectCallback(handle, Some(disconnected)));
            handles().get_or_insert_default().insert(id, Handle(handle));
        }
        Some(id)
    }
}

/// Ends a wait: [`waiting::answer`] runs before this returns. Nothing happens if it is over.
pub(crate) fn wake(id: u64) {
    let Some(Handle(handle)) = take(id) else { return };
    // SAFETY: the handle was still in the map, so the server has neither timed it out nor seen its
    // client go, and it has not been unblocked.
    unsafe {
        call!(RedisModule_UnblockClient(handle, ptr::without_provenance_mut(id as usize)));
    }
}

fn id_of(ctx: *mut raw::RedisModuleCtx) -> u64 {
    // SAFETY: the context of a callback of a blocked client; its private data is the number.
    unsafe { call!(RedisModule_GetBlockedClientPrivateData(ctx)).addr() as u64 }
}

/// The key became ready, by whatever means: who gets the lock is not decided here.
extern "C" fn stay(
    _ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    raw::REDISMODULE_ERR as c_int
}

/// The time is over, or CLIENT UNBLOCK, or [`wake`].
extern "C" fn answer(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let id = id_of(ctx);
    take(id);
    // SAFETY: the server's own parameters for the callback now running.
    let (ctx, args) = unsafe { (Context::new(ctx), Args::new(argv, argc)) };
    if catch_unwind(AssertUnwindSafe(|| waiting::answer(&ctx, args, id))).is_err() {
        ctx.reply_error(c"ERR internal error in the sluice module, please report it");
    }
    raw::REDISMODULE_OK as c_int
}

/// The client is gone, or has been told -UNBLOCKED or -MOVED.
extern "C" fn disconnected(ctx: *mut raw::RedisModuleCtx, _handle: *mut raw::RedisModuleBlockedClient) {
    let id = id_of(ctx);
    take(id);
    let _ = catch_unwind(|| waiting::gone(id));
}

/// The last that is heard of a wait.
extern "C" fn forget(_ctx: *mut raw::RedisModuleCtx, id: *mut c_void) {
    let id = id.addr() as u64;
    take(id);
    let _ = catch_unwind(|| waiting::gone(id));
}
