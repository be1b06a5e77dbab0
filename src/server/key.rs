//! An open key: one lookup, closed on drop.

use std::cell::Cell;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use redis_module::raw;
use sluice_core::grammar::error::CommandError;

use super::api::call;
use super::datatype::DataType;

/// What a command does to its keys, and what it opens them for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads them, on replicas too: an expired key is absent, whether the server has removed it or not.
    Read,
    /// Reads and writes them: an expired key is removed at the lookup.
    Write,
}

impl Access {
    pub(super) fn flags(self) -> c_int {
        match self {
            Self::Read => raw::REDISMODULE_READ as c_int,
            Self::Write => (raw::REDISMODULE_READ | raw::REDISMODULE_WRITE) as c_int,
        }
    }
}

/// What a key holds.
pub(crate) enum Value<'k> {
    /// Nothing.
    Absent,
    /// A string of this length; look at the length before asking for the bytes.
    String(StringValue<'k>),
    /// Anything else.
    Other,
}

/// A key, open for as long as this lives.
pub(crate) struct Key<'k> {
    raw: *mut raw::RedisModuleKey,
    access: Access,
    /// Where the bytes of the string are, once they have been looked at and until the next write.
    bytes: Cell<Option<Bytes>>,
    command: PhantomData<&'k raw::RedisModuleKey>,
}

/// The place of a string's bytes.
type Bytes = (NonNull<u8>, usize);

/// The string that a key holds.
#[derive(Clone, Copy)]
pub(crate) struct StringValue<'k> {
    key: &'k Key<'k>,
}

impl<'k> Key<'k> {
    /// `raw` comes from OpenKey; NULL stands for a key that is absent and was opened to read.
    pub(super) fn new(raw: *mut raw::RedisModuleKey, access: Access) -> Self {
        Self { raw, access, bytes: Cell::new(None), command: PhantomData }
    }

    /// The bytes of the string, private to this key if it is open for writing; `None` if the server
    /// does not hand them out.
    fn string_bytes(&self) -> Option<Bytes> {
        if self.bytes.get().is_none() {
            let mut len = 0;
            // SAFETY: the key is open. The bytes stay where they are until the next write on the key,
            // and whatever writes forgets them.
            let start = unsafe { call!(RedisModule_StringDMA(self.raw, &mut len, self.access.flags())) };
            self.bytes.set(NonNull::new(start.cast()).map(|start| (start, len)));
        }
        self.bytes.get()
    }

    /// What is there, without touching a byte of it.
    pub(crate) fn value(&self) -> Value<'_> {
        // SAFETY: `raw` is open; the server takes NULL too, as an empty key.
        match unsafe { call!(RedisModule_KeyType(self.raw)) } {
            t if t == raw::REDISMODULE_KEYTYPE_EMPTY as c_int => Value::Absent,
            t if t == raw::REDISMODULE_KEYTYPE_STRING as c_int => Value::String(StringValue { key: self }),
            _ => Value::Other,
        }
    }

    /// Makes the value a string of `len` bytes, written by `fill`, and hands the bytes back for
    /// replication. Not for a key of another type.
    pub(crate) fn write(&mut self, len: usize, fill: impl FnOnce(&mut [u8])) -> Result<&[u8], CommandError> {
        self.bytes.set(None);
        // SAFETY: `raw` is open for writing. A key that is absent is made a string by truncating
        // it to the length (a private, unencoded one: later writes need no allocation).
        unsafe {
            if call!(RedisModule_ValueLength(self.raw)) != len
                && call!(RedisModule_StringTruncate(self.raw, len)) != raw::REDISMODULE_OK as c_int
            {
                return Err(CommandError::Server);
            }
        }
        self.overwrite(fill)
    }

    /// Changes the bytes of a string in place, and hands them back for replication. Not for a key
    /// that holds anything else, or nothing.
    pub(crate) fn overwrite(&mut self, change: impl FnOnce(&mut [u8])) -> Result<&[u8], CommandError> {
        let Some((start, len)) = self.string_bytes().filter(|_| self.access == Access::Write) else {
            return Err(CommandError::Server);
        };
        // SAFETY: `raw` is open for writing and holds a string. The bytes are valid until the next
        // write on the key, which needs `&mut self` again, as does the only reference to them.
        let bytes = unsafe { slice::from_raw_parts_mut(start.as_ptr(), len) };
        change(bytes);
        Ok(bytes)
    }

    /// The value, if it is one of this type.
    pub(crate) fn get<T: DataType>(&self) -> Option<&T> {
        // SAFETY: `raw` is open and our type's values are all a `T` from `Box::into_raw`; it stays
        // where it is until the next write on the key, which needs `&mut self`.
        unsafe {
            (call!(RedisModule_ModuleTypeGetType(self.raw)) == T::HANDLE.raw())
                .then(|| call!(RedisModule_ModuleTypeGetValue(self.raw)).cast::<T>().as_ref())
                .flatten()
        }
    }

    /// The value, if it is one of this type, to change it in place.
    pub(crate) fn get_mut<T: DataType>(&mut self) -> Option<&mut T> {
        // SAFETY: `raw` is open for writing and our type's values are all a `T` from `Box::into_raw`;
        // it stays where it is until the next write on the key, and `&mut self` makes this the only
        // reference.
        unsafe {
            (call!(RedisModule_ModuleTypeGetType(self.raw)) == T::HANDLE.raw())
                .then(|| call!(RedisModule_ModuleTypeGetValue(self.raw)).cast::<T>().as_mut())
                .flatten()
        }
    }

    /// Puts a value of a type of ours into the key, in place of whatever is there.
    pub(crate) fn set<T: DataType>(&mut self, value: T) -> Result<(), CommandError> {
        self.bytes.set(None);
        let value = Box::into_raw(Box::new(value));
        // SAFETY: `raw` is open for writing; the server owns the value if it takes it, and hands it
        // to the type's free callback in the end. If not, it is still ours.
        unsafe {
            if call!(RedisModule_ModuleTypeSetValue(self.raw, T::HANDLE.raw(), value.cast()))
                != raw::REDISMODULE_OK as c_int
            {
                drop(Box::from_raw(value));
                return Err(CommandError::Server);
            }
        }
        Ok(())
    }

    /// When the key expires, in unix ms, if it does.
    pub(crate) fn expires_at_ms(&self) -> Option<u64> {
        // Redis 8.2 would follow a NULL pointer where nothing is.
        if self.bytes.get().is_none() && matches!(self.value(), Value::Absent) {
            return None;
        }
        // SAFETY: `raw` is open and holds something; -1 stands for no expiry.
        u64::try_from(unsafe { call!(RedisModule_GetAbsExpire(self.raw)) }).ok()
    }

    /// Lets the key expire at this instant, in unix ms.
    pub(crate) fn expire_at(&mut self, unix_ms: u64) {
        self.bytes.set(None);
        // SAFETY: `raw` is open for writing; the instant is not negative, as the server demands.
        unsafe {
            call!(RedisModule_SetAbsExpire(self.raw, unix_ms as raw::mstime_t));
        }
    }

    /// Removes the key.
    pub(crate) fn delete(&mut self) {
        self.bytes.set(None);
        // SAFETY: `raw` is open for writing.
        unsafe {
            call!(RedisModule_DeleteKey(self.raw));
        }
    }
}

impl<'k> StringValue<'k> {
    /// How long it is; looking does not touch it.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: the key is open.
        unsafe { call!(RedisModule_ValueLength(self.key.raw)) }
    }

    /// The bytes. The server unpacks an encoded string for this, so a value whose length already
    /// says that it is not ours is better left alone.
    pub(crate) fn bytes(self) -> &'k [u8] {
        match self.key.string_bytes() {
            // SAFETY: the key is open and holds a string. The bytes are valid until the next write on
            // the key, which needs `&mut Key`, while this borrows it.
            Some((start, len)) => unsafe { slice::from_raw_parts(start.as_ptr(), len) },
            None => &[],
        }
    }
}

impl Drop for Key<'_> {
    fn drop(&mut self) {
        // SAFETY: opened once, closed once; NULL is taken as nothing to close.
        unsafe { call!(RedisModule_CloseKey(self.raw)) }
    }
}
