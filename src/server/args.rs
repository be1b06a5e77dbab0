//! The words of a command, borrowed from the server for as long as the command runs.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicPtr, Ordering};

use redis_module::raw::RedisModuleString;
use sluice_core::grammar::error::CommandError;

use super::api::call;

/// One word of a command.
#[derive(Clone, Copy)]
pub(crate) struct Arg<'a> {
    raw: *mut RedisModuleString,
    command: PhantomData<&'a RedisModuleString>,
}

impl<'a> Arg<'a> {
    /// # Safety
    ///
    /// `raw` is a string that the server keeps, unchanged, for 'a.
    pub(super) unsafe fn borrowed(raw: *mut RedisModuleString) -> Self {
        Self { raw, command: PhantomData }
    }

    pub(super) fn raw(self) -> *mut RedisModuleString {
        self.raw
    }

    /// The bytes as they came over the wire; any byte, NUL too.
    pub(crate) fn bytes(self) -> &'a [u8] {
        let mut len = 0;
        // SAFETY: `raw` is a word of the running command: the server keeps it, unchanged, until
        // the command returns, and 'a ends before that. The pointer is valid for `len` bytes.
        unsafe {
            let start = call!(RedisModule_StringPtrLen(self.raw, &mut len));
            slice::from_raw_parts(start.cast(), len)
        }
    }
}

/// A word of our own, for a key that no running command names or an argument that we replicate.
pub(crate) struct OwnedArg {
    raw: *mut RedisModuleString,
}

impl OwnedArg {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        // SAFETY: the bytes are copied; without a context the string is ours to free.
        let raw =
            unsafe { call!(RedisModule_CreateString(ptr::null_mut(), bytes.as_ptr().cast(), bytes.len())) };
        Self { raw }
    }

    /// One that the server has made for us; `None` for NULL.
    ///
    /// # Safety
    ///
    /// A string that is ours to free without a context, or NULL.
    pub(super) unsafe fn from_raw(raw: *mut RedisModuleString) -> Option<Self> {
        (!raw.is_null()).then(|| Self { raw }) // not made at all of NULL, as it would be freed
    }

    /// The string, which is the caller's to free.
    pub(super) fn into_raw(self) -> *mut RedisModuleString {
        ManuallyDrop::new(self).raw
    }

    /// The word, as a command would see it.
    pub(crate) fn arg(&self) -> Arg<'_> {
        Arg { raw: self.raw, command: PhantomData }
    }
}

impl Drop for OwnedArg {
    fn drop(&mut self) {
        // SAFETY: made by `new` without a context, freed once; whoever still needs it has retained it.
        unsafe { call!(RedisModule_FreeString(ptr::null_mut(), self.raw)) }
    }
}

/// A word that is sent again and again. Made when it is first needed, and never freed.
pub(super) struct FixedArg {
    bytes: &'static [u8],
    raw: AtomicPtr<RedisModuleString>,
}

impl FixedArg {
    pub(super) const fn new(bytes: &'static [u8]) -> Self {
        Self { bytes, raw: AtomicPtr::new(ptr::null_mut()) }
    }

    /// The server retains it where it needs it for longer. Under the server's global lock only.
    pub(super) fn raw(&self) -> *mut RedisModuleString {
        let known = self.raw.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        let made = ManuallyDrop::new(OwnedArg::new(self.bytes));
        self.raw.store(made.raw, Ordering::Relaxed);
        made.raw
    }
}

/// All words of a command, its name first.
#[derive(Clone, Copy)]
pub(crate) struct Args<'a> {
    words: &'a [*mut RedisModuleString],
}

impl<'a> Args<'a> {
    /// # Safety
    ///
    /// `argv` and `argc` are those that the server passed to the function now running.
    pub(super) unsafe fn new(argv: *mut *mut RedisModuleString, argc: c_int) -> Self {
        let words = match usize::try_from(argc) {
            // SAFETY: the server passes `argc` words and keeps the array while the function runs.
            Ok(argc) if argc > 0 => unsafe { slice::from_raw_parts(argv, argc) },
            _ => &[],
        };
        Self { words }
    }

    /// The words from the `from`-th on; 0 is the command's name.
    pub(crate) fn from(self, from: usize) -> impl Iterator<Item = Arg<'a>> {
        let words = self.words.get(from..).unwrap_or_default();
        words.iter().map(|&raw| Arg { raw, command: PhantomData })
    }

    /// The key of a command that has one key, in the first place. Cannot fail in a command whose
    /// arity demands it.
    pub(crate) fn key(self) -> Result<Arg<'a>, CommandError> {
        self.from(1).next().ok_or(CommandError::Syntax)
    }

    /// The bytes of each word behind the name of a command of two words.
    pub(crate) fn behind_name(self) -> impl Iterator<Item = &'a [u8]> {
        self.from(2).map(Arg::bytes)
    }

    /// The bytes of each word behind the key.
    pub(crate) fn behind_key(self) -> impl Iterator<Item = &'a [u8]> {
        self.from(2).map(Arg::bytes)
    }
}
