//! Real servers for the tests: each test starts its own, speaks raw RESP to it, and leaves nothing behind.
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
//! A server listens on a unix socket in a folder of its own, so tests neither race for ports nor see each
//! other. A server that ends by itself fails its test, and a failing test prints the server's log.

#![allow(dead_code, reason = "a harness may offer more than today's tests use")]

/// Makes each named function `fn(Kind)` a test on each of the four servers, named `file::function::redis_7_0`
/// and so on. A function that no list names is dead code, which the lint reports: none is forgotten.
macro_rules! on_every_server {
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            use crate::harness::Kind;

            #[test]
            fn redis_7_0() {
                super::$test(Kind::Redis70);
            }

            #[test]
            fn redis_8_2() {
                super::$test(Kind::Redis82);
            }

            #[test]
            fn valkey_8_1() {
                super::$test(Kind::Valkey81);
            }

            #[test]
            fn valkey_9_1() {
                super::$test(Kind::Valkey91);
            }
        }
    )+ };
}

/// The arguments of a command as bytes, for what no line of text can hold: `args!["SET", key_bytes, 12]`.
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$($crate::harness::Arg::to_arg(&$arg)),*] };
}

mod client;
mod clock;
mod files;
mod kind;
mod module;
mod reply;
mod server;
mod setup;
mod spawn;

pub(crate) use client::{Arg, Client};
pub(crate) use kind::Kind;
pub(crate) use reply::Reply;
#[allow(unused_imports, reason = "as above")]
pub(crate) use server::{Server, until};
