//! A key that holds limits, or could.

use sluice_core::grammar::error::CommandError;
use sluice_core::limit::call::Change;
use sluice_core::limit::codec;
use sluice_core::limit::expiry::{Expiry, expiry};
use sluice_core::limit::state::State;
use sluice_core::time::Nanos;

use crate::server::{Access, Arg, Context, Key, Value};

/// An open key with limits in it, or none yet.
pub(crate) struct LimiterKey<'c> {
    ctx: &'c Context<'c>,
    name: Arg<'c>,
    key: Key<'c>,
    /// Whether there was no such key.
    is_new: bool,
}

impl<'c> LimiterKey<'c> {
    /// Opens the key and reads its state into `state`, which is empty; it stays so if there is no
    /// such key.
    pub(crate) fn open(
        ctx: &'c Context<'c>,
        name: Arg<'c>,
        access: Access,
        state: &mut State,
    ) -> Result<Self, CommandError> {
        let key = ctx.open(name, access)?;
        let is_new = match key.value() {
            Value::Absent => true,
            Value::String(value)
                if (codec::MIN_LEN..=codec::MAX_LEN).contains(&value.len())
                    && codec::decode_into(value.bytes(), state) =>
            {
                false
            }
            Value::String(_) | Value::Other => return Err(CommandError::WrongType),
        };
        Ok(Self { ctx, name, key, is_new })
    }

    /// Carries out what was decided, in the server and on its replicas.
    pub(crate) fn commit(&mut self, change: Change, state: &State, now: Nanos) -> Result<(), CommandError> {
        match change {
            Change::Keep => return Ok(()),
            Change::WriteTimes => self.write(state, now, true)?,
            Change::Write => self.write(state, now, false)?,
            Change::Delete => {
                self.key.delete();
                self.ctx.replicate_del(self.name);
            }
        }
        self.ctx.signal_modified(self.name);
        Ok(())
    }

    fn write(&mut self, state: &State, now: Nanos, only_times: bool) -> Result<(), CommandError> {
        if self.is_new && self.ctx.memory_is_full(self.name) {
            return Err(CommandError::OutOfMemory);
        }
        let expires_at_ms = if self.is_new { None } else { self.key.expires_at_ms() };
        let expiry = expiry(state, now, expires_at_ms);
        let value = if only_times {
            self.key.overwrite(|stored| codec::encode_times(state, stored))?
        } else {
            self.key.write(codec::encoded_len(state), |stored| codec::encode(state, stored))?
        };
        match expiry {
            Expiry::Kept => self.ctx.replicate_value(self.name, value),
            Expiry::At(unix_ms) => {
                self.ctx.replicate_set(self.name, value, unix_ms);
                self.key.expire_at(unix_ms);
            }
        }
        Ok(())
    }
}
