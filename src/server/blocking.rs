//! Clients that wait on a key.
//!
//! A blocked client has a number; the server's handle of it stays in here, and is dropped as soon
//! as the server says that it is over, so a number that is used too late does nothing.
//!
//! A wait has ended when the server has been told so; its client is answered soon after, on Redis 7.0 at once. In between
//! the client may be killed, or told something else by CLIENT UNBLOCK: then [`BlockingCommand::forget`] is called
//! without [`BlockingCommand::answer`].

use std::collections::{HashMap, HashSet};
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis_module::raw;
use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names::CommandName;
use sluice_core::time::Millis;

use super::api::{call, optional};
use super::args::{Arg, Args, FixedArg, OwnedArg};
use super::context::Context;
use super::guarded::Guarded;
use super::register::Command;
use super::timers::{Timer, Token};

/// A command that can make its client wait, by [`Context::block_on`].
pub(crate) trait BlockingCommand: Command {
    /// The wait is over, by [`wake`], by its time, or by CLIENT UNBLOCK: one whole reply, or an
    /// error and no reply at all. `args` are those that the command was called with. Outside of any command.
    fn answer(ctx: &Context<'_>, args: Args<'_>, wait: WaitId) -> Result<(), CommandError>;

    /// The time of a wait is up; it is answered next. Outside of any command, and for waits up to an hour.
    fn time_is_up(_ctx: &Context<'_>, _wait: WaitId) {}

    /// The last that is heard of a wait. `heard`: if it was answered, that has reached the client's buffer; else its
    /// client has gone, or the server has told it -UNBLOCKED or -MOVED. May be called twice.
    fn forget(wait: WaitId, heard: bool);
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

/// The longest wait whose end is timed here, in ms. The server times longer ones, for which it is close enough that it
/// looks only a few times a second.
const TIMED_MS: u64 = 60 * 60 * 1_000;

/// How much later the server may end a wait that is timed here, in ms: only if the timer sleeps, as the clock was set.
const LATER_MS: u64 = 1_000;

/// All clients that wait.
static BLOCKED: Guarded<HashMap<WaitId, Blocked>> = Guarded::new();

struct Blocked {
    handle: *mut raw::RedisModuleBlockedClient,
    time_up: Option<Timer>,
    /// What it has called, and what that wants to know.
    command: CommandName,
    time_is_up: fn(&Context<'_>, WaitId),
    /// Who it is, if its rights can be asked for by name. They cannot where another module has called for itself, or has
    /// made the user; nor on Valkey 9.1 where they differ by database: there the server says no to those it has let in.
    user: Option<Rc<OwnedArg>>,
}

// SAFETY: handles and names are used only under the server's global lock, on whatever thread has it.
unsafe impl Send for Blocked {}

impl Token for WaitId {
    fn number(self) -> u64 {
        self.0
    }

    fn of_number(number: u64) -> Self {
        Self(number)
    }

    fn ring(self, ctx: &Context<'_>) {
        let time_is_up = BLOCKED.with(|blocked| blocked.get(&self).map(|blocked| blocked.time_is_up));
        if let Some(time_is_up) = time_is_up {
            time_is_up(ctx, self);
        }
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
    /// [`wake`] goes to the one client, whose timeout callback then runs.
    pub(crate) fn block_on<C: BlockingCommand>(&self, key: Arg<'_>, limit: Millis) -> Option<WaitId> {
        let wait = WaitId::next();
        let mut keys = [key.raw()];
        let timed_here = (1..=TIMED_MS).contains(&limit.get());
        let limit_ms = if timed_here { limit.get() + LATER_MS } else { limit.get() };
        // SAFETY: the context is that of a command that may block; the key is copied; the private
        // data is a number and never followed as a pointer.
        let handle = unsafe {
            let handle = call!(RedisModule_BlockClientOnKeys(
                self.raw(),
                Some(stay),
                Some(answer::<C>),
                Some(forget::<C>),
                limit_ms as i64,
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
        let time_up = timed_here.then(|| Timer::set(limit.get(), wait));
        let user = self.user().filter(|user| is_permitted(user, C::SPEC.name, key)).map(Rc::new);
        let blocked = Blocked { handle, time_up, command: C::SPEC.name, time_is_up: C::time_is_up, user };
        BLOCKED.with(|waits| waits.insert(wait, blocked));
        Some(wait)
    }

    /// The name of the client's user; `None` where no client is behind the call.
    fn user(&self) -> Option<OwnedArg> {
        // By the client's number, as the function for the current client follows a NULL pointer where it has no user.
        // SAFETY: the context is that of the running command; the name is ours to free.
        unsafe {
            let client = call!(RedisModule_GetClientId(self.raw()));
            OwnedArg::from_raw(call!(RedisModule_GetClientUserNameById(self.raw(), client)))
        }
    }
}

/// Whether the user of one that waits might still call its command with this key.
pub(crate) fn is_still_permitted(wait: WaitId, key: Arg<'_>) -> bool {
    let who = |blocked: &Blocked| (blocked.command, blocked.user.clone());
    let Some((command, user)) = BLOCKED.with(|blocked| blocked.get(&wait).map(who)) else { return false };
    user.is_none_or(|user| is_permitted(&user, command, key))
}

/// Whether a user might call this command with this key.
fn is_permitted(user: &OwnedArg, command: CommandName, key: Arg<'_>) -> bool {
    static ANY: FixedArg = FixedArg::new(b"1");
    let command = OwnedArg::new(command.upper().to_bytes());
    // Only the command and its key count; the rest makes it long enough.
    let mut words = [command.arg().raw(), key.raw(), ANY.raw(), ANY.raw(), ANY.raw(), ANY.raw(), ANY.raw()];
    // SAFETY: the words live until this returns; the user is asked at once and freed once.
    unsafe {
        let user = call!(RedisModule_GetModuleUserFromUserName(user.arg().raw()));
        if user.is_null() {
            return false;
        }
        let answer =
            call!(RedisModule_ACLCheckCommandPermissions(user, words.as_mut_ptr(), words.len() as c_int));
        call!(RedisModule_FreeModuleUser(user));
        answer == raw::REDISMODULE_OK as c_int
    }
}

/// The waits whose answers have been written straight into their clients' buffers.
static HEARD: Guarded<HashSet<WaitId>> = Guarded::new();

/// The wait that is being woken; 0 if none is.
static WAKING: AtomicU64 = AtomicU64::new(0);

/// Ends a wait: [`BlockingCommand::answer`] runs, at the latest when the server's loop comes round again. Nothing
/// happens if it is over.
pub(crate) fn wake(wait: WaitId) {
    let Some(handle) = take(wait) else { return };
    let outer = WAKING.swap(wait.0, Ordering::Relaxed);
    // SAFETY: the handle was still in the map, so the server has neither timed it out nor seen its
    // client go, and it has not been unblocked.
    unsafe {
        call!(RedisModule_UnblockClient(handle, wait.data()));
    }
    WAKING.store(outer, Ordering::Relaxed);
}

/// The handle of a wait that is not over yet; from now on it is.
fn take(wait: WaitId) -> Option<*mut raw::RedisModuleBlockedClient> {
    let Blocked { handle, time_up, .. } = BLOCKED.with(|blocked| blocked.remove(&wait))?;
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
    // Within `wake` Valkey keeps the answer back until its loop comes round, and Redis 7.0 does not; elsewhere nobody does.
    // SAFETY: the table of functions is written only at load.
    let kept_back = wait.0 == WAKING.load(Ordering::Relaxed)
        && unsafe { optional::RedisModule_CachedMicroseconds }.is_some();
    if !kept_back {
        HEARD.with(|heard| heard.insert(wait));
    }
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
    end::<C>(WaitId::of(ctx), false);
}

/// The last that is heard of a wait.
extern "C" fn forget<C: BlockingCommand>(ctx: *mut raw::RedisModuleCtx, wait: *mut c_void) {
    let wait = WaitId::of_data(wait);
    let written = HEARD.with(|heard| heard.remove(&wait));
    // SAFETY: the server's own context for the callback now running.
    let heard = written || unsafe { call!(RedisModule_BlockedClientDisconnected(ctx)) } == 0;
    end::<C>(wait, heard);
}

fn end<C: BlockingCommand>(wait: WaitId, heard: bool) {
    take(wait);
    let _ = catch_unwind(|| C::forget(wait, heard));
}
