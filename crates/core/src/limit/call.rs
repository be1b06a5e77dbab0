//! What a call on a limit asks, and what it is answered: the types that grammar, decision and server share.

use arrayvec::ArrayVec;

use super::bucket::Bucket;
use super::quota::Quota;
use crate::time::Millis;

/// How many `LIMIT` clauses a key can have.
pub const MAX_CLAUSES: usize = 8;

/// The state of a key: a bucket for each clause, in order.
pub type Buckets = ArrayVec<Bucket, MAX_CLAUSES>;

/// The clauses of a call, in order: clause i meets bucket i.
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
    /// Refuse, unless they will be there within this time: then take them now, and sleep.
    Wait(Millis),
    /// Take as many as there are, the same number of every clause.
    Partial,
    /// Take them all, into debt if need be.
    Force,
}

impl Mode {
    /// Refuse: the plain call.
    pub const PLAIN: Self = Self::Wait(Millis::ZERO);
}

/// What `ACQUIRE` and `PEEK` ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquire {
    /// At least one; all costs may be 0 only in a `PEEK`.
    pub clauses: Clauses,
    /// What to do when the tokens are not all there. With `Partial`, all costs but 0 are equal.
    pub mode: Mode,
}

/// What `RETURN` asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GiveBack {
    /// At least one, at least one with a cost.
    pub clauses: Clauses,
    /// `None`: a refund. Otherwise a reservation is given up whose turn is due in this time, and
    /// tokens go back only if nobody stands behind it.
    pub due: Option<Millis>,
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
    /// Store the buckets, to expire at [`expires_at_ms`](super::gcra::expires_at_ms).
    Write,
    /// Delete the key: every bucket is full.
    Delete,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What the caller is told.
    pub reply: Reply,
    /// What is to become of the state.
    pub change: Change,
    /// The state to be stored differs from what was there by more than the call: a limit had
    /// changed, or a tat stood further ahead than any queue can.
    pub repaired: bool,
}

/// `wait_ms` of a call that can never be granted.
pub const NEVER: i64 = -1;
