//! What the client adds to the round trip of the same command sent by hand through `redis`.
//!
//! ```text
//! make bench-client                                                                   a server of its own
//! cargo run --release -p sluice-client --example overhead -- redis://127.0.0.1:6379/  this one
//! ```
//!
//! They take turns in small batches on one connection, so that what disturbs one disturbs all; the
//! figure is the ratio of the medians.

use std::time::Instant;

use redis::aio::MultiplexedConnection;
use sluice_client::{AsyncSluiceCommands, Limit, Limiter, Outage};

const BATCHES: usize = 600;
const CALLS: u32 = 50;
const LIMIT: Limit = Limit::per_second(1_000_000).burst(1_000_000);

/// What `redis` does for `RATELIMIT.ACQUIRE`, with MAXWAIT as `Limiter::acquire` sends it or without.
async fn by_hand(connection: &mut MultiplexedConnection, max_wait: bool) -> redis::RedisResult<()> {
    let mut command = redis::cmd("RATELIMIT.ACQUIRE");
    command.arg("overhead").arg("LIMIT").arg(1_000_000).arg("PX").arg(1000);
    if max_wait {
        command.arg("MAXWAIT").arg(30_000);
    }
    let reply: Vec<i64> = command.query_async(connection).await?;
    assert_eq!(reply.first(), Some(&1));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "it is what it is for")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(sluice_testing::url);
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let limiter = Limiter::new(connection.clone(), LIMIT, Outage::Closed);
    let mut times = [const { Vec::new() }; 5];
    for _ in 0..BATCHES {
        for (which, times) in times.iter_mut().enumerate() {
            let start = Instant::now();
            for _ in 0..CALLS {
                let granted = match which {
                    0 => by_hand(&mut connection, false).await.is_ok(),
                    1 => connection.ratelimit_acquire("overhead", LIMIT).await?.is_granted(),
                    2 => limiter.try_acquire("overhead").await?.is_granted(),
                    3 => by_hand(&mut connection, true).await.is_ok(),
                    _ => limiter.acquire("overhead").await?.is_granted(),
                };
                assert!(granted, "the limit is to be out of reach");
            }
            times.push(start.elapsed() / CALLS);
        }
    }
    let medians = times.map(|mut times| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    });
    let [hand, connection, try_acquire, hand_waiting, acquire] = medians.map(|time| time.as_secs_f64() * 1e6);
    for (name, time, hand) in [
        ("connection.ratelimit_acquire", connection, hand),
        ("limiter.try_acquire", try_acquire, hand),
        ("limiter.acquire", acquire, hand_waiting),
    ] {
        println!("{name:30} {time:7.2} us, by hand {hand:7.2} us: {:.3}", time / hand);
    }
    Ok(())
}
