//! The safe layer over the server's C API, and the only unsafe code of the project.
//!
//! It knows nobody above it. Who loads, what commands there are, who waits, who is rung, who hears
//! events and who fills `INFO` is handed in, as types that implement its traits.
//!
//! | file | duty | handed in |
//! |---|---|---|
//! | `api` | which functions of the server are needed, which are merely used where present | |
//! | `load` | entry points, options, load errors | [`Module`] |
//! | `register`, `spec` | commands: declaration, registration, the trampoline | [`Command`] |
//! | `context`, `args`, `key` | what a running command sees | |
//! | `effects`, `reply` | what others hear of a change; what the caller is told | |
//! | `datatype`, `stored` | data types of our own, and how their values are saved | [`DataType`] |
//! | `blocking` | clients that wait | [`BlockingCommand`] |
//! | `timers` | a callback after some time | [`Token`] |
//! | `events` | what happens in the server without a command of ours | [`Events`] |
//! | `settings` | `CONFIG GET sluice.*` | [`NumericSetting`], [`Switch`], [`TextSetting`] |
//! | `info` | the module's sections of `INFO` | [`Info`] |
//! | `guarded` | state that outlives a command, and the rule that comes with it | |
#![allow(unsafe_code)]

mod api;
mod args;
mod blocking;
mod context;
mod datatype;
mod effects;
mod events;
mod guarded;
mod info;
mod key;
pub(crate) mod load; // not private, for the sake of `entry_points`
mod register;
mod reply;
mod settings;
mod spec;
mod stored;
mod timers;

pub(crate) use args::{Arg, Args, OwnedArg};
pub(crate) use blocking::{BlockingCommand, WaitId, is_still_permitted, wake};
pub(crate) use context::{Context, Execution, now};
pub(crate) use datatype::{DataType, TypeHandle};
pub(crate) use events::Events;
pub(crate) use guarded::Guarded;
pub(crate) use info::{Info, InfoFields, InfoSection};
pub(crate) use key::{Access, Key, Value};
pub(crate) use load::{LoadError, Loading, Module, entry_points, warn};
pub(crate) use register::Command;
pub(crate) use settings::{NumericSetting, Switch, TextSetting};
pub(crate) use spec::{Keys, Kind, Spec, Word};
pub(crate) use stored::{Defrag, Digest, Rdb};
pub(crate) use timers::{Timer, Token};
