//! Timers: a callback on the server's main thread after some time.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use redis_module::raw;

use super::api::call;
use super::context::Context;
use super::load::background;

/// What a timer is set for. The server carries its number, and gives it back when the time has come.
pub(crate) trait Token: Copy {
    /// The number.
    fn number(self) -> u64;

    /// The token with this number, which came from [`Self::number`].
    fn of_number(number: u64) -> Self;

    /// The time has come.
    fn ring(self, ctx: &Context<'_>);
}

type Callback = extern "C" fn(*mut raw::RedisModuleCtx, *mut c_void);

/// A timer that is set.
#[derive(Debug)]
pub(crate) struct Timer {
    id: raw::RedisModuleTimerID,
    /// The address of its callback, and its token's number: what it is known by while it rings.
    rings: (usize, u64),
}

/// The timer that is ringing now, as in [`Timer::rings`]; zeros if none is.
static RINGING: (AtomicUsize, AtomicU64) = (AtomicUsize::new(0), AtomicU64::new(0));

impl Timer {
    /// Calls [`Token::ring`] `ms` from now.
    pub(crate) fn set<T: Token>(ms: u64, token: T) -> Self {
        // The server multiplies by 1000 without a check. Nobody sets a timer for more than a day.
        let ms = ms.min(24 * 60 * 60 * 1_000);
        let callback: Callback = ring::<T>;
        // SAFETY: the background context lives as long as the module; the data is a number.
        let id = unsafe {
            call!(RedisModule_CreateTimer(
                background(),
                ms as raw::mstime_t,
                Some(callback),
                ptr::without_provenance_mut(token.number() as usize),
            ))
        };
        Self { id, rings: (callback as usize, token.number()) }
    }

    /// Stops the timer, if it has not rung.
    pub(crate) fn stop(self) {
        // The server frees a timer when its callback returns, and would free it twice.
        if self.rings == (RINGING.0.load(Ordering::Relaxed), RINGING.1.load(Ordering::Relaxed)) {
            return;
        }
        // SAFETY: an id of ours that is not ringing; the server knows it or answers an error.
        unsafe {
            call!(RedisModule_StopTimer(background(), self.id, ptr::null_mut()));
        }
    }
}

extern "C" fn ring<T: Token>(ctx: *mut raw::RedisModuleCtx, number: *mut c_void) {
    let callback: Callback = ring::<T>;
    let number = number.addr() as u64;
    RINGING.0.store(callback as usize, Ordering::Relaxed);
    RINGING.1.store(number, Ordering::Relaxed);
    // SAFETY: the server's own context for the callback now running.
    let ctx = unsafe { Context::new(ctx) };
    let _ = catch_unwind(AssertUnwindSafe(|| T::of_number(number).ring(&ctx)));
    RINGING.0.store(0, Ordering::Relaxed);
    RINGING.1.store(0, Ordering::Relaxed);
}
