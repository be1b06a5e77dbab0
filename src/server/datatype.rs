//! A data type of our own: how the server saves, loads, measures and frees its values.

use std::ffi::{CStr, CString, c_int, c_void};
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw;

use super::api::call;
use super::args::{Arg, OwnedArg};
use super::load::{LoadError, Loading};
use super::stored::{Defrag, Digest, Rdb};

/// A type whose values the server keeps as `Box<Self>`.
pub(crate) trait DataType: Sized + 'static {
    /// Nine characters.
    const NAME: &'static CStr;

    /// The version of what [`Self::save`] writes, 0 to 1023; no other is read.
    const ENCODING: c_int;

    /// Where the server's handle of this type is kept: a static of the type's own.
    const HANDLE: &'static TypeHandle<Self>;

    /// Writes the value to an RDB file.
    fn save(&self, rdb: &mut Rdb);

    /// Reads what [`Self::save`] wrote; `None` for anything that it cannot have written.
    fn load(rdb: &mut Rdb) -> Option<Self>;

    /// The command that makes this value, and the words behind the key.
    fn rewrite(&self) -> (&'static CStr, Vec<OwnedArg>);

    /// Heap bytes behind the value.
    fn memory(&self) -> usize;

    /// How many blocks of memory are freed with it.
    fn effort(&self) -> usize;

    /// What makes two values equal.
    fn digest(&self, digest: &mut Digest);

    /// Offers the heap blocks behind the value to be moved.
    fn defrag(&mut self, defrag: &mut Defrag);

    /// A value has been taken out of the keyspace, by whatever means but a flush.
    fn unlinked(_db: i32, _key: &[u8]) {}

    /// What has to survive beside the values, if anything has to.
    fn save_aux() -> Option<u64> {
        None
    }

    /// What [`Self::save_aux`] gave. False if it cannot have.
    fn load_aux(_value: u64) -> bool {
        false
    }
}

/// The server's handle of a data type, once it is registered. Of this type alone: that is what lets
/// a value be taken for a `T` when the server says that it has this handle.
pub(crate) struct TypeHandle<T> {
    raw: AtomicPtr<raw::RedisModuleType>,
    values: PhantomData<fn() -> T>,
}

impl<T: DataType> TypeHandle<T> {
    pub(crate) const fn new() -> Self {
        Self { raw: AtomicPtr::new(ptr::null_mut()), values: PhantomData }
    }

    /// NULL before the type is registered.
    pub(super) fn raw(&self) -> *mut raw::RedisModuleType {
        self.raw.load(Ordering::Relaxed)
    }
}

extern "C" fn rdb_save<T: DataType>(io: *mut raw::RedisModuleIO, value: *mut c_void) {
    // SAFETY: the server passes a value of the type.
    let value = unsafe { &*value.cast::<T>() };
    let _ = catch_unwind(AssertUnwindSafe(|| value.save(&mut Rdb { raw: io })));
}

extern "C" fn rdb_load<T: DataType>(io: *mut raw::RedisModuleIO, version: c_int) -> *mut c_void {
    if version != T::ENCODING {
        return ptr::null_mut();
    }
    match catch_unwind(|| T::load(&mut Rdb { raw: io })) {
        Ok(Some(value)) => Box::into_raw(Box::new(value)).cast(),
        Ok(None) | Err(_) => ptr::null_mut(),
    }
}

extern "C" fn aof_rewrite<T: DataType>(
    aof: *mut raw::RedisModuleIO,
    key: *mut raw::RedisModuleString,
    value: *mut c_void,
) {
    // SAFETY: the server passes a value of the type.
    let value = unsafe { &*value.cast::<T>() };
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let (command, words) = value.rewrite();
        let mut raw_words: Vec<_> = words.iter().map(|word| word.arg().raw()).collect();
        // SAFETY: each letter of the format has its argument; the words live until it returns.
        unsafe {
            call!(RedisModule_EmitAOF(
                aof,
                command.as_ptr(),
                c"sv".as_ptr(),
                key,
                raw_words.as_mut_ptr(),
                raw_words.len(),
            ));
        }
    }));
}

extern "C" fn mem_usage<T: DataType>(value: *const c_void) -> usize {
    // SAFETY: the server passes a value of the type.
    let value = unsafe { &*value.cast::<T>() };
    mem::size_of::<T>() + catch_unwind(AssertUnwindSafe(|| value.memory())).unwrap_or(0)
}

extern "C" fn free_effort<T: DataType>(_key: *mut raw::RedisModuleString, value: *const c_void) -> usize {
    // SAFETY: the server passes a value of the type.
    let value = unsafe { &*value.cast::<T>() };
    catch_unwind(AssertUnwindSafe(|| value.effort())).unwrap_or(1)
}

extern "C" fn digest<T: DataType>(digest: *mut raw::RedisModuleDigest, value: *mut c_void) {
    // SAFETY: the server passes a value of the type.
    let value = unsafe { &*value.cast::<T>() };
    let _ = catch_unwind(AssertUnwindSafe(|| value.digest(&mut Digest { raw: digest })));
}

extern "C" fn free<T: DataType>(value: *mut c_void) {
    // SAFETY: made by Box::into_raw, and the server hands it back once. May be another thread;
    // values own all they have, and the allocator is thread-safe.
    drop(unsafe { Box::from_raw(value.cast::<T>()) });
}

extern "C" fn defrag<T: DataType>(
    ctx: *mut raw::RedisModuleDefragCtx,
    _key: *mut raw::RedisModuleString,
    value: *mut *mut c_void,
) -> c_int {
    let mut ctx = Defrag { raw: ctx };
    // SAFETY: the server passes the place of a value of the type, whose block may move as a value
    // in Rust may: by copying its bytes.
    unsafe {
        *value = ctx.moved(*value);
        let value = &mut *(*value).cast::<T>();
        let _ = catch_unwind(AssertUnwindSafe(|| value.defrag(&mut ctx)));
    }
    0
}

extern "C" fn unlink<T: DataType>(ctx: *mut raw::RedisModuleKeyOptCtx, _value: *const c_void) {
    // SAFETY: the server's own context, valid while the callback runs, as is the key's name.
    let (db, key) = unsafe {
        let key = call!(RedisModule_GetKeyNameFromOptCtx(ctx));
        if key.is_null() {
            return;
        }
        (call!(RedisModule_GetDbIdFromOptCtx(ctx)), Arg::borrowed(key.cast_mut()))
    };
    let _ = catch_unwind(AssertUnwindSafe(|| T::unlinked(db, key.bytes())));
}

extern "C" fn aux_save<T: DataType>(io: *mut raw::RedisModuleIO, _when: c_int) {
    // Writing nothing leaves no trace, so that a server without the module loads the file.
    if let Ok(Some(value)) = catch_unwind(T::save_aux) {
        Rdb { raw: io }.save_number(value);
    }
}

extern "C" fn aux_load<T: DataType>(io: *mut raw::RedisModuleIO, version: c_int, _when: c_int) -> c_int {
    let loaded = version == T::ENCODING
        && catch_unwind(|| Rdb { raw: io }.load_number().is_some_and(T::load_aux)).unwrap_or(false);
    if loaded { raw::REDISMODULE_OK as c_int } else { raw::REDISMODULE_ERR as c_int }
}

impl Loading<'_> {
    /// Makes the type known to the server.
    pub(crate) fn add_type<T: DataType>(&self) -> Result<(), LoadError> {
        // SAFETY: a plain C struct of function pointers, where zeros mean "not there".
        let mut methods: raw::RedisModuleTypeMethods = unsafe { mem::zeroed() };
        methods.version = u64::from(raw::REDISMODULE_TYPE_METHOD_VERSION);
        methods.rdb_load = Some(rdb_load::<T>);
        methods.rdb_save = Some(rdb_save::<T>);
        methods.aof_rewrite = Some(aof_rewrite::<T>);
        methods.mem_usage = Some(mem_usage::<T>);
        methods.digest = Some(digest::<T>);
        methods.free = Some(free::<T>);
        methods.free_effort = Some(free_effort::<T>);
        methods.defrag = Some(defrag::<T>);
        methods.unlink2 = Some(unlink::<T>);
        // No copy: two keys would hold one value. No aux_save, only its second form (7.2 and on):
        // with the first, no RDB at all would load without the module.
        methods.aux_load = Some(aux_load::<T>);
        methods.aux_save2 = Some(aux_save::<T>);
        methods.aux_save_triggers = raw::REDISMODULE_AUX_BEFORE_RDB as c_int;
        // SAFETY: the context is that of the load; name and methods are copied.
        let made = unsafe {
            call!(RedisModule_CreateDataType(self.raw(), T::NAME.as_ptr(), T::ENCODING, &mut methods))
        };
        if made.is_null() {
            let name = CString::from(T::NAME);
            return Err(LoadError::new(format!("the server refused the data type {name:?}")));
        }
        T::HANDLE.raw.store(made, Ordering::Relaxed);
        Ok(())
    }
}
