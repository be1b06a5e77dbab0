//! The module inside real servers: Redis 7.0 and 8.2, Valkey 8.1 and 9.1.
//!
//! `make test` fetches the servers and runs all of this; `make test SERVER=valkey_9_1` runs it on one of
//! them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

#[macro_use]
mod harness;

mod acl;
mod aof;
mod changed_limits;
mod clock_steps;
mod cluster;
mod conformance;
mod errors;
mod expiry;
mod hammer;
mod harness_works;
mod hostile;
mod info;
mod introspection;
mod keys_and_protocol;
mod load;
mod lock_acl;
mod lock_cluster;
mod lock_commands;
mod lock_contention;
mod lock_counters;
mod lock_errors;
mod lock_events;
mod lock_fencing;
mod lock_fencing_restart;
mod lock_footprint;
mod lock_hostile;
mod lock_introspection;
mod lock_memory;
mod lock_model;
mod lock_owners;
mod lock_paused;
mod lock_payload;
mod lock_persistence;
mod lock_queue;
mod lock_replication;
mod lock_restore;
mod lock_semaphores;
mod lock_shown;
mod lock_strangers;
mod lock_values;
mod lock_waiting;
mod lock_waiting_clients;
mod lock_waiting_ends;
mod lock_waiting_failover;
mod lock_waiting_modules;
mod lock_waiting_order;
mod lock_waiting_scripts;
mod lock_waiting_strangers;
mod lock_wrong_types;
mod meaning;
mod memory;
mod old_server;
mod persistence;
mod random;
mod replication;
mod returns;
mod stored_state;
mod watch_and_caches;
mod wrong_types;
