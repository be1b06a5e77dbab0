//! Real servers with the module: for the tests of the module, of the client and of what stands on it, for doc tests,
//! and for the benchmarks.
//!
//! ```ignore
//! fn a_limit_refuses(kind: Kind) {
//!     let server = Server::setup(kind).clock_ms(1_800_000_000_000).start();
//!     let mut client = server.connect();
//!     assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1").ints(), [1, 0, 0, 1, 1000, 0]);
//!     server.set_clock_ms(1_800_000_000_999);
//!     assert_eq!(client.ask("RATELIMIT.ACQUIRE k LIMIT 1 EX 1").ints(), [0, 1, 0, 1, 1, 0]);
//!     client.assert_in_step();
//! }
//! on_every_server![a_limit_refuses];
//! ```
//!
//! A server has a folder of its own, listens on a unix socket in it, and on a port of 127.0.0.1 if it is set up with
//! `tcp()`. It ends with its value or with the process. A server that ends by itself fails its test, and a failing
//! test prints the server's log. Three variables of the environment change what happens:
//!
//! | variable | |
//! |---|---|
//! | `KEEP=1` | the folder of a server whose test failed stays, with its log, and its name is printed |
//! | `PAUSE=1` | a server that has started says its process id and waits for Enter: time to attach a debugger |
//! | `SLUICE_MODULE` | the module to load, instead of the release build in cargo's target folder |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

pub mod c;
mod client;
mod clock;
mod cluster;
mod debug;
mod each;
mod example;
mod files;
mod kind;
mod module;
mod port;
mod proxy;
#[cfg(feature = "redis")]
mod redis;
mod reply;
mod root;
mod sentinel;
mod server;
mod setup;
mod spawn;
mod toolchain;
mod url;

pub use client::{Arg, Client, encode, words};
pub use cluster::Cluster;
pub use example::example;
pub use kind::Kind;
pub use module::module;
pub use port::free_port;
pub use proxy::Proxy;
pub use reply::Reply;
pub use rustix::process::Signal;
pub use sentinel::Sentinel;
pub use server::{Server, until};
pub use setup::Setup;
pub use spawn::signal;
pub use toolchain::{go_programs, go_tests, has};
pub use url::url;
