//! Locks in the server: the data type, a key that holds one, and those that wait.
//!
//! ```text
//! LOCK.TRY, ACQUIRE ──► held: view, grant, commit ──► the key, replicas, events
//!        │ not granted, BLOCK                               ▲
//!        ▼                                                  │ admit the head of the queue
//! waiting: join the queue, set an alarm                     │
//!        ▲                                                  │
//!        └── RELEASE, an alarm, a deletion by a stranger ───┘ then wake those granted
//! ```
//!
//! What a lease means is decided in `sluice_core::lock`, who is next in `sluice_core::lock::queue`.

pub(crate) mod held;
pub(crate) mod value;
pub(crate) mod waiting;
