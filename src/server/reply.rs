//! Replies, element by element. The server writes each straight into the client's buffer.

use std::ffi::{CStr, c_long, c_longlong};

use super::api::call;
use super::context::Context;

impl Context<'_> {
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

    /// A map of names to integers: in RESP2 a flat list of pairs.
    pub(crate) fn reply_map<const N: usize>(&self, pairs: [(&CStr, i64); N]) {
        // SAFETY: the context is that of the running command; names are copied.
        unsafe {
            call!(RedisModule_ReplyWithMap(self.raw(), N as c_long));
            for (name, value) in pairs {
                call!(RedisModule_ReplyWithCString(self.raw(), name.as_ptr()));
                self.reply_integer(value);
            }
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
