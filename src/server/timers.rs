//! Alarms: a callback on the server's main thread after some time.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use redis_module::raw;

use super::api::call;
use super::context::Context;
use super::load::background;
use crate::lock::waiting;

/// An alarm that is set.
#[derive(Debug)]
pub(crate) struct Timer(raw::RedisModuleTimerID);

/// Calls [`waiting::alarm`] with the token, `ms` from now.
pub(crate) fn set(ms: u64, token: u64) -> Timer {
    // The server multiplies by 1000 without a check. Nobody sets an alarm for a day.
    let ms = ms.min(24 * 60 * 60 * 1_000);
    // SAFETY: the background context lives as long as the module; the data is a number.
    Timer(unsafe {
        call!(RedisModule_CreateTimer(
            background(),
            ms as raw::mstime_t,
            Some(ring),
            ptr::without_provenance_mut(token as usize),
        ))
    })
}

/// Stops an alarm, if it has not rung.
pub(crate) fn stop(timer: Timer) {
    // SAFETY: an id of ours; the server knows it or answers an error.
    unsafe {
        call!(RedisModule_StopTimer(background(), timer.0, ptr::null_mut()));
    }
}

extern "C" fn ring(ctx: *mut raw::RedisModuleCtx, token: *mut c_void) {
    // SAFETY: the server's own context for the callback now running.
    let ctx = unsafe { Context::new(ctx) };
    let _ = catch_unwind(AssertUnwindSafe(|| waiting::alarm(&ctx, token.addr() as u64)));
}
