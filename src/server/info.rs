//! The module's section of `INFO`.

use std::ffi::{CStr, c_int, c_ulonglong};
use std::panic::{AssertUnwindSafe, catch_unwind};

use redis_module::raw;

use super::api::call;
use super::load::{LoadError, Loading};

/// The section being written.
pub(crate) struct Section {
    raw: *mut raw::RedisModuleInfoCtx,
}

impl Section {
    /// One line: `sluice_<name>:<value>`.
    pub(crate) fn field(&self, name: &CStr, value: u64) {
        // SAFETY: the context is valid while the server's callback runs; the name is copied.
        unsafe {
            call!(RedisModule_InfoAddFieldULongLong(self.raw, name.as_ptr(), value as c_ulonglong));
        }
    }
}

extern "C" fn write_info(raw: *mut raw::RedisModuleInfoCtx, _for_crash_report: c_int) {
    // SAFETY: the context is the server's; a nameless section is called after the module.
    if unsafe { call!(RedisModule_InfoAddSection(raw, c"".as_ptr())) } != raw::REDISMODULE_OK as c_int {
        return; // not asked for
    }
    let section = Section { raw };
    // A panic must not unwind into the server; a section cut short is the lesser harm.
    let _ = catch_unwind(AssertUnwindSafe(|| crate::info::write(&section)));
}

impl Loading<'_> {
    /// Adds the module's section to `INFO`.
    pub(crate) fn add_info(&self) -> Result<(), LoadError> {
        // SAFETY: the context is that of the load.
        let made = unsafe { call!(RedisModule_RegisterInfoFunc(self.raw(), Some(write_info))) };
        match made == raw::REDISMODULE_OK as c_int {
            true => Ok(()),
            false => Err(LoadError::new("the server refused the INFO section")),
        }
    }
}
