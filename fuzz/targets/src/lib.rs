//! What is fuzzed of the pure decisions. Each target is a function of any bytes that returns, or panics where a promise
//! is broken; `fuzz/fuzz_targets` hands them to libFuzzer, `tests/replay.rs` runs them over the committed corpora and
//! over random bytes, on any toolchain.
//!
//! | file | promise |
//! |---|---|
//! | [`grammar()`] | no words stop a parser; what one understands is encoded to words that mean the same |
//! | [`codec()`] | no bytes stop the reader of a stored limiter; what it reads has one spelling, and stays in bounds |
//! | [`lock_payload()`] | no words of `LOCK.LOAD`, and no fields of a stored lock, make a lock out of bounds |
//! | [`lock()`] | a lock is a list of leases, whatever is done to it; a copy that is told the changes is the same |
//! | [`decision()`] | every reply, stored string and expiry is that of the rational model |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target that cannot go on has found something, and says where"
)]

mod codec;
mod decision;
mod grammar;
mod lock;
mod lock_payload;
mod quotas;
mod words;

// The reference and the key of the tests on the decision: one model, however the calls are made up.
#[path = "../../../crates/core/tests/promises/key.rs"]
mod key;
#[path = "../../../crates/core/tests/promises/model/mod.rs"]
mod model;

pub use codec::codec;
pub use decision::decision;
pub use grammar::grammar;
pub use lock::lock;
pub use lock_payload::lock_payload;

/// A target's name, which is also that of its corpus, and the function.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: &[Target] = &[
    ("codec", codec),
    ("decision", decision),
    ("grammar", grammar),
    ("lock", lock),
    ("lock_payload", lock_payload),
];
