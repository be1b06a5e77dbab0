//! Replies, element by element. The server writes each straight into the client's buffer.

use std::ffi::{CStr, c_long, c_longlong};
use std::thread;

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::names::CommandName;

use super::api::call;
use super::context::Context;

impl Context<'_> {
    /// Says so if a handler has failed or panicked, and has therefore not replied.
    pub(super) fn reply_failure(
        &self,
        outcome: thread::Result<Result<(), CommandError>>,
        command: CommandName,
    ) {
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.reply_error(&error.text(command)),
            Err(_) => self.reply_error(c"ERR internal error in the sluice module, please report it"),
        }
    }

    /// An error, such as `ERR syntax error`.
    pub(crate) fn reply_error(&self, text: &CStr) {
        // SAFETY: the server copies the text. Unlike its format variant it reads no `%` in it.
        unsafe {
            call!(RedisModule_ReplyWithError(self.raw(), text.as_ptr()));
        }
    }

    /// An integer.
    pub(crate) fn reply_integer(&self, value: i64) {
        // SAFETY: the context is that of the running command.
        unsafe {
            call!(RedisModule_ReplyWithLongLong(self.raw(), value as c_longlong));
        }
    }

    /// An array of integers.
    pub(crate) fn reply_integers<const N: usize>(&self, values: [i64; N]) {
        self.reply_array(N);
        for value in values {
            self.reply_integer(value);
        }
    }

    /// The head of an array; its elements follow.
    pub(crate) fn reply_array(&self, len: usize) {
        // SAFETY: the context is that of the running command.
        unsafe {
            call!(RedisModule_ReplyWithArray(self.raw(), len as c_long));
        }
    }

    /// The head of a map; names and values follow in turn. In RESP2 a flat list of them.
    pub(crate) fn reply_map(&self, pairs: usize) {
        // SAFETY: the context is that of the running command.
        unsafe {
            call!(RedisModule_ReplyWithMap(self.raw(), pairs as c_long));
        }
    }

    /// A name in a map, and the number under it.
    pub(crate) fn reply_pair(&self, name: &CStr, value: i64) {
        self.reply_name(name);
        self.reply_integer(value);
    }

    /// A name in a map, and the word under it.
    pub(crate) fn reply_text_pair(&self, name: &CStr, value: &CStr) {
        self.reply_name(name);
        self.reply_bytes(value.to_bytes());
    }

    /// A name in a map; its value follows.
    pub(crate) fn reply_name(&self, name: &CStr) {
        // SAFETY: the context is that of the running command; the name is copied.
        unsafe {
            call!(RedisModule_ReplyWithCString(self.raw(), name.as_ptr()));
        }
    }

    /// Any bytes.
    pub(crate) fn reply_bytes(&self, bytes: &[u8]) {
        // SAFETY: the context is that of the running command; the bytes are copied.
        unsafe {
            call!(RedisModule_ReplyWithStringBuffer(self.raw(), bytes.as_ptr().cast(), bytes.len()));
        }
    }

    /// `OK`.
    pub(crate) fn reply_ok(&self) {
        // SAFETY: the context is that of the running command; the text is copied.
        unsafe {
            call!(RedisModule_ReplyWithSimpleString(self.raw(), c"OK".as_ptr()));
        }
    }

    /// Nil.
    pub(crate) fn reply_nil(&self) {
        // SAFETY: the context is that of the running command.
        unsafe {
            call!(RedisModule_ReplyWithNull(self.raw()));
        }
    }
}
