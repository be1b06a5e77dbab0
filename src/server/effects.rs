//! What others hear of a change: replicas and the AOF, WATCH and client-side caches, those who listen.

use std::ffi::CStr;

use redis_module::raw;

use super::api::call;
use super::args::{Arg, FixedArg, OwnedArg};
use super::context::Context;

impl Context<'_> {
    /// Sends `SET key value PXAT expires_at_ms` to replicas and AOF. Also what makes the server
    /// count a change for `save`, so it is never left out.
    pub(crate) fn replicate_set(&self, key: Arg<'_>, value: &[u8], expires_at_ms: u64) {
        static PXAT: FixedArg = FixedArg::new(b"PXAT");
        let mut digits = itoa::Buffer::new();
        let expiry = digits.format(expires_at_ms);
        // SAFETY: each letter of the format has its argument: strings, and bytes with their length.
        // The server retains the strings and copies the bytes.
        unsafe {
            call!(RedisModule_Replicate(
                self.raw(),
                c"SET".as_ptr(),
                c"sbsb".as_ptr(),
                key.raw(),
                value.as_ptr(),
                value.len(),
                PXAT.raw(),
                expiry.as_ptr(),
                expiry.len(),
            ));
        }
    }

    /// Sends `SET key value XX KEEPTTL` to replicas and AOF: a new value for a key whose expiry stays.
    /// Where the key is missing it creates none, which would have no expiry.
    pub(crate) fn replicate_value(&self, key: Arg<'_>, value: &[u8]) {
        static XX: FixedArg = FixedArg::new(b"XX");
        static KEEPTTL: FixedArg = FixedArg::new(b"KEEPTTL");
        // SAFETY: each letter of the format has its argument: strings, and bytes with their length.
        // The server retains the strings and copies the bytes.
        unsafe {
            call!(RedisModule_Replicate(
                self.raw(),
                c"SET".as_ptr(),
                c"sbss".as_ptr(),
                key.raw(),
                value.as_ptr(),
                value.len(),
                XX.raw(),
                KEEPTTL.raw(),
            ));
        }
    }

    /// Sends `DEL key` to replicas and AOF.
    pub(crate) fn replicate_del(&self, key: Arg<'_>) {
        // SAFETY: the letter of the format has its argument, a string, which the server retains.
        unsafe {
            call!(RedisModule_Replicate(self.raw(), c"DEL".as_ptr(), c"s".as_ptr(), key.raw()));
        }
    }

    /// Tells WATCH and client-side caches that the key has changed. By hand, as a call that
    /// changes nothing must not disturb them.
    pub(crate) fn signal_modified(&self, key: Arg<'_>) {
        // SAFETY: context and name belong to the running command.
        unsafe {
            call!(RedisModule_SignalModifiedKey(self.raw(), key.raw()));
        }
    }

    /// Sends the running command, as it came, to replicas and AOF.
    pub(crate) fn replicate_as_it_is(&self) {
        // SAFETY: the context is that of the running command.
        unsafe {
            call!(RedisModule_ReplicateVerbatim(self.raw()));
        }
    }

    /// Sends a command with a key and these words behind it to replicas and AOF.
    pub(crate) fn replicate(&self, command: &CStr, key: Arg<'_>, words: &[OwnedArg]) {
        let mut words: Vec<_> = words.iter().map(|word| word.arg().raw()).collect();
        // SAFETY: each letter of the format has its argument: a string, and strings with their
        // number. The server retains them.
        unsafe {
            call!(RedisModule_Replicate(
                self.raw(),
                command.as_ptr(),
                c"sv".as_ptr(),
                key.raw(),
                words.as_mut_ptr(),
                words.len(),
            ));
        }
    }

    /// The same with exactly five words, which the server copies: no string of ours for each.
    pub(crate) fn replicate_five(&self, command: &CStr, key: Arg<'_>, words: [&[u8]; 5]) {
        let [a, b, c, d, e] = words;
        // SAFETY: each letter of the format has its argument: a string, and five times bytes with
        // their length. The server retains the string and copies the bytes.
        unsafe {
            call!(RedisModule_Replicate(
                self.raw(),
                command.as_ptr(),
                c"sbbbbb".as_ptr(),
                key.raw(),
                a.as_ptr(),
                a.len(),
                b.as_ptr(),
                b.len(),
                c.as_ptr(),
                c.len(),
                d.as_ptr(),
                d.len(),
                e.as_ptr(),
                e.len(),
            ));
        }
    }

    /// Sends a command of two words, and one word behind them, to replicas and not to the AOF.
    pub(crate) fn replicate_to_replicas(&self, command: &CStr, second: &CStr, word: &[u8]) {
        // SAFETY: each letter of the format has its argument: a C string, and bytes with their length, which the
        // server copies; A leaves out the AOF.
        unsafe {
            call!(RedisModule_Replicate(
                self.raw(),
                command.as_ptr(),
                c"cbA".as_ptr(),
                second.as_ptr(),
                word.as_ptr(),
                word.len(),
            ));
        }
    }

    /// Tells those who listen to the module's keyspace events.
    pub(crate) fn notify(&self, event: &CStr, key: Arg<'_>) {
        // SAFETY: context and name belong to the running command; the event's name is copied.
        unsafe {
            call!(RedisModule_NotifyKeyspaceEvent(
                self.raw(),
                raw::REDISMODULE_NOTIFY_MODULE,
                event.as_ptr(),
                key.raw()
            ));
        }
    }
}
