//! What is written in C, as shared libraries: `build.rs` compiles every file in `c/`.

use std::path::Path;

macro_rules! library {
    ($name:literal) => {
        Path::new(concat!(env!("OUT_DIR"), "/", $name, ".so"))
    };
}

/// To preload: a wall clock that stands still until a test sets it.
pub fn clock() -> &'static Path {
    library!("clock")
}

/// To preload: clocks that never move and no randomness, so that instruction counts repeat. With `Setup::clock_ms` the
/// wall clock moves when it is set.
pub fn still() -> &'static Path {
    library!("still")
}

/// A module that calls the commands of other modules.
pub fn caller() -> &'static Path {
    library!("caller")
}

/// A module that makes the server refuse ours keys that are opened to write.
pub fn refuser() -> &'static Path {
    library!("refuser")
}

/// A module that is the least a limiter can cost, to measure ours beside it.
pub fn floor() -> &'static Path {
    library!("floor")
}
