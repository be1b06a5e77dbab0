//! The callers of a process: each does one thing over and over, and gives up now and then.

use std::rc::Rc;

use sluice_client::{Attempt, Guard};
use tokio::time::{sleep, timeout};

use super::{BUSY, Kind, LEASE, Process};
use crate::now::now_us;

pub(super) async fn call(process: Rc<Process>, kind: Kind, number: usize) {
    while !process.stopped.get() {
        match kind {
            Kind::Turns => turn(&process).await,
            Kind::Busy => busy(&process).await,
            Kind::Ahead => ahead(&process).await,
            Kind::Section => section(&process, number).await,
        }
    }
}

/// Waits its turn, not always to the end.
async fn turn(process: &Process) {
    let patience = process.ms(5..3000);
    match timeout(patience, process.limiter.acquire("turns")).await {
        Ok(Ok(decision)) if decision.is_granted() => process.act("turns"),
        Ok(Ok(_)) => sleep(process.ms(5..100)).await,
        Ok(Err(error)) => {
            process.hear(&error);
            sleep(process.ms(5..50)).await;
        }
        // Hung up.
        Err(_) => {}
    }
}

async fn busy(process: &Process) {
    let limiter = process.limiter.with(BUSY);
    let patience = process.ms(1..400);
    match timeout(patience, limiter.try_acquire("busy")).await {
        Ok(Ok(decision)) if decision.is_granted() => process.act("busy"),
        Ok(Err(error)) => process.hear(&error),
        _ => {}
    }
    sleep(process.ms(2..20)).await;
}

async fn ahead(process: &Process) {
    match process.ahead.try_acquire("ahead").await {
        Ok(decision) if decision.is_granted() => process.act("ahead"),
        Ok(_) => {}
        Err(error) => process.hear(&error),
    }
    sleep(process.ms(2..20)).await;
}

/// Does something alone.
async fn section(process: &Process, number: usize) {
    let lock = process.locks.lock(format!("section:{}", number % 2)).ttl(LEASE);
    let patience = process.ms(200..3000);
    match timeout(patience, lock.acquire(process.ms(100..2500))).await {
        Ok(Ok(Attempt::Acquired(guard))) => alone(process, number % 2, guard).await,
        Ok(Ok(Attempt::Held { .. })) | Err(_) => {}
        Ok(Err(error)) => {
            process.hear(&error);
            sleep(process.ms(5..50)).await;
        }
    }
}

async fn alone(process: &Process, lock: usize, mut guard: Guard) {
    let from_us = now_us();
    if process.once_in(4) {
        guard.keep_alive();
    }
    // Now and then for longer than the lease, which only those do who keep it alive.
    let work = if process.once_in(20) { process.ms(800..1600) } else { process.ms(1..40) };
    let mut to_us = from_us;
    let mut left = work;
    while !guard.valid_for().is_zero() && !left.is_zero() {
        to_us = now_us();
        let step = left.min(std::time::Duration::from_millis(5));
        sleep(step).await;
        left -= step;
    }
    process.say(&format!("section:{lock} {from_us} {to_us} {}", guard.fence()));
    if process.once_in(3) {
        drop(guard);
    } else if let Err(not_released) = guard.release().await {
        process.hear(&not_released.error);
    }
}
