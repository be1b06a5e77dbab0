//! The safe layer over the server's C API, and the only unsafe code of the project.
//!
//! | file | duty |
//! |---|---|
//! | `api` | which functions of the server are needed, which are merely used where present |
//! | `load` | entry points, options, load errors |
//! | `register`, `spec` | commands: declaration, registration, the trampoline |
//! | `settings`, `info` | `CONFIG GET sluice.*`, `INFO sluice` |
//! | `context`, `args`, `key`, `reply` | what a running command sees |
//! | `datatype` | a data type of our own |
//! | `blocking`, `timers`, `events` | waiting clients, alarms, what the server does to keys unasked |
#![allow(unsafe_code)]

mod api;
mod args;
mod blocking;
mod context;
mod datatype;
mod events;
mod info;
mod key;
mod load;
mod register;
mod reply;
mod settings;
mod spec;
pub(crate) mod timers;

pub(crate) use args::{Arg, Args, OwnedArg};
pub(crate) use blocking::wake;
pub(crate) use context::{Context, now};
pub(crate) use datatype::{DataType, Defrag, Digest, Rdb};
pub(crate) use info::Section;
pub(crate) use key::{Key, Mode, Refused, Value};
pub(crate) use load::{LoadError, Loading, warn};
pub(crate) use register::Command;
pub(crate) use settings::NumericSetting;
pub(crate) use spec::{Access, Kind, Spec, Word};
