//! Settings that `CONFIG GET` and `CONFIG SET` show as `sluice.<name>`.

use std::ffi::{c_char, c_int, c_longlong, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering};

use redis_module::raw;
use sluice_core::grammar::settings::NumberSetting;

use super::api::call;
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

    /// Takes the values of all settings from the server's configuration.
    pub(crate) fn load_settings(&self) -> Result<(), LoadError> {
        // SAFETY: the context is that of the load, and all settings are registered.
        match unsafe { call!(RedisModule_LoadConfigs(self.raw())) } == raw::REDISMODULE_OK as c_int {
            true => Ok(()),
            false => Err(LoadError::new("a setting in the server's configuration is not valid")),
        }
    }
}
