//! The programs in `docs/clients.md`, taken from that page, on Redis 8.2 and Valkey 9.1.
//!
//! | file | |
//! |---|---|
//! | `page` | the programs on the page |
//! | `language` | how those of a language are started; a program that runs |
//! | `limiter` | what a limiter promises |
//! | `lock` | what a lock promises |
//! | `cluster` | that a cluster client finds the node |
//! | `info` | that the replies of INFO have the shape that the page says |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod cluster;
mod info;
mod language;
mod limiter;
mod lock;
mod page;

use language::Language;
use sluice_testing::Kind;

/// For each language a module with its tests, one for each promise and server.
macro_rules! languages {
    ($($name:ident: $language:expr;)+) => { $(
        mod $name {
            use super::{Kind, Language};

            const LANGUAGE: Language = $language;

            languages!(@both limiter: crate::limiter::keeps_its_promises);
            languages!(@both lock: crate::lock::keeps_its_promises);
        }
    )+ };
    (@both $promise:ident: $test:path) => {
        mod $promise {
            #[test]
            fn redis_8_2() {
                $test(super::LANGUAGE, super::Kind::Redis82);
            }

            #[test]
            fn valkey_9_1() {
                $test(super::LANGUAGE, super::Kind::Valkey91);
            }
        }
    };
}

languages! {
    redis_cli: Language::RedisCli;
    python: Language::Python;
    python_asyncio: Language::PythonAsyncio;
    node: Language::Node;
    php: Language::Php;
}
