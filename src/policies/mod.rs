//! Policies in the server: a table in memory, which is also a setting, and which replicas are told of.
//!
//! ```text
//! RATELIMIT.POLICY SET, DEL, REPLACE ──► table ──► announce: now, behind the command  ──► REPLACE on replicas
//! CONFIG SET sluice.policies ──────────► table ──► announce: soon, by an alarm        ──► REPLACE on replicas
//! a replica comes online ────────────────────────► announce: soon
//! RATELIMIT.ACQUIRE key @name ─────────► table: found, and counted
//! ```
//!
//! It is in no RDB and no AOF, so that both load without the module: what is in force at a start is what the
//! configuration says. What a policy means is decided in `sluice_core::policy`.

pub(crate) mod announce;
pub(crate) mod info;
mod setting;
pub(crate) mod table;

pub(crate) use setting::register;
pub(crate) use table::forget;
