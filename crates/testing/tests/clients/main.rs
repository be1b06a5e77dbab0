//! The programs in `docs/clients/`, taken from those pages, on Redis 8.2 and Valkey 9.1.
//!
//! | file | |
//! |---|---|
//! | `page` | the programs on the pages |
//! | `pins` | that the index names the versions that are run |
//! | `client` | the libraries, and how a program of each is started |
//! | `build` | programs that have to be compiled |
//! | `program` | a program that runs |
//! | `limiter` | what a limiter promises |
//! | `lock` | what a lock promises |
//! | `cluster` | that a cluster client finds the node |
//! | `info` | that the replies of INFO have the shape that the page says |
//! | `redis_cell` | that a client made for redis-cell, which knows nothing of us, is content |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has to stop, and say where"
)]

mod build;
mod client;
mod cluster;
mod info;
mod limiter;
mod lock;
mod page;
mod pins;
mod program;
mod redis_cell;

use std::sync::{Mutex, PoisonError};
use std::thread;

use client::{Client, Language};
use sluice_testing::Kind;

/// For each of these a module with its tests, one for each server. Several clients are run side by side.
macro_rules! clients {
    ($($name:ident: $($client:ident),+;)+) => { $(
        mod $name {
            use super::{Kind, keep_their_promises};
            use crate::client::{$($client),+};

            #[test]
            fn redis_8_2() {
                keep_their_promises(&[$($client),+], Kind::Redis82);
            }

            #[test]
            fn valkey_9_1() {
                keep_their_promises(&[$($client),+], Kind::Valkey91);
            }
        }
    )+ };
}

clients! {
    redis_cli: REDIS_CLI;
    redis_py: REDIS_PY_8;
    redis_py_asyncio: REDIS_PY_8_ASYNCIO;
    redis_py_older: REDIS_PY_5, REDIS_PY_6, REDIS_PY_7, REDIS_PY_5_ASYNCIO;
    valkey_py: VALKEY_PY;
    glide_python: GLIDE_PYTHON;
    node_redis: NODE_REDIS_6;
    node_redis_older: NODE_REDIS_4, NODE_REDIS_5;
    ioredis: IOREDIS_6;
    ioredis_older: IOREDIS_5, IOVALKEY;
    glide_node: GLIDE_NODE;
    phpredis: PHPREDIS;
    predis: PREDIS;
    go_redis: GO_REDIS;
    redigo: REDIGO;
    jedis: JEDIS;
    lettuce: LETTUCE;
}

fn keep_their_promises(clients: &[Client], kind: Kind) {
    thread::scope(|scope| {
        for client in clients.iter().filter(|client| client.is_there()) {
            scope.spawn(|| keeps_its_promises(*client, kind));
        }
    });
}

fn keeps_its_promises(client: Client, kind: Kind) {
    /// Ten virtual machines that start at once keep a small machine busy for longer than a lease.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if client.language == Language::Java {
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        limiter::keeps_its_promises(client, kind);
        lock::keeps_its_promises(client, kind);
    } else {
        thread::scope(|scope| {
            scope.spawn(|| limiter::keeps_its_promises(client, kind));
            scope.spawn(|| lock::keeps_its_promises(client, kind));
        });
    }
}
