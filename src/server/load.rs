//! Loading and unloading, under the names of both server families.

use std::ffi::{CStr, CString, c_int};
use std::panic::catch_unwind;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw;

use super::api::{self, call, optional};
use super::args::Args;

/// The module, as whoever wires it up declares it. [`entry_points`] hands it to the server.
pub(crate) trait Module {
    /// What it is called, before every setting and in `MODULE LIST`.
    const NAME: &'static CStr;

    /// The version as `MODULE LIST` shows it: 100 is 0.1.0, 10203 is 1.2.3.
    const VERSION: i32;

    /// Registers everything with the server that loads it.
    fn load(server: &mut Loading<'_>) -> Result<(), LoadError>;
}

/// The server while it loads us.
pub(crate) struct Loading<'a> {
    raw: *mut raw::RedisModuleCtx,
    args: Args<'a>,
    /// The ACL categories that the server let us add.
    pub(super) categories: Vec<&'static CStr>,
}

/// Why the module does not load; goes to the server's log.
pub(crate) struct LoadError(String);

impl LoadError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A context for what belongs to no command, such as alarms. Made at load, freed only if that fails: a module with a
/// data type is never unloaded.
static BACKGROUND: AtomicPtr<raw::RedisModuleCtx> = AtomicPtr::new(ptr::null_mut());

/// Gives back the context of a module that does not load after all.
fn free_background() {
    let context = BACKGROUND.swap(ptr::null_mut(), Ordering::Relaxed);
    if !context.is_null() {
        // SAFETY: made by us and freed once; whoever would use it belongs to a module that is not loaded.
        unsafe { call!(RedisModule_FreeThreadSafeContext(context)) }
    }
}

pub(super) fn background() -> *mut raw::RedisModuleCtx {
    BACKGROUND.load(Ordering::Relaxed)
}

/// Which of the two entry points the server took. Redis and Valkey have begun to give different
/// meanings to the same option bits, which nothing else tells apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Redis,
    Valkey,
}

impl<'a> Loading<'a> {
    pub(super) fn raw(&self) -> *mut raw::RedisModuleCtx {
        self.raw
    }

    /// The words behind the module's path in `loadmodule`.
    pub(crate) fn args(&self) -> impl Iterator<Item = &'a [u8]> {
        self.args.from(0).map(super::args::Arg::bytes)
    }

    /// How many replicas are connected to this server.
    pub(crate) fn replicas(&self) -> u64 {
        // SAFETY: the context is that of the load; what is answered is freed once, and asked in between.
        unsafe {
            let info = call!(RedisModule_GetServerInfo(self.raw, c"replication".as_ptr()));
            let field = c"connected_slaves".as_ptr();
            let count = call!(RedisModule_ServerInfoGetFieldUnsigned(info, field, ptr::null_mut()));
            call!(RedisModule_FreeServerInfo(self.raw, info));
            count
        }
    }

    fn set_options(&self, family: Family) {
        // HANDLE_IO_ERRORS: a broken RDB is our error to report, not the server's to die of.
        // NO_IMPLICIT_SIGNAL_MODIFIED: a refused call must not break WATCH.
        // Not yet: Valkey 9.2 saves without forking only where every module says that it copes. Ours does (a lock is
        // saved from its value alone, the last fence under its own lock, and a key that is not to be written is borne
        // with); the bit is to be added here when its number is published.
        // HANDLE_REPL_ASYNC_LOAD: what outlives a command (who waits) is not data, so old data can be served.
        const EVERYWHERE: c_int = 1 << 0 | 1 << 1 | 1 << 2;
        // Valkey 9 moves no slots atomically while a module has not said that it copes.
        const VALKEY_ATOMIC_SLOT_MIGRATION: c_int = 1 << 5;
        // SAFETY: the table of functions is written only at load.
        let known = match unsafe { optional::RedisModule_GetModuleOptionsAll } {
            // SAFETY: takes nothing and answers a constant.
            Some(all) => unsafe { all() },
            None => EVERYWHERE,
        };
        let wanted = match family {
            Family::Redis => EVERYWHERE,
            Family::Valkey => EVERYWHERE | VALKEY_ATOMIC_SLOT_MIGRATION,
        };
        // SAFETY: the context is that of the load.
        unsafe { call!(RedisModule_SetModuleOptions(self.raw, wanted & known)) }
    }
}

/// Writes a warning to the server's log, whatever is running.
pub(crate) fn warn(text: &str) {
    log_warning(background(), text);
}

fn log_warning(ctx: *mut raw::RedisModuleCtx, text: &str) {
    let Ok(text) = CString::new(text) else { return };
    // SAFETY: the table is filled, every server has this function, and the text is an argument of
    // the format, not the format.
    unsafe {
        if let Some(log) = raw::RedisModule_Log {
            log(ctx, c"warning".as_ptr(), c"%s".as_ptr(), text.as_ptr());
        }
    }
}

/// Loads the module.
///
/// # Safety
///
/// The parameters are those that the server passed to the entry point now running.
pub(crate) unsafe fn on_load<M: Module>(
    ctx: *mut raw::RedisModuleCtx,
    argv: *mut *mut raw::RedisModuleString,
    argc: c_int,
    family: Family,
) -> c_int {
    let failed = raw::REDISMODULE_ERR as c_int;
    // Nothing may allocate before this: the allocator is the server's.
    // SAFETY: the context is the server's; the name is copied.
    let initialised = unsafe {
        let api = raw::REDISMODULE_APIVER_1 as c_int;
        raw::Export_RedisModule_Init(ctx, M::NAME.as_ptr(), M::VERSION, api)
    };
    if initialised != raw::REDISMODULE_OK as c_int {
        return failed;
    }
    let outcome = catch_unwind(|| {
        let missing = api::missing();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(LoadError(format!(
                "needs Redis 7.0 or Valkey 8.0 or newer: this server lacks {missing}"
            )));
        }
        // SAFETY: the server's own parameters, valid until this function returns.
        let args = unsafe { Args::new(argv, argc) };
        let mut loading = Loading { raw: ctx, args, categories: Vec::new() };
        loading.set_options(family);
        // SAFETY: the context is that of the load.
        BACKGROUND.store(unsafe { call!(RedisModule_GetDetachedThreadSafeContext(ctx)) }, Ordering::Relaxed);
        M::load(&mut loading)
    });
    if !matches!(outcome, Ok(Ok(()))) {
        free_background();
    }
    match outcome {
        Ok(Ok(())) => raw::REDISMODULE_OK as c_int,
        Ok(Err(LoadError(text))) => {
            log_warning(ctx, &format!("{} does not load: {text}", M::NAME.to_string_lossy()));
            failed
        }
        Err(_) => failed,
    }
}

/// The symbols that servers look for, for one type that is a [`Module`].
macro_rules! entry_points {
    ($module:ty) => {
        /// What the server calls, and nobody else.
        #[allow(unsafe_code)]
        const _: () = {
            use std::ffi::c_int;

            use redis_module::raw;

            use $crate::server::load::{Family, on_load};

            /// What Redis calls on MODULE LOAD.
            ///
            /// # Safety
            ///
            /// To be called by the server alone.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn RedisModule_OnLoad(
                ctx: *mut raw::RedisModuleCtx,
                argv: *mut *mut raw::RedisModuleString,
                argc: c_int,
            ) -> c_int {
                // SAFETY: the server's own parameters.
                unsafe { on_load::<$module>(ctx, argv, argc, Family::Redis) }
            }

            /// What Valkey looks for first; with it there is no "legacy module" notice.
            ///
            /// # Safety
            ///
            /// To be called by the server alone.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn ValkeyModule_OnLoad(
                ctx: *mut raw::RedisModuleCtx,
                argv: *mut *mut raw::RedisModuleString,
                argc: c_int,
            ) -> c_int {
                // SAFETY: the server's own parameters.
                unsafe { on_load::<$module>(ctx, argv, argc, Family::Valkey) }
            }

            /// What Redis would call on MODULE UNLOAD, which it refuses: the module has a data type.
            #[unsafe(no_mangle)]
            extern "C" fn RedisModule_OnUnload(_ctx: *mut raw::RedisModuleCtx) -> c_int {
                raw::REDISMODULE_OK as c_int
            }

            /// The same under Valkey's name.
            #[unsafe(no_mangle)]
            extern "C" fn ValkeyModule_OnUnload(_ctx: *mut raw::RedisModuleCtx) -> c_int {
                raw::REDISMODULE_OK as c_int
            }
        };
    };
}
pub(crate) use entry_points;
