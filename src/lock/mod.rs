//! Locks in the server: a key that holds one, and those that wait.
//!
//! ```text
//! LOCK.TRY, ACQUIRE ──► attempt ──► key: view, grant, commit ──► the key, replicas, events
//!        │ not granted, BLOCK                      ▲
//!        ▼                                         │ admit the head of the queue
//! waiting: join ──► queue, alarms ──► handover ────┘ then wake those granted
//!                              ▲
//!                              └── RELEASE, an alarm, a deletion by a stranger
//! ```
//!
//! | file | duty |
//! |---|---|
//! | `key` | an open key with a lock in it: what is there, what shall be there, written at once |
//! | `value` | the lock as a data type of the server |
//! | `effects` | what replicas and the AOF get |
//! | `fences` | the last fence of this server |
//! | `evictions` | locks that the server evicts |
//! | `attempt` | taking a lock, behind those who wait |
//! | `waiting` | how a wait begins and ends |
//! | `handover` | granting the lock to those who wait |
//! | `alarms` | when to look at a key that somebody waits for |
//! | `due`, `rounds` | which keys are looked at next; looking at them, a little at a time |
//! | `stall` | whether the server has just woken from a long sleep |
//! | `queue` | the books: who waits, what each was told in the end, which alarms are set, which keys are due |
//!
//! What a lease means is decided in `sluice_core::lock`, who is next in `sluice_core::lock::queue`.

pub(crate) mod alarms;
pub(crate) mod attempt;
pub(crate) mod due;
mod effects;
pub(crate) mod evictions;
pub(crate) mod fences;
pub(crate) mod handover;
pub(crate) mod key;
pub(crate) mod queue;
pub(crate) mod rounds;
mod stall;
mod value;
pub(crate) mod waiting;
