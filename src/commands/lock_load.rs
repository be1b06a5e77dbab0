//! `LOCK.LOAD key n (owner fence deadline_ms acquired_ms)*`

use sluice_core::grammar::error::CommandError;
use sluice_core::grammar::{lock as grammar, names};

use super::lock_family as family;
use crate::lock::fences;
use crate::lock::key::LockKey;
use crate::server::{Access, Args, Command, Context, Keys, Kind, Spec, Word};

/// What replicas and AOF get instead of the commands: the whole lock as it then was.
pub(super) struct LockLoad;

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
        arity: -7,
        access: Access::Write,
        keys: Keys::ONE,
        flags: "admin",
        acl: "admin dangerous",
        category: family::CATEGORY,
        words: &[
            Word::KEY,
            Word::new(c"count", Kind::Integer),
            Word::new(c"holder", Kind::Block(HOLDER)).multiple(),
        ],
    };

    fn run(ctx: &Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        if !ctx.is_replayed() {
            return Err(CommandError::NotReplayed);
        }
        let lock = grammar::parse_load(args.behind_key())?;
        let name = args.key()?;
        if !fences::note(&lock) {
            return Err(CommandError::Fence);
        }

        // Replicates itself: a replica's own AOF, and its replicas, have it from nobody else.
        LockKey::replace(ctx, name, lock)?;
        ctx.reply_integer(1);
        Ok(())
    }
}
