//! The safe layer over the server's C API, and the only unsafe code of the project.
//!
//! | file | duty |
//! |---|---|
//! | `api` | which functions of the server are needed, which are merely used where present |
//! | `load` | entry points, options, load errors |
//! | `register`, `spec` | commands: declaration, registration, the trampoline |
//! | `settings`, `info` | `CONFIG GET sluice.*`, `INFO sluice` |
//! | `context`, `args`, `key`, `reply` | what a running command sees |
#![allow(unsafe_code)]

mod api;
mod args;
mod context;
mod info;
mod key;
mod load;
mod register;
mod reply;
mod settings;
mod spec;

pub(crate) use args::{Arg, Args};
pub(crate) use context::Context;
pub(crate) use info::Section;
pub(crate) use key::{Key, Mode, Refused, Value};
pub(crate) use load::{LoadError, Loading};
pub(crate) use register::Command;
pub(crate) use settings::NumericSetting;
pub(crate) use spec::{Access, Kind, Spec, Word};
