//! What a call on a limit asks, and what it is answered: the types that grammar, decision and server share.

use arrayvec::ArrayVec;

use super::quota::Quota;
use crate::time::Millis;

/// How many `LIMIT` clauses a call can have, and how many limits a key knows.
pub const MAX_CLAUSES: usize = 8;

/// The clauses of a call, in order.
pub type Clauses = ArrayVec<Clause, MAX_CLAUSES>;

/// One `LIMIT` of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clause {
    /// The limit.
    pub quota: Quota,
    /// What the call takes of it, in tokens. 0: the clause takes no part.
    pub cost: u64,
}

/// What to do when the tokens are not all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Refuse.
    Plain,
    /// Refuse, unless they will be there within this time: then take them now, and sleep.
    Wait(Millis),
    /// Take as many as there are, the same number of every clause.
    Partial,
    /// Take them all, into debt if need be.
    Force,
}

/// What `ACQUIRE` and `PEEK` ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquire {
    /// At least one; all costs may be 0 only in a `PEEK`.
    pub clauses: Clauses,
    /// What to do when the tokens are not all there. With `Partial`, all costs but 0 are equal.
    pub mode: Mode,
}

impl Acquire {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { clauses: Clauses::new_const(), mode: Mode::Plain }
    }
}

impl Default for Acquire {
    fn default() -> Self {
        Self::new()
    }
}

/// What `RETURN` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// At least one, at least one with a cost.
    pub clauses: Clauses,
    /// Why they are given back.
    pub why: Why,
}

impl GiveBack {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { clauses: Clauses::new_const(), why: Why::Refund }
    }
}

impl Default for GiveBack {
    fn default() -> Self {
        Self::new()
    }
}

/// Why tokens are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The call cost less than was charged.
    Refund,
    /// A reservation is given up whose turn is due in this time. Tokens go back only if nobody
    /// stands behind it.
    DueIn(Millis),
    /// The same, of a reservation whose act was told as this instant, in unix us.
    ActAt(u64),
}

/// The six integers that the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// 1 or 0; with PARTIAL, how many tokens; for a give-back, 1 if anything was given back.
    pub granted: i64,
    /// Granted: sleep this long before acting. Refused: the earliest retry, -1: never.
    pub wait_ms: i64,
    /// Whole tokens left in the deciding clause, after the call.
    pub remaining: i64,
    /// The capacity of the deciding clause.
    pub burst: i64,
    /// Until the deciding clause is full again.
    pub reset_ms: i64,
    /// Which clause decided, from 0.
    pub index: i64,
}

/// What is to become of the stored state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Leave it as it is.
    Keep,
    /// Store it: nothing but the times of its rates differs from what was read.
    WriteTimes,
    /// Store it.
    Write,
    /// Delete the key: everything is full, and nothing is held.
    Delete,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What the caller is told.
    pub reply: Reply,
    /// When the caller acts, in unix us rounded up; 0 unless granted with [`Mode::Wait`].
    pub act_us: i64,
    /// What is to become of the state.
    pub change: Change,
    /// What happened beside the decision, for the counters.
    pub notes: Notes,
}

/// What happened beside a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notes {
    /// Something stood further ahead than any queue, debt or hold can, and was cut.
    pub repaired: bool,
    /// How many limits joined beside others.
    pub mixed: u32,
    /// How many limits had to go because a key knows at most [`MAX_CLAUSES`].
    pub forgotten: u32,
    /// Part of a forced cost was forgiven.
    pub debt_cut: bool,
    /// Refused, and only a hold was waited for.
    pub held: bool,
    /// Granted, and would have been refused by a policy that is not in shadow.
    pub shadow: bool,
}

/// `wait_ms` of a call that can never be granted.
pub const NEVER: i64 = -1;
