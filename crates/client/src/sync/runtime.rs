//! The runtime of all who block, on a thread of its own; and who may block.

use std::future::{Future, pending};
use std::io;
use std::pin::pin;
use std::sync::{Mutex, OnceLock};
use std::task::{Context, Waker};
use std::thread;

use redis::RedisError;
use tokio::runtime::{Builder, Handle};

use crate::error::{Error, Result};
use crate::locked::locked;

static RUNTIME: OnceLock<Handle> = OnceLock::new();

/// Blocks the calling thread until the future is done.
pub(super) fn wait<F: Future>(future: F) -> Result<F::Output> {
    Ok(ready()?.block_on(future))
}

/// Where to block, if the caller may.
pub(super) fn ready() -> Result<&'static Handle> {
    if is_async() {
        return Err(Error::InAsync);
    }
    handle().map_err(|error| Error::Redis(RedisError::from(error)))
}

fn handle() -> io::Result<&'static Handle> {
    static MAKING: Mutex<()> = Mutex::new(());
    if let Some(handle) = RUNTIME.get() {
        return Ok(handle);
    }
    let _alone = locked(&MAKING);
    if let Some(handle) = RUNTIME.get() {
        return Ok(handle);
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    // Others block on this runtime, but only who runs it sees to its timers and connections.
    thread::Builder::new()
        .name("sluice-client".to_owned())
        .spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(RUNTIME.get_or_init(|| handle))
}

/// Whether the caller is async code, whose runtime would stand still meanwhile; or a destructor at the end of a
/// thread, when tokio has nothing left there to block with.
///
/// Tokio tells that only by a panic. But it gives async code a budget, which can be used up, and code that may block
/// none: a closure of `spawn_blocking`, where a runtime is known as well. What is used up here is the budget of one
/// poll of a task that is told of its mistake.
pub(super) fn is_async() -> bool {
    const MORE_THAN_A_BUDGET: usize = 1024;
    if let Err(error) = Handle::try_current() {
        return error.is_thread_local_destroyed();
    }
    let mut context = Context::from_waker(Waker::noop());
    (0..MORE_THAN_A_BUDGET).any(|_| pin!(tokio::task::consume_budget()).poll(&mut context).is_pending())
}
