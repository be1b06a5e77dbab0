//! A key that holds limits, or could.

use sluice_core::grammar::error::CommandError;
use sluice_core::limit::call::{Buckets, Change, Verdict};
use sluice_core::limit::codec;
use sluice_core::limit::gcra;

use crate::server::{Access, Arg, Context, Key, Value};

/// An open key with limits in it, or none yet.
pub(crate) struct LimiterKey<'c> {
    ctx: &'c Context<'c>,
    name: Arg<'c>,
    key: Key<'c>,
    /// How many buckets were found; 0 if the key was absent.
    stored: usize,
}

impl<'c> LimiterKey<'c> {
    /// Opens the key and reads its state into `buckets`, which is empty; it stays so
    /// if there is none.
    pub(crate) fn open(
        ctx: &'c Context<'c>,
        name: Arg<'c>,
        access: Access,
        buckets: &mut Buckets,
    ) -> Result<Self, CommandError> {
        let key = ctx.open(name, access);
        match key.value() {
            Value::Absent => {}
            Value::String(value)
                if (codec::MIN_LEN..=codec::MAX_LEN).contains(&value.len())
                    && codec::decode_into(value.bytes(), buckets) => {}
            Value::String(_) | Value::Other => return Err(CommandError::WrongType),
        }
        Ok(Self { ctx, name, key, stored: buckets.len() })
    }

    /// Carries out what was decided, in the server and on its replicas.
    pub(crate) fn commit(&mut self, verdict: &Verdict, buckets: &Buckets) -> Result<(), CommandError> {
        match verdict.change {
            Change::Keep => return Ok(()),
            Change::Write => {
                // Then the limits are those that are stored, and nothing but their times is new.
                let in_place = !verdict.repaired && self.stored == buckets.len();
                self.write(buckets, in_place)?;
            }
            Change::Delete => {
                self.key.delete();
                self.ctx.replicate_del(self.name);
            }
        }
        self.ctx.signal_modified(self.name);
        Ok(())
    }

    fn write(&mut self, buckets: &Buckets, in_place: bool) -> Result<(), CommandError> {
        if self.stored == 0 && self.ctx.memory_is_full(self.name) {
            return Err(CommandError::OutOfMemory);
        }
        let expires_at_ms = gcra::expires_at_ms(buckets);
        let state = if in_place {
            self.key.overwrite(|state| codec::encode_times(buckets, state))?
        } else {
            self.key.write(codec::encoded_len(buckets), |state| codec::encode(buckets, state))?
        };
        self.ctx.replicate_set(self.name, state, expires_at_ms);
        self.key.expire_at(expires_at_ms);
        Ok(())
    }
}
