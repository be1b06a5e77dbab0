//! `redis-cell-rs` was made for redis-cell and knows nothing of us: it reads our replies as it reads those.

use redis::Cmd as RedisCmd;
use redis_cell_rs::{Cmd, Key, Policy, Verdict};
use sluice_testing::{Kind, Server};

#[test]
fn redis_8_2() {
    a_client_of_redis_cell_is_content(Kind::Redis82);
}

#[test]
fn valkey_9_1() {
    a_client_of_redis_cell_is_content(Kind::Valkey91);
}

/// Burst 2, 3 tokens in 60 s, one a call: three go at once, and the next in 20 s.
const POLICY: Policy = Policy::new(2, 3, std::time::Duration::from_secs(60), 1);

fn a_client_of_redis_cell_is_content(kind: Kind) {
    const NOON_MS: i64 = 1_800_000_000_000;
    let server = Server::setup(kind).module_args("throttle yes").tcp().clock_ms(NOON_MS).start();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let mut ask = || -> Verdict {
        RedisCmd::from(Cmd::new(&Key::from("user123"), &POLICY)).query(&mut connection).unwrap()
    };
    for taken in 1..=3 {
        let Verdict::Allowed(details) = ask() else { panic!("refused") };
        assert_eq!(
            (details.total, details.remaining, details.reset_after),
            (3, 3 - taken, 20 * taken as u64)
        );
    }
    let Verdict::Blocked(details) = ask() else { panic!("granted") };
    assert_eq!((details.total, details.remaining, details.retry_after, details.reset_after), (3, 0, 20, 60));
    server.set_clock_ms(NOON_MS + 20_000);
    assert!(matches!(ask(), Verdict::Allowed(_)));
}
