//! What is left when all callers are done: memory and tasks.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use super::Process;

/// When what is allocated once has been.
const WARM: Duration = Duration::from_secs(8);

/// How long tasks have to end: what waits for late answers, and gives waits up.
const SETTLED: Duration = Duration::from_secs(3);

/// The memory when it was warm, in KiB, once the process is to end.
pub(super) async fn early_memory(ended: impl Future<Output = ()>) -> u64 {
    let mut ended = pin!(ended);
    if timeout(WARM, &mut ended).await.is_ok() {
        return memory_kib();
    }
    let early = memory_kib();
    ended.await;
    early
}

pub(super) async fn report(process: &Process, before_kib: u64) {
    let began = Instant::now();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let mut fewest = tasks();
    while began.elapsed() < SETTLED {
        fewest = fewest.min(tasks());
        sleep(Duration::from_millis(50)).await;
    }
    process.say(&format!("rest {before_kib} {} {fewest}", memory_kib()));
}

/// What of the process is in memory, as Linux counts it.
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}
