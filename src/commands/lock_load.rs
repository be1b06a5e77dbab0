//! `LOCK.LOAD key n (owner fence deadline_ms acquired_ms)*`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{lock as grammar, names};
use sluice_core::lock::Source;

use super::lock_family as family;
use crate::lock::fences;
use crate::lock::key::LockKey;
use crate::server::{Access, Args, Command, Context, Keys, Kind, Spec, Word};

/// What replicas and AOF get instead of the commands: the whole lock as it then was, or what has changed of it.
pub(super) struct LockLoad;

const WHOLE: &[Word] =
    &[Word::new(c"count", Kind::Integer), Word::new(c"holder", Kind::Block(HOLDER)).multiple()];

const CHANGE: Word = Word::new(c"change", Kind::OneOf(&[OUT, PUT])).multiple();

const OUT: Word = Word::new(c"out", Kind::Block(&[Word::keyword(c"gone", c"-"), family::OWNER]));

const PUT: Word =
    Word::new(c"put", Kind::Block(&[Word::keyword(c"new", c"+"), Word::new(c"lease", Kind::Block(HOLDER))]));

const HOLDER: &[Word] = &[
    family::OWNER,
    Word::new(c"fence", Kind::Integer),
    Word::new(c"deadline-ms", Kind::Integer),
    Word::new(c"acquired-ms", Kind::Integer),
];

impl Command for LockLoad {
    const SPEC: Spec = Spec {
        name: names::LOCK_LOAD,
        summary: c"Restores a lock. For replication and AOF; refused to everybody else.",
        complexity: c"O(N) with N holders",
        since: c"0.1.0",
        arity: -4,
        access: Access::Write,
        keys: Keys::ONE,
        flags: "admin",
        acl: "admin dangerous",
        category: Some(family::CATEGORY),
        words: &[
            Word::KEY,
            Word::new(c"what", Kind::OneOf(&[Word::new(c"whole", Kind::Block(WHOLE)), CHANGE])),
        ],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        if !ctx.is_replayed() {
            return Err(CommandError::NotReplayed);
        }
        let load = grammar::parse_load(args.behind_key())?;
        let name = args.key()?;
        if !fences::note(load.holders(), Source::Server) {
            return Err(CommandError::Fence);
        }

        // Replicates itself: a replica's own AOF, and its replicas, have it from nobody else.
        LockKey::load(ctx, name, load)?;
        ctx.reply_integer(1);
        Ok(())
    }
}
