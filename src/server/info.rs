//! The module's sections of `INFO`.

use std::ffi::{CStr, c_int, c_ulonglong};
use std::panic::{AssertUnwindSafe, catch_unwind};

use redis_module::raw;

use super::api::call;
use super::load::{LoadError, Loading};

/// Who fills the module's part of `INFO`.
pub(crate) trait Info {
    /// Its sections, in order.
    const SECTIONS: &'static [InfoSection];
}

/// A section of `INFO`.
pub(crate) struct InfoSection {
    /// What it is called, behind the module's name; without a name it is called after the module.
    pub(crate) name: &'static CStr,
    /// Writes its fields.
    pub(crate) fill: fn(&InfoFields),
    /// Whether it may be written amid a crash, too: it takes nothing that somebody may have in hand then.
    pub(crate) in_crash_report: bool,
}

/// The section being written.
pub(crate) struct InfoFields {
    raw: *mut raw::RedisModuleInfoCtx,
}

impl InfoFields {
    /// One line: `sluice_<name>:<value>`.
    pub(crate) fn number(&self, name: &CStr, value: u64) {
        // SAFETY: the context is valid while the server's callback runs; the name is copied.
        unsafe {
            call!(RedisModule_InfoAddFieldULongLong(self.raw, name.as_ptr(), value as c_ulonglong));
        }
    }

    /// One line: `sluice_<name>:<part>=<value>,<part>=<value>...`.
    pub(crate) fn numbers(&self, name: &CStr, parts: &[(&CStr, u64)]) {
        // SAFETY: the context is valid while the server's callback runs; the name is copied.
        unsafe {
            call!(RedisModule_InfoBeginDictField(self.raw, name.as_ptr()));
        }
        for (part, value) in parts {
            self.number(part, *value);
        }
        // SAFETY: the context is valid while the server's callback runs.
        unsafe {
            call!(RedisModule_InfoEndDictField(self.raw));
        }
    }
}

extern "C" fn write_info<I: Info>(raw: *mut raw::RedisModuleInfoCtx, for_crash_report: c_int) {
    for section in I::SECTIONS.iter().filter(|section| for_crash_report == 0 || section.in_crash_report) {
        // SAFETY: the context is valid while the server's callback runs; the name is copied.
        let asked_for = unsafe { call!(RedisModule_InfoAddSection(raw, section.name.as_ptr())) };
        if asked_for == raw::REDISMODULE_OK as c_int {
            // A panic must not unwind into the server; a section cut short is the lesser harm.
            let _ = catch_unwind(AssertUnwindSafe(|| (section.fill)(&InfoFields { raw })));
        }
    }
}

impl Loading<'_> {
    /// Adds the module's sections to `INFO`. Once only: the server takes one callback from a module.
    pub(crate) fn add_info<I: Info>(&self) -> Result<(), LoadError> {
        // SAFETY: the context is that of the load.
        let made = unsafe { call!(RedisModule_RegisterInfoFunc(self.raw(), Some(write_info::<I>))) };
        match made == raw::REDISMODULE_OK as c_int {
            true => Ok(()),
            false => Err(LoadError::new("the server refused the INFO section")),
        }
    }
}
