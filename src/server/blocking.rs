//! Clients that wait on a key.
//!
//! A blocked client has a number; the server's handle of it stays in here, and is dropped as soon
//! as the server says that it is over, so a number that is used too late does nothing.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use redis_module::raw;
use sluice_core::grammar::error::CommandError;
use sluice_core::time::Millis;

use super::api::call;
use super::args::{Arg, Args};
use super::context::Context;
use super::guarded::Guarded;
use super::register::Command;
use super::timers::{Timer, Token};

/// A command that can make its client wait, by [`Context::block_on`].
pub(crate) trait BlockingCommand: Command {
    /// The wait is over, by [`wake`], by its time, or by CLIENT UNBLOCK: one whole reply, or an
    /// error and no reply at all. `args` are those that the command was called with.
    fn answer(ctx: &Context<'_>, args: Args<'_>, wait: WaitId) -> Result<(), CommandError>;

    /// The last that is heard of a wait: it has been answered, its client has gone, or the server
    /// has told it -UNBLOCKED or -MOVED. May be called twice.
    fn forget(wait: WaitId);
}

/// The number of a wait, unique as long as the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct WaitId(u64);

impl WaitId {
    fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1) // never NULL
    }

    /// As the server carries it for us: a number in place of a pointer, and never followed as one.
    fn data(self) -> *mut c_void {
        ptr::without_provenance_mut(self.0 as usize)
    }

    fn of_data(data: *mut c_void) -> Self {
        Self(data.addr() as u64)
    }

    /// The wait whose callback is running.
    fn of(ctx: *mut raw::RedisModuleCtx) -> Self {
        // SAFETY: the context of a callback of a blocked client; its private data is the number.
        Self::of_data(unsafe { call!(RedisModule_GetBlockedClientPrivateData(ctx)) })
    }
}

/// The longest wait whose end is timed here, in ms. The server times every wait, but looks only a
/// few times a second; for an hour that is close enough.
const TIMED_MS: u64 = 60 * 60 * 1_000;

/// All clients that wait.
static BLOCKED: Guarded<HashMap<WaitId, Blocked>> = Guarded::new();

struct Blocked {
    handle: *mut raw::RedisModuleBlockedClient,
    time_up: Option<Timer>,
}

// SAFETY: handles are used only under the server's global lock, on whatever thread has it.
unsafe impl Send for Blocked {}

impl Token for WaitId {
    fn number(self) -> u64 {
        self.0
    }

    fn of_number(number: u64) -> Self {
        Self(number)
    }

    fn ring(self, _ctx: &Context<'_>) {
        wake(self);
    }
}

impl Context<'_> {
    /// Makes the client wait on the key, at most for this time (0: without limit). `C` is told of
    /// the end.
    ///
    /// `None` if the server lets this client not wait: Valkey lets none that has subscribed to
    /// channels.
    ///
    /// On the key, so that a cluster can redirect the client when the slot moves. But waking it
    /// through the key costs two callbacks for every client that waits there, so that is not used:
    /// [`wake`] goes to the one client, whose timeout callback then runs at once.
    pub(crate) fn block_on<C: BlockingCommand>(&self, key: Arg<'_>, limit: Millis) -> Option<WaitId> {
        let wait = WaitId::next();
        let mut keys = [key.raw()];
        // SAFETY: the context is that of a command that may block; the key is copied; the private
        // data is a number and never followed as a pointer.
        let handle = unsafe {
            let handle = call!(RedisModule_BlockClientOnKeys(
                self.raw(),
                Some(stay),
                Some(answer::<C>),
                Some(forget::<C>),
                limit.get() as i64,
                keys.as_mut_ptr(),
                1,
                wait.data(),
            ));
            if handle.is_null() {
                return None;
            }
            call!(RedisModule_SetDisconnectCallback(handle, Some(disconnected::<C>)));
            handle
        };
        let timed_here = (1..=TIMED_MS).contains(&limit.get());
        let time_up = timed_here.then(|| Timer::set(limit.get(), wait));
        BLOCKED.with(|blocked| blocked.insert(wait, Blocked { handle, time_up }));
        Some(wait)
    }
}

/// Ends a wait: [`BlockingCommand::answer`] runs before this returns. Nothing happens if it is over.
pub(crate) fn wake(wait: WaitId) {
    let Some(handle) = take(wait) else { return };
    // SAFETY: the handle was still in the map, so the server has neither timed it out nor seen its
    // client go, and it has not been unblocked.
    unsafe {
        call!(RedisModule_UnblockClient(handle, wait.data()));
    }
}

/// The handle of a wait that is not over yet; from now on it is.
fn take(wait: WaitId) -> Option<*mut raw::RedisModuleBlockedClient> {
    let Blocked { handle, time_up } = BLOCKED.with(|blocked| blocked.remove(&wait))?;
    if let Some(timer) = time_up {
        timer.stop();
    }
    Some(handle)
}

/// The key became ready, by whatever means: who is woken is not decided here.
extern "C" fn stay(
    _ctx: *mut raw::RedisModuleCtx,
    _argv: *mut *mut raw::RedisModuleString,
    _argc: c_int,
) -> c_int {
    raw::REDISMODULE_ERR as c_int
}

/// The time is over, or CLIENT UNBLOCK, or [`wake`].
extern "C" fn answer<C: BlockingCommand>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
) -> c_int {
    let wait = WaitId::of(ctx);
    take(wait);
    // SAFETY: the server's own parameters for the callback now running.
    let (ctx, args) = unsafe { (Context::new(ctx), Args::new(argv, argc)) };
    let outcome = catch_unwind(AssertUnwindSafe(|| C::answer(&ctx, args, wait)));
    ctx.reply_failure(outcome, C::SPEC.name);
    raw::REDISMODULE_OK as c_int
}

/// The client is gone, or has been told -UNBLOCKED or -MOVED.
extern "C" fn disconnected<C: BlockingCommand>(
    ctx: *mut raw::RedisModuleCtx,
    _handle: *mut raw::RedisModuleBlockedClient,
) {
    end::<C>(WaitId::of(ctx));
}

/// The last that is heard of a wait.
extern "C" fn forget<C: BlockingCommand>(_ctx: *mut raw::RedisModuleCtx, wait: *mut c_void) {
    end::<C>(WaitId::of_data(wait));
}

fn end<C: BlockingCommand>(wait: WaitId) {
    take(wait);
    let _ = catch_unwind(|| C::forget(wait));
}
