//! What the client adds to the round trip of the same command sent by hand through `redis`.
//!
//! ```text
//! make bench-client                                                                   a server of its own
//! cargo run --release -p sluice-client --example overhead -- redis://127.0.0.1:6379/  this one
//! ```
//!
//! They take turns in small batches, by one task and by 64 at once, so that what disturbs one disturbs all; the
//! figure is the ratio of the medians. Then one hot key, for which many tasks call over and over: the bare command,
//! `try_acquire` as it is where a call costs more than one token and is asked for by itself, calls that are joined,
//! and calls for which tokens are taken ahead.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use sluice_client::{AsyncSluiceCommands, Limit, Limiter, Outage};
use tokio::task::JoinSet;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const BATCHES: usize = 600;
const CALLS: u32 = 64;
const LIMIT: Limit = Limit::per_second(1_000_000).burst(1_000_000);
const HOT: Limit = Limit::per_second(100_000_000);
const HOT_TASKS: u32 = 512;
const HOT_ROUNDS: usize = 7;

/// What is compared.
#[derive(Debug, Clone, Copy)]
enum Way {
    ByHand,
    Connection,
    TryAcquire,
    ByHandWaiting,
    Acquire,
}

const WAYS: [Way; 5] = [Way::ByHand, Way::Connection, Way::TryAcquire, Way::ByHandWaiting, Way::Acquire];

#[derive(Clone)]
struct Bench {
    connection: MultiplexedConnection,
    limiter: Limiter,
}

impl Bench {
    /// What `redis` does for `RATELIMIT.ACQUIRE`, with MAXWAIT as `Limiter::acquire` sends it or without.
    async fn by_hand(&mut self, max_wait: bool) -> Result<bool> {
        let mut command = redis::cmd("RATELIMIT.ACQUIRE");
        command.arg("overhead").arg("LIMIT").arg(1_000_000).arg("PX").arg(1000);
        if max_wait {
            command.arg("MAXWAIT").arg(30_000);
        }
        let reply: Vec<i64> = command.query_async(&mut self.connection).await?;
        Ok(reply.first() == Some(&1))
    }

    async fn call(&mut self, way: Way) -> Result {
        let granted = match way {
            Way::ByHand => self.by_hand(false).await?,
            Way::Connection => self.connection.ratelimit_acquire("overhead", LIMIT).await?.is_granted(),
            Way::TryAcquire => self.limiter.try_acquire("overhead").await?.is_granted(),
            Way::ByHandWaiting => self.by_hand(true).await?,
            Way::Acquire => self.limiter.acquire("overhead").await?.is_granted(),
        };
        assert!(granted, "the limit is to be out of reach");
        Ok(())
    }

    /// The time of a call, of so many tasks that call at once.
    async fn batch(&self, way: Way, tasks: u32) -> Result<Duration> {
        let start = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..tasks {
            let mut bench = self.clone();
            running.spawn(async move {
                for _ in 0..CALLS / tasks.min(CALLS) {
                    bench.call(way).await?;
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        Ok(start.elapsed() / CALLS)
    }
}

/// How a hot key is called.
#[derive(Debug, Clone, Copy)]
enum Hot {
    Bare,
    Plain,
    Joined,
    Ahead,
}

impl Hot {
    /// So that a round takes some tenths of a second, which is several laps of what is taken ahead.
    const fn calls_a_task(self) -> u32 {
        match self {
            Self::Bare | Self::Plain => 120,
            Self::Joined => 600,
            Self::Ahead => 6000,
        }
    }
}

impl Bench {
    async fn hot_call(&mut self, hot: Hot, ahead: &Limiter) -> Result<bool> {
        Ok(match hot {
            Hot::Bare => self.connection.ratelimit_acquire("hot", HOT).await?.is_granted(),
            Hot::Plain => self.limiter.with(HOT.cost(2)).try_acquire("hot:2").await?.is_granted(),
            Hot::Joined => self.limiter.try_acquire("hot").await?.is_granted(),
            Hot::Ahead => ahead.try_acquire("hot:ahead").await?.is_granted(),
        })
    }

    /// Calls a second.
    async fn hot_round(&self, hot: Hot, ahead: &Limiter) -> Result<f64> {
        let start = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..HOT_TASKS {
            let (mut bench, ahead) = (self.clone(), ahead.clone());
            running.spawn(async move {
                for _ in 0..hot.calls_a_task() {
                    assert!(bench.hot_call(hot, &ahead).await?, "the limit is to be out of reach");
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        Ok(f64::from(HOT_TASKS * hot.calls_a_task()) / start.elapsed().as_secs_f64())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[allow(clippy::print_stdout, reason = "it is what it is for")]
async fn hot_key(mut bench: Bench) -> Result {
    bench.limiter = bench.limiter.with(HOT);
    let ahead = bench.limiter.clone().ahead(Duration::from_millis(100));
    let ways = [Hot::Bare, Hot::Plain, Hot::Joined, Hot::Ahead];
    let mut speeds = [const { Vec::new() }; 4];
    for _ in 0..HOT_ROUNDS {
        for (hot, speeds) in ways.iter().zip(&mut speeds) {
            speeds.push(bench.hot_round(*hot, &ahead).await?);
        }
    }
    let speeds = speeds.map(median);
    println!("one hot key, {HOT_TASKS} tasks:");
    for (name, speed) in
        ["the bare command", "one question a call", "joined", "taken ahead, 100 ms"].iter().zip(speeds)
    {
        println!("  {name:30} {speed:9.0} calls/s: {:.1}", speed / speeds[1]);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
#[allow(clippy::print_stdout, reason = "it is what it is for")]
async fn main() -> Result {
    let url = std::env::args().nth(1).unwrap_or_else(sluice_testing::url);
    let client = redis::Client::open(url)?;
    let connection = client.get_multiplexed_async_connection().await?;
    let bench = Bench { connection, limiter: Limiter::new(client, LIMIT, Outage::Closed) };
    for tasks in [1, CALLS] {
        let mut times = [const { Vec::new() }; WAYS.len()];
        for _ in 0..BATCHES {
            for (way, times) in WAYS.iter().zip(&mut times) {
                times.push(bench.batch(*way, tasks).await?.as_secs_f64() * 1e6);
            }
        }
        let medians = times.map(median);
        let [hand, connection, try_acquire, hand_waiting, acquire] = medians;
        println!("{tasks} at once:");
        for (name, time, hand) in [
            ("connection.ratelimit_acquire", connection, hand),
            ("limiter.try_acquire", try_acquire, hand),
            ("limiter.acquire", acquire, hand_waiting),
        ] {
            println!("  {name:30} {time:7.2} us a call, by hand {hand:7.2} us: {:.3}", time / hand);
        }
    }
    hot_key(bench).await
}
