//! Settings that `CONFIG GET` and `CONFIG SET` show as `sluice.<name>`.

use std::ffi::{CStr, c_char, c_int, c_longlong, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering};

use redis_module::raw;

use super::api::call;
use super::load::{LoadError, Loading};

/// A number that can be set while the server runs.
pub(crate) struct NumericSetting {
    /// Without the module's name in front.
    pub(crate) name: &'static CStr,
    /// The least that may be set.
    pub(crate) min: i64,
    /// The most that may be set.
    pub(crate) max: i64,
    value: AtomicI64,
}

impl NumericSetting {
    pub(crate) const fn new(name: &'static CStr, default: i64, min: i64, max: i64) -> Self {
        Self { name, min, max, value: AtomicI64::new(default) }
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
    // SAFETY: as above.
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
                setting.name.as_ptr(),
                setting.get(),
                raw::REDISMODULE_CONFIG_DEFAULT,
                setting.min,
                setting.max,
                Some(get),
                Some(set),
                None,
                ptr::from_ref(setting).cast_mut().cast(),
            ))
        };
        match made == raw::REDISMODULE_OK as c_int {
            true => Ok(()),
            false => Err(LoadError::new(format!("the server refused the setting {:?}", setting.name))),
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
