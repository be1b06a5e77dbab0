//! A key of `CL.THROTTLE`, whichever module has written it.

use sluice_core::grammar::error::CommandError;
use sluice_core::throttle::{self, Change};

use crate::server::{Access, Arg, Context, Key, Value};

/// An open key with a bare integer in it, or none yet.
pub(crate) struct ThrottleKey<'c> {
    ctx: &'c Context<'c>,
    name: Arg<'c>,
    key: Key<'c>,
    /// What it holds; `None` if there is no such key.
    pub(crate) stored: Option<u64>,
}

impl<'c> ThrottleKey<'c> {
    /// Opens the key and reads what it holds.
    pub(crate) fn open(ctx: &'c Context<'c>, name: Arg<'c>) -> Result<Self, CommandError> {
        let key = ctx.open(name, Access::Write)?;
        let stored = match key.value() {
            Value::Absent => None,
            Value::String(value) if (throttle::MIN_LEN..=throttle::MAX_LEN).contains(&value.len()) => {
                Some(throttle::decode(value.bytes()).ok_or(CommandError::WrongType)?)
            }
            Value::String(_) | Value::Other => return Err(CommandError::WrongType),
        };
        Ok(Self { ctx, name, key, stored })
    }

    /// Carries out what was decided, in the server and on its replicas.
    pub(crate) fn commit(&mut self, change: Change) -> Result<(), CommandError> {
        let Change::Write { tat, expires_at_ms } = change else { return Ok(()) };
        // A primary with redis-cell sends the command itself: what it has granted is not refused here.
        if self.stored.is_none() && !self.ctx.is_replayed() && self.ctx.memory_is_full(self.name) {
            return Err(CommandError::OutOfMemory);
        }
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(tat).as_bytes();
        let value = self.key.write(digits.len(), |stored| stored.copy_from_slice(digits))?;
        self.ctx.replicate_set(self.name, value, expires_at_ms);
        self.key.expire_at(expires_at_ms);
        self.ctx.signal_modified(self.name);
        Ok(())
    }
}
