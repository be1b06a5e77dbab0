//! A thin client for Sluice, the module that gives Redis and Valkey exact rate limits and honest
//! locks, over the [`redis`] crate.
//!
//! Everything that is sent is spelled by the grammar that the module parses, and the one decision
//! that is ever made here (a limiter whose server is out of reach) is made by the module's own code.
//!
//! | you want | take |
//! |---|---|
//! | requests that wait their turn, first in, first out over all processes | [`Limiter::acquire`] |
//! | to refuse what is too much | [`Limiter::try_acquire`] |
//! | a job that never overlaps with itself | [`Locks`] |
//! | limiters and locks in code that is not async | `sync`, with the feature of that name |
//! | all of it without a server, in tests | [`InProcess`] |
//! | the bare commands, also without tokio | [`SluiceCommands`], [`AsyncSluiceCommands`], [`SluicePipeline`] |
//!
//! Features: `tokio` (default) for everything asynchronous, `cluster` for [`Locks`], limiters and pipelines
//! over a cluster client, `sentinel` for servers that sentinels name, `connection-manager` for limiters over
//! a `ConnectionManager`, `sync` for limiters and locks that block, `tracing` for events, `metrics` for counters.
#![forbid(unsafe_code)]

#[cfg(feature = "tokio")]
#[macro_use]
mod event;

mod commands;
mod decision;
mod error;
mod limit;
mod limit_info;
mod limit_reply;
mod limit_text;
mod limits;
mod lock_info;
mod lock_reply;
mod outage;
mod wire;

pub mod command;
#[cfg(feature = "sync")]
pub mod sync;

#[cfg(feature = "tokio")]
mod clock;
#[cfg(feature = "tokio")]
mod in_process;
#[cfg(feature = "tokio")]
mod limiter;
#[cfg(feature = "tokio")]
mod link;
#[cfg(feature = "tokio")]
mod locked;
#[cfg(feature = "tokio")]
mod locks;
#[cfg(feature = "tokio")]
mod measure;

#[cfg(feature = "tokio")]
pub use commands::AsyncSluiceCommands;
pub use commands::{SluiceCommands, SluicePipeline};
pub use decision::Decision;
pub use error::{Error, Result, is_module_missing};
#[cfg(feature = "tokio")]
pub use in_process::InProcess;
pub use limit::{Limit, LimitError, LimitKind};
pub use limit_info::{KeyInfo, LimitInfo};
pub use limit_reply::LimitReply;
pub use limit_text::ParseLimitError;
#[cfg(feature = "tokio")]
pub use limiter::{Limiter, Outage, Permit};
pub use limits::Limits;
#[cfg(feature = "tokio")]
#[cfg(feature = "sentinel")]
pub use link::Sentinel;
#[cfg(feature = "tokio")]
pub use link::{Connect, Ready, Source};
pub use lock_info::{Holder, LockInfo, Waiter};
pub use lock_reply::LockReply;
#[cfg(feature = "tokio")]
pub use locks::{Attempt, Guard, Lock, Locks, NotReleased};
#[cfg(feature = "metrics")]
pub use measure::describe_metrics;
pub use redis;

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
