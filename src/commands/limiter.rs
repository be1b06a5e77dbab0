//! What the RATELIMIT commands share: the words of their grammar, and a key with its state.

use std::ffi::CStr;

use sluice_core::limit::call::{Buckets, Change, Mode as Waiting, Reply, Verdict};
use sluice_core::limit::codec;
use sluice_core::limit::gcra;
use sluice_core::time::Millis;

use crate::error::Error;
use crate::server::{Arg, Args, Context, Key, Kind, Mode, Value, Word};

/// The ACL category of the family.
pub(super) const CATEGORY: &CStr = c"ratelimit";

const PERIOD: &[Word] = &[Word::option(c"seconds", c"EX"), Word::option(c"milliseconds", c"PX")];

const CLAUSE: &[Word] = &[
    Word::option(c"count", c"LIMIT"),
    Word::new(c"period", Kind::OneOf(PERIOD)),
    Word::option(c"burst", c"BURST").optional(),
    Word::option(c"cost", c"COST").optional(),
];

const MODE: &[Word] = &[
    Word::keyword(c"partial", c"PARTIAL"),
    Word::keyword(c"force", c"FORCE"),
    Word::option(c"max-wait-ms", c"MAXWAIT"),
];

/// `LIMIT ... [LIMIT ...]...`
pub(super) const CLAUSES: Word = Word::new(c"limit", Kind::Block(CLAUSE)).multiple();

/// What ACQUIRE and PEEK take.
pub(super) const ACQUIRE_WORDS: &[Word] =
    &[Word::KEY, CLAUSES, Word::new(c"mode", Kind::OneOf(MODE)).optional()];

/// A key of the limiter, open.
pub(super) struct Limiter<'c> {
    ctx: &'c Context<'c>,
    name: Arg<'c>,
    key: Key<'c>,
    /// How many buckets were found; 0 if the key was absent.
    stored: usize,
}

impl<'c> Limiter<'c> {
    /// Opens the key of the command and reads its state into `buckets`, which is empty; it stays so
    /// if there is none.
    pub(super) fn open(
        ctx: &'c Context<'c>,
        args: Args<'c>,
        mode: Mode,
        buckets: &mut Buckets,
    ) -> Result<Self, Error> {
        let name = args.key().ok_or(Error::WrongType)?;
        let key = ctx.open(name, mode);
        match key.value() {
            Value::Absent => {}
            Value::String(value)
                if (codec::MIN_LEN..=codec::MAX_LEN).contains(&value.len())
                    && codec::decode_into(value.bytes(), buckets) => {}
            Value::String(_) | Value::Other => return Err(Error::WrongType),
        }
        Ok(Self { ctx, name, key, stored: buckets.len() })
    }

    /// Carries out what was decided, in the server and on its replicas.
    pub(super) fn commit(&mut self, verdict: &Verdict, buckets: &Buckets) -> Result<(), Error> {
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

    fn write(&mut self, buckets: &Buckets, in_place: bool) -> Result<(), Error> {
        if self.stored == 0 && self.ctx.memory_is_full(self.name) {
            return Err(Error::OutOfMemory);
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

/// No reservation is longer than the setting allows.
pub(super) fn check_wait(mode: Waiting, max_wait: Millis) -> Result<(), Error> {
    match mode {
        Waiting::Wait(wait) if wait > max_wait => Err(Error::MaxWaitSetting),
        _ => Ok(()),
    }
}

/// The six integers.
pub(super) fn reply(ctx: &Context<'_>, reply: &Reply) {
    let Reply { granted, wait_ms, remaining, burst, reset_ms, index } = *reply;
    ctx.reply_integers([granted, wait_ms, remaining, burst, reset_ms, index]);
}
