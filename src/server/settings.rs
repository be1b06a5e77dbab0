//! Settings that `CONFIG GET` and `CONFIG SET` show as `sluice.<name>`.

use std::ffi::{CString, c_char, c_int, c_longlong, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, Ordering};

use redis_module::raw;
use sluice_core::grammar::settings::{self, NumberSetting, SwitchSetting};

use super::api::call;
use super::args::{Arg, OwnedArg};
use super::load::{LoadError, Loading};

/// A number that can be set while the server runs.
pub(crate) struct NumericSetting {
    /// What it is called, and what may be set.
    pub(crate) is: &'static NumberSetting,
    value: AtomicI64,
}

impl NumericSetting {
    pub(crate) const fn new(is: &'static NumberSetting) -> Self {
        Self { is, value: AtomicI64::new(is.default) }
    }

    /// What is set now.
    pub(crate) fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }

    /// Sets the value to start from; the server's configuration file still goes before it.
    pub(crate) fn set(&self, value: i64) {
        self.value.store(value, Ordering::Relaxed);
    }
}

extern "C" fn get(_name: *const c_char, setting: *mut c_void) -> c_longlong {
    // SAFETY: `add_setting` registered a `&'static NumericSetting` as the private data.
    unsafe { &*setting.cast::<NumericSetting>() }.get()
}

extern "C" fn set(
    _name: *const c_char,
    value: c_longlong,
    setting: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: `add_setting` registered a `&'static NumericSetting` as the private data.
    unsafe { &*setting.cast::<NumericSetting>() }.set(value);
    raw::REDISMODULE_OK as c_int
}

/// `yes` or `no`.
pub(crate) struct Switch {
    /// What it is called, and what it is unless somebody sets it.
    pub(crate) is: &'static SwitchSetting,
    value: AtomicBool,
}

impl Switch {
    pub(crate) const fn new(is: &'static SwitchSetting) -> Self {
        Self { is, value: AtomicBool::new(is.default) }
    }

    /// What is set now.
    pub(crate) fn get(&self) -> bool {
        self.value.load(Ordering::Relaxed)
    }

    /// Sets the value to start from; the server's configuration file still goes before it.
    pub(crate) fn set(&self, value: bool) {
        self.value.store(value, Ordering::Relaxed);
    }
}

extern "C" fn get_switch(_name: *const c_char, setting: *mut c_void) -> c_int {
    // SAFETY: `add_switch` registered a `&'static Switch` as the private data.
    unsafe { &*setting.cast::<Switch>() }.get().into()
}

extern "C" fn set_switch(
    _name: *const c_char,
    value: c_int,
    setting: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: `add_switch` registered a `&'static Switch` as the private data.
    unsafe { &*setting.cast::<Switch>() }.set(value != 0);
    raw::REDISMODULE_OK as c_int
}

/// A text that can be set while the server runs, and is kept by somebody else.
pub(crate) struct TextSetting {
    /// What it is called, and what it is unless somebody sets it.
    pub(crate) is: &'static settings::TextSetting,
    read: fn() -> String,
    write: fn(&[u8]) -> Result<(), CString>,
    /// What the server was shown last. It copies that at once, but we are to keep it all the same.
    shown: AtomicPtr<raw::RedisModuleString>,
}

impl TextSetting {
    /// One that `read` tells, and `write` sets, or says why not. Both may call the server only for alarms.
    pub(crate) const fn new(
        is: &'static settings::TextSetting,
        read: fn() -> String,
        write: fn(&[u8]) -> Result<(), CString>,
    ) -> Self {
        Self { is, read, write, shown: AtomicPtr::new(ptr::null_mut()) }
    }
}

extern "C" fn get_text(_name: *const c_char, setting: *mut c_void) -> *mut raw::RedisModuleString {
    // SAFETY: `add_text_setting` registered a `&'static TextSetting` as the private data.
    let setting = unsafe { &*setting.cast::<TextSetting>() };
    let text = catch_unwind(AssertUnwindSafe(|| (setting.read)())).unwrap_or_default();
    let shown = OwnedArg::new(text.as_bytes()).into_raw();
    // SAFETY: made here, by the call before; the server has copied it by now, and it is freed once.
    drop(unsafe { OwnedArg::from_raw(setting.shown.swap(shown, Ordering::Relaxed)) });
    shown
}

extern "C" fn set_text(
    _name: *const c_char,
    value: *mut raw::RedisModuleString,
    setting: *mut c_void,
    error: *mut *mut raw::RedisModuleString,
) -> c_int {
    // SAFETY: `add_text_setting` registered a `&'static TextSetting` as the private data; the server keeps the value
    // while this runs.
    let (setting, value) = unsafe { (&*setting.cast::<TextSetting>(), Arg::borrowed(value)) };
    let written = catch_unwind(AssertUnwindSafe(|| (setting.write)(value.bytes())));
    match written.unwrap_or_else(|_| Err(CString::default())) {
        Ok(()) => raw::REDISMODULE_OK as c_int,
        Err(reason) => {
            // SAFETY: the server's own parameter, a place for a string that it frees.
            unsafe { *error = OwnedArg::new(reason.as_bytes()).into_raw() };
            raw::REDISMODULE_ERR as c_int
        }
    }
}

impl Loading<'_> {
    /// Registers a setting; its present value becomes the default.
    pub(crate) fn add_setting(&self, setting: &'static NumericSetting) -> Result<(), LoadError> {
        // SAFETY: the context is that of the load, the name is copied, the setting is static.
        let made = unsafe {
            call!(RedisModule_RegisterNumericConfig(
                self.raw(),
                setting.is.name.as_ptr(),
                setting.get(),
                raw::REDISMODULE_CONFIG_DEFAULT,
                setting.is.min,
                setting.is.max,
                Some(get),
                Some(set),
                None,
                ptr::from_ref(setting).cast_mut().cast(),
            ))
        };
        match made == raw::REDISMODULE_OK as c_int {
            true => Ok(()),
            false => Err(LoadError::new(format!("the server refused the setting {:?}", setting.is.name))),
        }
    }

    /// Registers a switch; its present value becomes the default.
    pub(crate) fn add_switch(&self, setting: &'static Switch) -> Result<(), LoadError> {
        let flags = match setting.is.at_any_time {
            true => raw::REDISMODULE_CONFIG_DEFAULT,
            false => raw::REDISMODULE_CONFIG_IMMUTABLE,
        };
        // SAFETY: the context is that of the load, the name is copied, the setting is static.
        let made = unsafe {
            call!(RedisModule_RegisterBoolConfig(
                self.raw(),
                setting.is.name.as_ptr(),
                setting.get().into(),
                flags,
                Some(get_switch),
                Some(set_switch),
                None,
                ptr::from_ref(setting).cast_mut().cast(),
            ))
        };
        match made == raw::REDISMODULE_OK as c_int {
            true => Ok(()),
            false => Err(LoadError::new(format!("the server refused the setting {:?}", setting.is.name))),
        }
    }

    /// Registers a setting that is a text.
    pub(crate) fn add_text_setting(&self, setting: &'static TextSetting) -> Result<(), LoadError> {
        // SAFETY: the context is that of the load, name and default are copied, the setting is static.
        let made = unsafe {
            call!(RedisModule_RegisterStringConfig(
                self.raw(),
                setting.is.name.as_ptr(),
                setting.is.default.as_ptr(),
                raw::REDISMODULE_CONFIG_DEFAULT,
                Some(get_text),
                Some(set_text),
                None,
                ptr::from_ref(setting).cast_mut().cast(),
            ))
        };
        match made == raw::REDISMODULE_OK as c_int {
            true => Ok(()),
            false => Err(LoadError::new(format!("the server refused the setting {:?}", setting.is.name))),
        }
    }

    /// Takes the values of all settings from the server's configuration.
    pub(crate) fn load_settings(&self) -> Result<(), LoadError> {
        // SAFETY: the context is that of the load, and all settings are registered.
        match unsafe { call!(RedisModule_LoadConfigs(self.raw())) } == raw::REDISMODULE_OK as c_int {
            true => Ok(()),
            false => Err(LoadError::new("a setting in the server's configuration is not valid")),
        }
    }
}
